"""Say how far a step is."""

from __future__ import annotations

import time
from collections.abc import Callable

from alignment.models.sampling import Progress

Say = Callable[[str], None]

_PAUSE = 5.0
"""Seconds between two lines."""


def telling(what: str, say: Say) -> Callable[[Progress], None]:
    """Return what says how far a step is, every few seconds and at its end."""
    last = float("-inf")

    def tell(progress: Progress) -> None:
        nonlocal last
        if progress.done < progress.wanted and not progress.out_of_time and time.monotonic() - last < _PAUSE:
            return
        last = time.monotonic()
        pace = progress.tokens / max(progress.seconds, 1e-9)
        left = progress.seconds / max(1, progress.done) * (progress.wanted - progress.done)
        end = ", out of time" if progress.out_of_time else f", {left:.0f} s left" if left else ""
        say(f"{what}: {progress.done:,} of {progress.wanted:,}, {pace:.0f} tokens/s{end}")

    return tell
