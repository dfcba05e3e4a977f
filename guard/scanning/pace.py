"""How many records are judged at the same time: fewer after one got no verdict, more again while all goes well.

A detector's time limit covers the time that an item waits for others. So a scan that is in a hurry would cause failures that no
single text has. A record that got no verdict in company is therefore judged again alone, after a rest if time had run out, and
the company is halved; with every record that goes well it grows a little (additive increase, multiplicative decrease; Chiu and
Jain, 1989).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from guard.scanning.patience import Patience

T = TypeVar("T")

_MOST_ALONE = 6
"""Attempts alone."""


class Pace:
    """Lets work through, at most `limit` at a time. For one event loop at a time.

    Attributes:
        limit: How much may go on at the same time; at least 1.
    """

    def __init__(self, most: int, patience: Patience) -> None:
        self.limit = float(most)
        self._most = float(most)
        self._patience = patience
        self._running = 0
        self._waiting: deque[tuple[asyncio.Future[None], bool]] = deque()
        self._round = 0
        self._in_trouble = False

    async def run(self, work: Callable[[], Awaitable[T]], *, went_well: Callable[[T], bool]) -> T:
        """Do `work` in company, and again alone where it did not go well."""
        async with self._turn(alone=False) as began:
            result, seconds = await _timed(work)
        if went_well(result):
            self._in_trouble = False
            self.limit = min(self._most, self.limit + 1 / self.limit)
            return result
        self._in_trouble |= self._patience.helps(seconds)
        slowed = self._slow_down(began)
        result = await self._alone(work, went_well, seconds)
        if went_well(result):
            self._in_trouble = False
        elif slowed:
            self.limit = min(self._most, 2 * self.limit)  # it was not the company
        return result

    async def _alone(self, work: Callable[[], Awaitable[T]], went_well: Callable[[T], bool], pause: float) -> T:
        """Do `work` alone; where time runs out, again after longer and longer rests, as long as there is patience."""
        for number in range(_MOST_ALONE):
            async with self._turn(alone=True):
                rested = not self._in_trouble or await self._patience.rest(pause * 2**number)
                result, seconds = await _timed(work)
            if went_well(result) or not rested or not self._patience.helps(seconds):
                break
        return result

    def _slow_down(self, began: int) -> bool:
        """Halve the company, unless that was done since the round in which this work began."""
        if began != self._round or self.limit <= 1:
            return False
        self._round += 1
        self.limit = max(1.0, self.limit / 2)
        return True

    @asynccontextmanager
    async def _turn(self, *, alone: bool) -> AsyncIterator[int]:
        """Wait for a turn, and hold it; gives the round in which it begins."""
        if self._waiting or not self._has_room(alone):
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((turn, alone))
            await turn
        else:
            self._running += self._weight(alone)
        try:
            yield self._round
        finally:
            self._running -= self._weight(alone)
            self._admit()

    def _has_room(self, alone: bool) -> bool:
        return self._running == 0 if alone else self._running < int(self.limit)

    def _weight(self, alone: bool) -> int:
        return int(self._most) if alone else 1

    def _admit(self) -> None:
        while self._waiting and self._has_room(self._waiting[0][1]):
            turn, alone = self._waiting.popleft()
            if not turn.cancelled():
                self._running += self._weight(alone)
                turn.set_result(None)


async def _timed(work: Callable[[], Awaitable[T]]) -> tuple[T, float]:
    began = time.monotonic()
    return await work(), time.monotonic() - began
