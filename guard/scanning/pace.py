"""How many records are judged at the same time: fewer after one got no verdict, more again while all goes well.

A detector's time limit covers the time that an item waits for others. So a scan that is in a hurry would cause failures that no
single text has. A record that got no verdict in company is therefore judged once more alone, and the company halved; with every
record that goes well it grows a little (additive increase, multiplicative decrease; Chiu & Jain, 1989).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class Pace:
    """Lets work through, at most `limit` at a time. For one event loop.

    Attributes:
        limit: How much may go on at the same time; at least 1.
    """

    def __init__(self, most: int) -> None:
        self.limit = float(most)
        self._most = float(most)
        self._running = 0
        self._waiting: deque[tuple[asyncio.Future[None], bool]] = deque()
        self._round = 0

    async def run(self, work: Callable[[], Awaitable[T]], *, went_well: Callable[[T], bool]) -> T:
        """Do `work` in company, and once more alone where it did not go well."""
        result, began = await self._within(work, alone=False)
        if went_well(result):
            self.limit = min(self._most, self.limit + 1 / self.limit)
            return result
        slowed = self._slow_down(began)
        result, _ = await self._within(work, alone=True)
        if slowed and not went_well(result):
            self.limit = min(self._most, 2 * self.limit)  # it was not the company
        return result

    def _slow_down(self, began: int) -> bool:
        """Halve the company, unless that was done since the round in which this work began."""
        if began != self._round or self.limit <= 1:
            return False
        self._round += 1
        self.limit = max(1.0, self.limit / 2)
        return True

    async def _within(self, work: Callable[[], Awaitable[T]], *, alone: bool) -> tuple[T, int]:
        """Do `work` when it is its turn; return with its result the round in which it began."""
        if self._waiting or not self._has_room(alone):
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((turn, alone))
            await turn
        else:
            self._running += self._weight(alone)
        began = self._round
        try:
            return await work(), began
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
