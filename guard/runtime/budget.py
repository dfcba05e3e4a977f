"""A budget for retries, so that a service in trouble is not asked twice as often (Google, "Site Reliability Engineering", 21)."""

from __future__ import annotations

import threading


class RetryBudget:
    """Each call earns a tenth of a retry; at most `most` are saved up. Thread-safe."""

    def __init__(self, share: float = 0.1, most: float = 10.0) -> None:
        self._share = share
        self._most = most
        self._saved = most
        self._lock = threading.Lock()

    def earn(self) -> None:
        """Take note of a first call."""
        with self._lock:
            self._saved = min(self._most, self._saved + self._share)

    def spend(self) -> bool:
        """Return whether a call may be repeated, and count it."""
        with self._lock:
            if self._saved < 1:
                return False
            self._saved -= 1
            return True
