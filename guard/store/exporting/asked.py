"""What an export is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FORMATS = ("pairs", "sft", "binary", "scalar", "moderation")
SPLITS = ("held_out", "validation", "train")
"""The sets, in the order in which they are filled: what would be in two of them is in the first."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is wanted.

    Attributes:
        format: One of `FORMATS`.
        since: UTC in microseconds, itself included; None where it does not matter.
        until: UTC in microseconds, itself not included.
        min_weight: How much has to stand behind a record.
        keep_personal_data: Whether texts leave as the store has them.
        overwrite: Whether an earlier export in `out` is replaced.
        actor: Who asks, for the audit.
    """

    format: str
    out: Path
    tenant: str = ""
    since: int | None = None
    until: int | None = None
    min_weight: float = 0.0
    keep_personal_data: bool = False
    overwrite: bool = False
    actor: str = ""
