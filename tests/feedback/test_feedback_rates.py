"""How much feedback is taken: exactly as much as was said, in bounded memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import TenetError
from guard.feedback.rates import Limiter, Rate, Rates, rates


class Clock:
    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def test_what_is_allowed_may_come_at_once_and_the_next_one_waits_for_its_turn():
    clock = Clock()
    limiter = Limiter(clock)
    rate = [("token:a", Rate(3, 60.0))]
    assert [limiter.wait(rate) for _ in range(3)] == [0, 0, 0]
    assert limiter.wait(rate) == pytest.approx(20)
    assert limiter.wait([("token:b", Rate(3, 60.0))]) == 0
    clock.at += 20
    assert limiter.wait(rate) == 0
    assert limiter.wait(rate) > 0


@given(st.integers(1, 20), st.floats(1, 100), st.lists(st.floats(0, 30), min_size=1, max_size=200))
def test_never_more_than_twice_the_rate_in_its_time(most: int, seconds: float, pauses: list[float]):
    clock = Clock()
    limiter = Limiter(clock)
    taken: list[float] = []
    for pause in pauses:
        clock.at += pause
        if not limiter.wait([("a", Rate(most, seconds))]):
            taken.append(clock.at)
    for begin in taken:
        assert sum(begin <= at < begin + seconds for at in taken) <= 2 * most


def test_what_one_bucket_refuses_is_taken_from_none():
    limiter = Limiter(Clock())
    full, other = ("full", Rate(1, 60.0)), ("other", Rate(1, 60.0))
    assert limiter.wait([full]) == 0
    assert limiter.wait([full, other]) > 0
    assert limiter.wait([other]) == 0


def test_a_list_counts_as_many_and_one_that_is_too_long_is_not_shut_out_for_ever():
    limiter = Limiter(Clock())
    assert limiter.wait([("a", Rate(10, 60.0))], 4) == 0
    assert limiter.wait([("a", Rate(10, 60.0))], 7) > 0
    assert limiter.wait([("b", Rate(10, 60.0))], 100) == 0


def test_memory_is_bounded():
    limiter = Limiter(Clock(), most=100)
    for number in range(1_000):
        limiter.wait([(f"token:{number}", Rate(1, 60.0))])
    assert len(limiter) == 100


def test_rates_are_read():
    assert rates("") == Rates()
    assert rates("token=5/s, address=off") == Rates(token=Rate(5, 1.0), address=Rate(), local=True)
    assert rates("key=1000/h").key == Rate(1000, 3_600.0)
    assert not any(rate.most for rate in rates("off")[:4])


@pytest.mark.parametrize(
    "text", ["token", "token=0/s", "token=5", "tokens=5/s", "token=5/day", "on", "token=-1/s", ",", "off,off"]
)
def test_rates_that_say_nothing_are_refused(text: str):
    with pytest.raises(TenetError, match="--feedback-rate"):
        rates(text)
