"""How far a scan has come, and of what: written beside its output, so that it can go on after any stop."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from guard.errors import TenetError
from guard.scanning.records import Position


class Command(msgspec.Struct, frozen=True):
    """What makes the output what it is; a scan goes on only where all of it is as before.

    Attributes:
        changed: When the input was last changed, in nanoseconds.
        policy: The policy's digest.
    """

    input: str
    size: int | None
    changed: int | None
    field: str
    id: str
    stage: str
    role: str
    keep_text: bool
    policy: str

    def differences(self, other: Command) -> list[str]:
        """Return in words what `other` has otherwise."""
        return [
            words
            for name, words in _WORDS.items()
            if getattr(self, name) != getattr(other, name) and not (name == "size" and self.input != other.input)
        ]


class Checkpoint(msgspec.Struct, frozen=True):
    """How far a scan has come.

    Attributes:
        position: Where the next record begins in the input.
        length: Bytes of results written so far.
        counts: The summary of those.
        done: Whether the input has been read to its end.
    """

    command: Command
    position: Position = Position()
    length: int = 0
    counts: dict[str, Any] | None = None
    done: bool = False
    version: int = 1

    def write(self, path: Path) -> None:
        """Replace the file at once, and have it on the disk before going on."""
        fresh = path.with_name(path.name + ".new")
        with fresh.open("wb") as file:
            file.write(msgspec.json.encode(self))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        sync_folder(path.parent)


def read_checkpoint(path: Path) -> Checkpoint | None:
    """Return what was written; None where there is none.

    Raises:
        TenetError: Where it cannot be read.
    """
    try:
        checkpoint = msgspec.json.decode(path.read_bytes(), type=Checkpoint)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
        raise TenetError(f"{path}: expected where a scan stopped, got something else; start anew with --overwrite") from error
    if checkpoint.version != 1:
        raise TenetError(f"{path}: expected version 1, got {checkpoint.version}; start anew with --overwrite")
    return checkpoint


def sync_folder(folder: Path) -> None:
    """Have what was renamed in a folder on the disk."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


_WORDS = {
    "input": "another input",
    "size": "an input of another size",
    "changed": "an input that was changed since",
    "field": "another --field",
    "id": "another --id",
    "stage": "another --stage",
    "role": "another --role",
    "keep_text": "--keep-text set otherwise",
    "policy": "another policy, or other versions of its detectors",
}
