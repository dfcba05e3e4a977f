"""Attempts that were refused, for the audit: one entry a minute for each key and reason, with how many there were.

So whoever tries keys by the million leaves a trace, and no more than a trace. Addresses are not in it: they can be somebody's.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guard.store.keys import StoredKey

AGAIN = 60.0
"""Seconds after which the same is noted once more."""
_MOST = 1_000

Note = Callable[["StoredKey | None", str, int], None]
"""`Keys.note_refused`."""


@dataclass(slots=True)
class _Count:
    key: StoredKey | None
    noted: float
    since: int = 0


class Refusals:
    """Counts what was refused, and has it noted. Used from one event loop."""

    def __init__(self, note: Note, clock: Callable[[], float] = time.monotonic) -> None:
        self._note = note
        self._clock = clock
        self._counts: OrderedDict[tuple[str, str], _Count] = OrderedDict()

    def count(self, key: StoredKey | None, reason: str) -> None:
        """Count an attempt; the first is noted at once, later ones with the next that comes after a minute.

        Args:
            key: None where what was shown is no key of the store's: all of these are counted together.
        """
        at = self._clock()
        name = (key.id if key is not None else "", reason)
        known = self._counts.get(name)
        if known is None:
            self._counts[name] = _Count(key, at)
            self._note(key, reason, 1)
            if len(self._counts) > _MOST:
                self._flush(self._counts.popitem(last=False))
            return
        known.since += 1
        if at - known.noted >= AGAIN:
            self._note(key, reason, known.since)
            known.noted, known.since = at, 0

    def flush(self) -> None:
        """Have noted what is counted and was not noted."""
        while self._counts:
            self._flush(self._counts.popitem(last=False))

    def _flush(self, item: tuple[tuple[str, str], _Count]) -> None:
        (_, reason), count = item
        if count.since:
            self._note(count.key, reason, count.since)
