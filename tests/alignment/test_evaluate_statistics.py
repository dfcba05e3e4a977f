"""Intervals, bounds, the sign test and the number of prompts, against known values and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from alignment.evaluation.statistics import FEW, compared, interval_of, needed, signed

HOW = {"level": 0.95, "draws": 500}


def pairs(higher: int, lower: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    before = np.array([0.0] * higher + [1.0] * lower + [0.0] * (size - higher - lower))
    after = np.array([1.0] * higher + [0.0] * lower + [0.0] * (size - higher - lower))
    return before, after


def test_the_sign_test_is_the_exact_one():
    found = signed(9, 1)
    assert found.p_higher == pytest.approx(11 / 1024)
    assert found.p_lower == pytest.approx(1023 / 1024)
    assert found.p == pytest.approx(22 / 1024)
    assert (signed(0, 0).p, signed(5, 5).p) == (1.0, 1.0)
    assert signed(0, 3).p_lower == pytest.approx(1 / 8)


def test_no_difference_in_few_prompts_leaves_room_for_one():
    found = compared(np.zeros(10), np.zeros(10), rate=True, **HOW)
    assert found.value == 0
    z = 1.6448536
    assert found.at_most == pytest.approx(z * z / (10 + z * z), abs=1e-6)  # Tango's bound where no prompt differs
    assert found.at_least == pytest.approx(-z * z / (10 + z * z), abs=1e-6)


def test_the_interval_turns_with_the_models():
    before, after = pairs(8, 3, 50)
    there, back = compared(before, after, rate=True, **HOW), compared(after, before, rate=True, **HOW)
    assert there.interval is not None
    assert back.interval is not None
    assert there.interval.low == pytest.approx(-back.interval.high)
    assert there.at_least == pytest.approx(-back.at_most)  # type: ignore[operator]
    assert there.interval.low < 0 < there.value < there.interval.high


def test_bounds_of_plain_rates_solve_the_score_equation_and_need_no_chance():
    found = compared(*pairs(12, 3, 60), rate=True, seed=1, **HOW)
    assert found == compared(*pairs(12, 3, 60), rate=True, seed=2, **HOW)
    assert found.at_most is not None
    shift = found.at_most  # the difference that is just not rejected: rates under it by maximising the likelihood on a grid
    grid = np.linspace(1e-6, (1 - shift) / 2 - 1e-6, 200_001)
    likelihood = 12 * np.log(grid + shift) + 3 * np.log(grid) + 45 * np.log(1 - 2 * grid - shift)
    rarer = float(grid[likelihood.argmax()])
    score = (9 - 60 * shift) / math.sqrt(60 * (2 * rarer + shift - shift**2))
    assert score == pytest.approx(-1.6449, abs=1e-3)


def test_few_prompts_have_a_value_and_no_interval():
    found = compared(np.zeros(FEW - 1), np.ones(FEW - 1), rate=True, **HOW)
    assert (found.value, found.interval, found.at_least) == (1.0, None, None)
    assert found.signs is not None
    assert interval_of(np.ones(FEW - 1), rate=True, **HOW) is None


def test_several_answers_to_a_prompt_do_not_pass_for_several_prompts():
    chance = np.random.default_rng(1)
    few = chance.random(12)
    copied = compared(np.zeros(12), few, rate=False, **HOW)
    assert copied.interval is not None
    spread = float(few.std(ddof=1)) / math.sqrt(12)
    assert copied.interval.high - copied.interval.low > 2 * 1.9 * spread


@pytest.mark.parametrize(("size", "up", "down"), [(20, 0.2, 0.1), (60, 0.1, 0.02), (200, 0.05, 0.05)])
def test_bounds_of_rates_cover_as_often_as_they_say(size: int, up: float, down: float):
    chance = np.random.default_rng(size)
    rounds, covered, above, below = 300, 0, 0, 0
    for _ in range(rounds):
        drawn = chance.random(size)
        higher, lower = int((drawn < up).sum()), int((drawn > 1 - down).sum())
        found = compared(*pairs(higher, lower, size), rate=True, level=0.95, draws=100)
        assert found.interval is not None
        covered += found.interval.low <= up - down <= found.interval.high
        above += up - down <= (found.at_most or 0)
        below += up - down >= (found.at_least or 0)
    least = 0.95 - 3 * math.sqrt(0.95 * 0.05 / rounds) - 0.01
    assert min(covered, above, below) / rounds >= least


def test_intervals_of_means_cover_as_often_as_they_say():
    chance = np.random.default_rng(5)
    rounds, covered = 300, 0
    for number in range(rounds):
        before = chance.exponential(1, 30)
        after = before * 0.5 + chance.exponential(1, 30) + 0.2
        found = compared(before, after, rate=False, level=0.95, draws=300, seed=number)
        assert found.interval is not None
        covered += found.interval.low <= 0.7 <= found.interval.high
    assert 0.88 <= covered / rounds <= 0.99


def test_so_many_prompts_as_are_needed_tell_the_difference():
    up, down, margin = 0.15, 0.05, 0.04
    spread = math.sqrt(up + down - (up - down) ** 2)
    size = needed(spread, margin, 0.95)
    found = compared(*pairs(round(up * size), round(down * size), size), rate=True, **HOW)
    assert found.at_most == pytest.approx(found.value + margin, abs=0.006)
    assert needed(0.0, 0.02, 0.95) == math.ceil(1.6448536**2 * 0.98 / 0.02)
    assert needed(0.0, 0.02, 0.95, rate=False) == FEW


def test_the_interval_of_a_plain_rate_is_the_exact_one():
    found = interval_of(np.array([1.0] * 2 + [0.0] * 18), rate=True, **HOW)
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(0.0123, abs=1e-3), pytest.approx(0.3170, abs=1e-3))  # Clopper and Pearson
