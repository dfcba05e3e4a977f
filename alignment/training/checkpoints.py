"""Checkpoints that neither a kill nor a full disk can spoil: one is used only if it was written to its end."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alignment.training.errors import TrainingError
from guard.errors import TenetError

WHOLE = "whole"
"""An empty file in a checkpoint, written last: the checkpoint is complete."""

MADE_OF = "made_of.json"
"""Beside the checkpoints: what the run began with."""


def latest(folder: Path) -> Path | None:
    """Return the latest whole checkpoint, and remove those that a kill cut short; None where there is none."""
    found = sorted((path for path in folder.glob("checkpoint-*") if _step(path) >= 0), key=_step)
    for path in found:
        if not (path / WHOLE).is_file():
            shutil.rmtree(path, ignore_errors=True)
    whole = [path for path in found if (path / WHOLE).is_file()]
    return whole[-1] if whole else None


def seal(checkpoint: Path) -> None:
    """Have a checkpoint on the disk, and then mark it as whole. Raises OSError where the disk does not take it."""
    for file in (path for path in checkpoint.rglob("*") if path.is_file()):
        _flush(file)
    (checkpoint / WHOLE).touch()
    _flush(checkpoint / WHOLE)
    _flush(checkpoint)


def same_run(folder: Path, made_of: Mapping[str, Any]) -> None:
    """Keep what a run began with beside its checkpoints, or see that it is what they began with.

    Raises:
        TenetError: Where the checkpoints are of a run with other settings, another model, data or seed.
    """
    file = folder / MADE_OF
    if latest(folder) is None:
        folder.mkdir(parents=True, exist_ok=True)
        beside = folder / f".{MADE_OF}"
        beside.write_text(json.dumps(made_of))
        os.replace(beside, file)
        return
    try:
        before = json.loads(file.read_bytes())
    except (OSError, ValueError):
        before = {}
    differs = sorted(name for name in {*before, *made_of} if before.get(name) != json.loads(json.dumps(made_of.get(name))))
    if differs:
        raise TenetError(
            f"{folder}: expected checkpoints of this very run, found those of one that differs in {', '.join(differs)} "
            "(remove the folder to begin again, or train into another one)"
        )


def not_written(error: Exception, out: Path) -> TrainingError | None:
    """Return the error to tell where a checkpoint or product could not be written; None where `error` says something else.

    safetensors and torch wrap what the system says in errors of their own.
    """
    reason = _reason(error)
    if not reason:
        return None
    latest(out / "checkpoints")  # makes room: what was cut short is of no use
    return TrainingError(
        f"{out}: cannot be written: {reason}; earlier checkpoints are kept (make room there, and the same command goes on)"
    )


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return os.strerror(error.errno) if error.errno else ""
    said = str(error)
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO):
        if f"os error {number}" in said.lower() or os.strerror(number) in said:
            return os.strerror(number)
    torch_writes = "PytorchStreamWriter failed" in said or "unexpected pos" in said or "inline_container" in said
    return "the disk took only a part of it" if torch_writes else ""


def _flush(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _step(path: Path) -> int:
    match = re.fullmatch(r"checkpoint-(\d+)", path.name)
    return int(match[1]) if match else -1
