"""Wait for detectors in trouble, within bounds: a scan has time that a request has not, but not all the time in the world."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterable

from guard.runtime.served import Served
from guard.values import Detector

_SECONDS = 15.0
_SHARE = 0.1
_NEARLY = 0.9
_LOOK_EVERY = 0.05
_CLOSED, _OPEN = "closed", "open"


class Patience:
    """Rests for some seconds altogether, plus a tenth of the time that has gone by."""

    def __init__(self, detectors: Iterable[Detector] = (), seconds: float = _SECONDS) -> None:
        self._served = [detector for detector in detectors if isinstance(detector, Served)]
        self._limit = _NEARLY * min((detector.timeout for detector in self._served), default=math.inf)
        self._began = time.monotonic()
        self._seconds = seconds

    def helps(self, seconds: float) -> bool:
        """Return whether a rest may help after a failure that took so long: time ran out, or a detector is left alone."""
        return seconds >= self._limit or any(detector.breaker != _CLOSED for detector in self._served)

    async def rest(self, seconds: float) -> bool:
        """Wait for `seconds`, and for detectors that are left alone; return whether there was the patience for that."""
        began = time.monotonic()
        left = max(0.0, self._seconds + _SHARE * (began - self._began))
        await asyncio.sleep(min(seconds, left))
        while self._is_left_alone() and time.monotonic() < began + left:  # noqa: ASYNC110 - a breaker goes by the clock
            await asyncio.sleep(_LOOK_EVERY)
        self._seconds -= time.monotonic() - began
        return seconds <= left and not self._is_left_alone()

    def _is_left_alone(self) -> bool:
        return any(detector.breaker == _OPEN for detector in self._served)
