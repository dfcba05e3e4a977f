"""How many records are judged together: fewer after a failure that company may have caused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from guard.scanning.pace import Pace
from guard.scanning.patience import Patience

pytestmark = pytest.mark.anyio


class Work:
    """Things to do that go well in company of at most `bearable`; counts how many went on together."""

    def __init__(self, bearable: int, always_bad: frozenset[int] = frozenset()) -> None:
        self.bearable = bearable
        self.always_bad = always_bad
        self.running = 0
        self.most = 0
        self.attempts: dict[int, list[int]] = {}

    def of(self, number: int) -> Callable[[], Awaitable[bool]]:
        async def work() -> bool:
            self.running += 1
            self.most = max(self.most, self.running)
            for _ in range(3):
                await asyncio.sleep(0)
            company = self.running
            self.attempts.setdefault(number, []).append(company)
            self.running -= 1
            return company <= self.bearable and number not in self.always_bad

        return work


async def run(pace: Pace, work: Work, count: int) -> list[bool]:
    return await asyncio.gather(*(pace.run(work.of(number), went_well=bool) for number in range(count)))


async def test_no_more_go_on_together_than_are_allowed():
    work = Work(bearable=100)
    assert all(await run(Pace(5, Patience()), work, 50))
    assert work.most == 5
    assert all(len(attempts) == 1 for attempts in work.attempts.values())


async def test_what_fails_for_its_company_alone_goes_well_in_the_end():
    work = Work(bearable=3)
    pace = Pace(32, Patience())
    assert all(await run(pace, work, 300))
    assert pace.limit < 8
    assert all(attempts[-1] <= 3 for attempts in work.attempts.values())


async def test_what_fails_alone_too_is_given_back_after_two_attempts_and_slows_nobody():
    work = Work(bearable=100, always_bad=frozenset(range(0, 200, 10)))
    pace = Pace(16, Patience())
    results = await run(pace, work, 200)
    assert [number for number, well in enumerate(results) if not well] == list(range(0, 200, 10))
    assert {len(work.attempts[number]) for number in range(0, 200, 10)} == {2}
    assert {work.attempts[number][1] for number in range(0, 200, 10)} == {1}
    assert pace.limit > 8


async def test_work_that_raises_lets_others_through():
    pace = Pace(1, Patience())

    async def fails() -> bool:
        raise ValueError

    results = await asyncio.gather(
        pace.run(fails, went_well=bool),
        pace.run(Work(1).of(0), went_well=bool),
        return_exceptions=True,
    )
    assert isinstance(results[0], ValueError)
    assert results[1] is True
