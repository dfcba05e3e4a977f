"""How decisions are counted, and how sure the figures are that come of it."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from guard.trials.certainty import change, share
from guard.trials.counting import Fires, tallied, together
from guard.trials.differing import Compared, Verdict
from guard.values import Action, Stage


def compared(base: Verdict, shadow: Verdict, stage: Stage = Stage.INPUT) -> Compared:
    return Compared("ex_1", "", stage, base, shadow, 1)


def figures(*several: Compared):
    return tallied(Counter(name for each in several for name in each.counted()).items())


def test_what_is_counted_is_what_comes_out():
    calm, strict = Verdict("a"), Verdict("b", Action.BLOCK, ("no:word", "hate"), ("custom/x",))
    flag = Verdict("a", Action.FLAG, ("hate",), ("hate",))
    found = figures(compared(calm, strict), compared(calm, calm), compared(flag, strict), compared(flag, calm, Stage.OUTPUT))
    total = together(found.values())
    assert (total.compared, total.same, found[Stage.INPUT].compared) == (4, 1, 3)
    assert total.moves[Action.FLAG, Action.BLOCK] == total.moves[Action.FLAG, Action.ALLOW] == 1
    assert total.rules == {"no:word": Fires(0, 0, 2), "hate": Fires(1, 1, 1)}
    assert (total.rules["hate"].before, total.rules["hate"].after) == (2, 2)
    assert total.categories == {"custom/x": Fires(0, 0, 2), "hate": Fires(0, 2, 0)}


def test_equal_verdicts_in_another_order_are_no_difference():
    first = Verdict("a", Action.BLOCK, ("x", "y"), ("hate", "sexual"))
    second = Verdict("b", Action.BLOCK, ("y", "x"), ("sexual", "hate"))
    assert not compared(first, second).differs
    assert compared(first, Verdict("b", Action.BLOCK, ("x",), ("hate", "sexual"))).differs
    assert compared(first, Verdict("b", Action.BLOCK, ("x", "y"), ("hate",))).differs


def test_what_was_judged_without_a_verdict_is_counted_and_not_compared():
    broken = Verdict("b", Action.BLOCK, ("x",), failed=("tone", "(time)"))
    each = compared(Verdict("a"), broken)
    assert not each.differs
    total = together(figures(each, compared(Verdict("a", failed=("mine",)), Verdict("b"))).values())
    assert (total.compared, total.failed, total.without) == (0, 2, {"tone": 1, "(time)": 1})


def test_counters_of_a_later_version_are_left_out():
    found = tallied([("input:allow>allow", 2), ("input:allow>vanish", 1), ("input:novel:x", 1), ("sideways:failed", 1)])
    assert (found[Stage.INPUT].compared, list(found)) == (2, [Stage.INPUT])


def test_the_interval_of_a_share_is_wilsons():
    assert share(10, 10) == pytest.approx((1.0, 0.7225, 1.0), abs=1e-4)  # as published in many tables
    assert share(0, 10) == pytest.approx((0.0, 0.0, 0.2775), abs=1e-4)
    assert share(5, 10) == pytest.approx((0.5, 0.2366, 0.7634), abs=1e-4)
    assert share(0, 0) == (0.0, 0.0, 1.0)


def test_the_interval_of_a_change_holds_what_is_true_about_as_often_as_it_says():
    chance, held, draws, of = random.Random(3), 0, 400, 300
    for _ in range(draws):
        cells = Counter(chance.choices(("gone", "new", "alike"), (0.03, 0.08, 0.89), k=of))
        found = change(cells["gone"], cells["new"], of)
        held += found.low <= 0.05 <= found.high
    assert 0.92 <= held / draws <= 0.98


def test_a_change_mirrors_and_nothing_tells_nothing():
    up, down = change(2, 9, 100), change(9, 2, 100)
    assert (up.value, up.low, up.high) == pytest.approx((-down.value, -down.high, -down.low))
    assert up.low > -1 < change(0, 0, 5).low < 0 < change(0, 0, 5).high
    assert change(0, 0, 0) == (0.0, -1.0, 1.0)
