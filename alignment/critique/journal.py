"""What models have answered already, on the disk: a run that was killed goes on where it was, and asks nothing twice.

Each answer stands under a digest of all that it depends on: who was asked, what, and how. So another prompt, model or setting
finds nothing, and whatever is still the same is found.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from guard.constitution import Mark, mark_of
from guard.errors import TenetError

FILE = "journal.jsonl"


class Known(NamedTuple):
    """An answer that was given.

    Attributes:
        finish: `stop` where it ended by itself, `length` where it was cut off.
    """

    text: str
    finish: str


class Journal:
    """Answers by digest. Use `journal_in`, which holds the file for one process."""

    def __init__(self, file: BinaryIO, known: dict[str, Known], key: bytes) -> None:
        self._file, self._known = file, known
        self.mark: Mark = mark_of(key)
        """The marks around texts in questions: the same in every run, so that the questions are."""

    def get(self, digest: str) -> Known | None:
        """Return what was answered; None where nothing was."""
        return self._known.get(digest)

    def add(self, digest: str, answer: Known) -> None:
        """Keep an answer. Raises TenetError where it cannot be written."""
        self._known[digest] = answer
        try:
            self._file.write(_line({"digest": digest, "text": answer.text, "finish": answer.finish}))
            self._file.flush()
        except OSError as error:
            raise TenetError(f"{self._file.name}: cannot be written: {error.strerror}; what is in it stays") from error


@contextmanager
def journal_in(folder: Path) -> Iterator[Journal]:
    """Give the journal of a folder, made where there is none.

    Raises:
        TenetError: Where another process has it, or it is no journal.
    """
    path = folder / FILE
    try:
        file = path.open("a+b")
    except OSError as error:
        raise TenetError(f"{path}: cannot be opened: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise TenetError(f"{path}: another run is at work in this folder; wait for it, or name another folder") from None
        known, key = _read(path, file)
        if not key:
            key = secrets.token_bytes(32)
            file.write(_line({"key": key.hex()}))
            file.flush()
        try:
            yield Journal(file, known, key)
        finally:
            os.fsync(file.fileno())


def digest_of(*parts: Any) -> str:  # noqa: ANN401 - plain JSON values
    """Return 32 hexadecimal digits that stand for values."""
    said = json.dumps(parts, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _read(path: Path, file: BinaryIO) -> tuple[dict[str, Known], bytes]:
    """Return what stands in a journal; a last line that a kill has cut off is taken away."""
    known: dict[str, Known] = {}
    key, whole = b"", 0
    file.seek(0)
    for number, line in enumerate(file, 1):
        if not line.endswith(b"\n"):
            file.truncate(whole)
            break
        whole += len(line)
        try:
            row = json.loads(line)
            if number == 1:
                key = bytes.fromhex(row["key"])
            else:
                known[row["digest"]] = Known(row["text"], row["finish"])
        except (ValueError, KeyError, TypeError):
            raise TenetError(f"{path}:{number}: expected a line of a journal, got another (name another folder)") from None
    file.seek(0, os.SEEK_END)
    return known, key


def _line(row: dict[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=True).encode() + b"\n"
