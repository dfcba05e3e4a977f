"""A circuit breaker: leave alone for a while what failed several times in a row (Nygard, "Release It!", 2nd ed., 2018, ch. 5)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Breaker:
    """Closed while calls succeed, open after `failures` in a row, half open after `recovery` seconds, when one call tries.

    Thread-safe. A call that is cancelled counts neither way; the next one tries then.
    """

    def __init__(self, failures: int, recovery: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = failures
        self._recovery = recovery
        self._clock = clock
        self._lock = threading.Lock()
        self._failed = 0
        self._until = 0.0

    @property
    def state(self) -> str:
        """`closed`, `open` or `half-open`."""
        if self._failed < self._most:
            return "closed"
        return "open" if self._clock() < self._until else "half-open"

    def admit(self) -> bool:
        """Return whether a call may be made. While half open one call may, and the next one `recovery` seconds later."""
        with self._lock:
            if self._failed < self._most:
                return True
            now = self._clock()
            if now < self._until:
                return False
            self._until = now + self._recovery
            return True

    def succeeded(self) -> None:
        """Take note of a call that went well: the breaker closes."""
        self._failed = 0

    def failed(self) -> None:
        """Take note of a call that failed."""
        with self._lock:
            self._failed += 1
            if self._failed >= self._most:
                self._until = self._clock() + self._recovery
