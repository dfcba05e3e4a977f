"""Checkpoints that a kill cannot spoil: one is used only if it was written to its end."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

WHOLE = "whole"
"""An empty file in a checkpoint, written last: the checkpoint is complete."""


def latest(folder: Path) -> Path | None:
    """Return the latest whole checkpoint, and remove those that a kill cut short; None where there is none."""
    found = sorted((path for path in folder.glob("checkpoint-*") if _step(path) >= 0), key=_step)
    for path in found:
        if not (path / WHOLE).is_file():
            shutil.rmtree(path, ignore_errors=True)
    whole = [path for path in found if (path / WHOLE).is_file()]
    return whole[-1] if whole else None


def _step(path: Path) -> int:
    match = re.fullmatch(r"checkpoint-(\d+)", path.name)
    return int(match[1]) if match else -1
