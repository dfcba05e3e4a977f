"""What an encoded run is: a stretch of a canonical text that may stand for another text."""

from __future__ import annotations

from typing import NamedTuple

LIMIT = 4096
"""Characters of a run that are decoded; what exceeds them is another run."""


class Run(NamedTuple):
    """An encoded run, or what might have become one, in offsets of the canonical text.

    Attributes:
        needs: How much of the canonical text settles the run; more than there is where it may go on.
        text: What it stands for; None where that does not read as text.
        exceeds: Whether it was cut at the limit.
    """

    start: int
    end: int
    needs: int
    text: str | None
    exceeds: bool = False
