"""Who belongs to a trial's share of the traffic."""

from __future__ import annotations

from dataclasses import replace

import pytest

from guard.engine import new_exchange
from guard.errors import TenetError
from guard.trials.share import Wish, in_share, wish_of
from guard.values import Caller, Exchange

SECRET = b"of these tests"


def drawn(exchange: Exchange, percent: float, trial: str = "new", secret: bytes = SECRET) -> bool:
    return in_share(secret, trial, exchange, percent)


def person(number: int) -> Exchange:
    return new_exchange(caller=Caller("t", subject=f"person {number}"))


def test_all_that_one_person_says_has_one_policy_and_so_has_a_conversation():
    for number in range(50):
        somebody = person(number)
        assert len({drawn(replace(somebody, id=f"ex_{turn}", conversation=f"c{turn}"), 30) for turn in range(20)}) == 1
        talk = new_exchange(conversation=f"talk {number}")
        assert len({drawn(replace(talk, id=f"ex_{turn}"), 30) for turn in range(20)}) == 1


@pytest.mark.parametrize("percent", [1, 10, 50])
def test_the_share_is_as_large_as_was_asked_for(percent: float):
    people = [person(number) for number in range(20_000)]
    for exchanges in (people, [new_exchange() for _ in people]):
        assert sum(drawn(each, percent) for each in exchanges) / len(people) * 100 == pytest.approx(percent, rel=0.15)


def test_who_is_in_stays_in_when_the_share_grows():
    for number in range(500):
        somebody = person(number)
        found = [drawn(somebody, percent) for percent in (1, 5, 20, 50, 99, 100)]
        assert found == sorted(found)
        assert found[-1]


def test_trials_secrets_and_tenants_draw_each_for_itself():
    people = [person(number) for number in range(2_000)]
    first = [drawn(each, 50) for each in people]
    others = (
        [drawn(each, 50, trial="other") for each in people],
        [drawn(each, 50, secret=b"another") for each in people],
        [drawn(replace(each, caller=replace(each.caller, tenant="u")), 50) for each in people],
    )
    for second in others:
        assert sum(a == b for a, b in zip(first, second, strict=True)) == pytest.approx(1_000, abs=150)


def test_a_name_with_half_a_surrogate_pair_is_drawn_too():
    assert drawn(new_exchange(conversation="\ud800"), 50) in (True, False)


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("strict", Wish("strict", 100)),
        ("strict@25", Wish("strict", 25)),
        ("./new.yaml@0.5%", Wish("./new.yaml", 0.5)),
        ("a@b/new.yaml", Wish("a@b/new.yaml", 100)),
        ("new@2.yaml", Wish("new@2.yaml", 100)),
        ("new@2.yaml@10", Wish("new@2.yaml", 10)),
    ],
)
def test_a_policy_and_its_share_are_told_apart(text: str, wish: Wish):
    assert wish_of("--shadow", text) == wish


@pytest.mark.parametrize("text", ["@5", "new@", "new@0", "new@-1", "new@101", "new@nan", "new@many", "new@inf"])
def test_what_is_no_share_is_refused(text: str):
    with pytest.raises(TenetError, match=r"--shadow: expected POLICY or POLICY@PERCENT"):
        wish_of("--shadow", text)


def test_a_canary_needs_its_share_said():
    with pytest.raises(TenetError, match="without a percentage"):
        wish_of("--canary", "new.yaml", percent_needed=True)
