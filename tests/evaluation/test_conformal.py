"""What a chosen threshold promises holds on fresh records: in expectation and with confidence, with and without ties."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from guard.evaluation.binomial import cumulative, interval
from guard.evaluation.conformal import NEVER, Control, Promise, choose, losses

NOBODY = np.array([])
DRAWS = 4000

Draw = Callable[[np.random.Generator, int], np.ndarray]


def smooth(rng: np.random.Generator, size: int) -> np.ndarray:
    return rng.beta(2, 3, size)


def tied(rng: np.random.Generator, size: int) -> np.ndarray:
    return rng.choice([0.3, 0.5, 0.7, 0.9], size, p=[0.04, 0.5, 0.42, 0.04])


def often_silent(rng: np.random.Generator, size: int) -> np.ndarray:
    """Like a detector that finds nothing in one record of 25, and rounds what it says of the others."""
    return np.where(rng.random(size) < 0.04, NEVER, np.round(rng.beta(5, 2, size), 1))


def rates(promise: Promise, draw: Draw, size: int) -> np.ndarray:
    """The true rate of the threshold chosen from each of many draws; 0 where none was chosen."""
    rng = np.random.default_rng(20260801)
    everybody = np.sort(draw(rng, 100_000))
    found = np.zeros(DRAWS)
    for number in range(DRAWS):
        chosen = choose(promise, rng.choice(everybody, size), NOBODY)
        if chosen is not None:
            below = np.searchsorted(everybody, chosen.value) / len(everybody)
            found[number] = below if promise.control is Control.MISSES else 1 - below
    return found


@pytest.mark.parametrize("draw", [smooth, tied, often_silent])
@pytest.mark.parametrize("control", list(Control))
@pytest.mark.parametrize(("risk", "size"), [(0.05, 19), (0.05, 67), (0.2, 31)])
def test_the_next_record_is_lost_with_at_most_the_risk(draw: Draw, control: Control, risk: float, size: int):
    found = rates(Promise(control, risk), draw, size)
    four_standard_errors = 4 * found.std() / math.sqrt(DRAWS)
    assert found.mean() <= risk + four_standard_errors
    if draw is smooth:  # and it is no laxer promise than the asked one: what may be lost is lost
        assert found.mean() >= (math.floor(risk * (size + 1)) / (size + 1)) - four_standard_errors - 0.001


@pytest.mark.parametrize("draw", [smooth, tied, often_silent])
@pytest.mark.parametrize("control", list(Control))
@pytest.mark.parametrize(("risk", "confidence", "size"), [(0.05, 0.95, 59), (0.1, 0.9, 200), (0.2, 0.8, 40)])
def test_with_confidence_the_rate_keeps_to_the_risk_in_nearly_every_draw(
    draw: Draw, control: Control, risk: float, confidence: float, size: int
):
    found = rates(Promise(control, risk, confidence), draw, size)
    failed = (found > risk).mean()
    four_standard_errors = 4 * math.sqrt(confidence * (1 - confidence) / DRAWS)
    assert failed <= 1 - confidence + four_standard_errors
    if draw is smooth and size == 59:
        assert failed >= 1 - confidence - four_standard_errors - 0.005


@pytest.mark.parametrize("control", list(Control))
def test_one_example_fewer_than_needed_cannot_keep_the_promise(control: Control):
    for risk, confidence in [(0.05, None), (0.3, None), (1 / 3, None), (0.05, 0.95), (0.01, 0.99), (0.5, 0.5)]:
        promise = Promise(control, risk, confidence)
        assert promise.allowed(promise.needed) == 0
        assert promise.allowed(promise.needed - 1) == -1
        with pytest.raises(ValueError, match=f"at least {promise.needed}"):
            choose(promise, np.full(promise.needed - 1, 0.5), NOBODY)
    assert Promise(control, 0.05).needed == 19
    assert Promise(control, 0.05, 0.95).needed == 59


def test_no_float_beside_a_decimal_costs_an_example():
    for hundredths in range(1, 100):
        size = 100 * 7 - 1
        assert Promise(Control.MISSES, hundredths / 100).allowed(size) == hundredths * 7 - 1


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_the_threshold_is_the_most_useful_that_loses_no_more_than_allowed(data: st.DataObject):
    values = st.sampled_from([NEVER, 0.0, 1e-7, 0.05, 0.3, 0.30004, 0.5, 0.85, 0.9996, 0.99999, 1.0])
    control = data.draw(st.sampled_from(list(Control)))
    promise = Promise(control, data.draw(st.sampled_from([0.1, 0.25, 0.5])), data.draw(st.sampled_from([None, 0.8])))
    scores = np.array(data.draw(st.lists(values | st.floats(0, 1), min_size=promise.needed, max_size=60)))
    others = np.array(data.draw(st.lists(values, max_size=20)))
    allowed = promise.allowed(len(scores))
    chosen = choose(promise, scores, others)
    everything = np.concatenate([scores, others])
    possible = np.unique(np.append(everything[everything > 0], 1.0))
    kept = [level for level in possible if losses(control, scores, level) <= allowed]
    if chosen is None:
        assert not kept or not (everything > 0).any()
        return
    assert float(chosen.written) == chosen.value
    assert 0 < chosen.value <= 1
    assert losses(control, scores, chosen.value) <= allowed
    useful = max(kept) if control is Control.MISSES else min(kept, default=1.0)
    assert losses(control, scores, chosen.value) == losses(control, scores, useful)
    if control is Control.MISSES and useful < 1:  # 1 itself stands in `possible` though nobody may score it
        assert (others >= chosen.value).sum() == (others >= useful).sum()


@given(st.lists(st.floats(0, 1), min_size=40, max_size=80), st.sampled_from(list(Control)))
@settings(max_examples=100, deadline=None)
def test_more_risk_makes_a_threshold_more_useful_and_confidence_less(scores: list[float], control: Control):
    sign = 1 if control is Control.MISSES else -1
    chosen = [choose(Promise(control, risk), np.array(scores), NOBODY) for risk in (0.05, 0.1, 0.3)]
    values = [sign * threshold.value for threshold in chosen if threshold]
    assert values == sorted(values)
    cautious = choose(Promise(control, 0.3, 0.95), np.array(scores), NOBODY)
    if cautious and chosen[2]:
        assert sign * cautious.value <= sign * chosen[2].value


def test_thresholds_are_short_decimals_on_the_safe_side():
    scores = np.array([0.123456, *[0.9] * 18])
    assert choose(Promise(Control.MISSES, 0.05), scores, NOBODY).written == "0.123"
    assert choose(Promise(Control.MISSES, 0.05), scores, np.array([0.1234])).written == "0.12345"
    assert choose(Promise(Control.FALSE_ALARMS, 0.05), 1 - scores, NOBODY).written == "0.877"
    assert choose(Promise(Control.FALSE_ALARMS, 0.05), np.full(19, 0.85), NOBODY).written == "0.851"
    assert choose(Promise(Control.FALSE_ALARMS, 0.05), np.full(19, 0.9996), NOBODY).written == "0.9997"


def test_what_is_never_found_or_always_certain_leaves_no_threshold():
    assert choose(Promise(Control.MISSES, 0.05), np.array([NEVER, *[0.9] * 18]), NOBODY) is None
    assert choose(Promise(Control.FALSE_ALARMS, 0.05), np.array([1.0, *[0.1] * 18]), NOBODY) is None
    assert choose(Promise(Control.FALSE_ALARMS, 0.05), np.full(19, NEVER), NOBODY) is None
    assert choose(Promise(Control.FALSE_ALARMS, 0.05), np.full(19, NEVER), np.array([0.8, 0.6])).written == "0.6"


@pytest.mark.parametrize(("events", "trials"), [(0, 10), (3, 50), (50, 50), (0, 1), (400, 1000)])
def test_intervals_and_probabilities_are_those_of_the_tables(events: int, trials: int):
    known = stats.binomtest(events, trials).proportion_ci(0.95)
    assert interval(events, trials) == pytest.approx((known.low, known.high), abs=1e-9)
    assert cumulative(trials, 0.05) == pytest.approx(stats.binom.cdf(np.arange(trials + 1), trials, 0.05))


def test_no_records_say_nothing_about_a_rate():
    assert interval(0, 0) == (0.0, 1.0)
