"""What a detector was asked and what that cost; numbers only, never text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """Counters of one detector since it was built.

    Attributes:
        asked: Items that verdicts were wanted for.
        cached: Items whose verdict was remembered.
        joined: Items whose verdict was on its way for somebody else.
        calls: Calls of the detector.
        items: Items in those calls.
        retried: Calls that were repeated.
        failed: Items without a verdict.
        shed: Items that were refused because too many waited.
        refused: Items that were not asked for while the breaker was open.
    """

    asked: int = 0
    cached: int = 0
    joined: int = 0
    calls: int = 0
    items: int = 0
    retried: int = 0
    failed: int = 0
    shed: int = 0
    refused: int = 0
