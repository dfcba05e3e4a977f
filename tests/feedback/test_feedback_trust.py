"""Who counts how much, and who stands out: the statistic, and what is remembered for it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.feedback.standing import Speaker, Standings, contradicts
from guard.feedback.statements import Checked, Post
from guard.feedback.trust import WEIGHTS, Compared, Conduct, fault, weight
from guard.store.posts import Said
from guard.values import Action


@given(st.integers(1, 10_000), st.floats(0, 1), st.sampled_from([1.0, 2.0, 4.0]))
def test_an_interval_lies_in_the_unit_and_around_the_share(n: int, share: float, z: float):
    seen = round(n * share)
    low, high = Compared(n, seen).interval(z)
    assert 0 <= low <= seen / n + 1e-9
    assert seen / n - 1e-9 <= high <= 1


def test_wilsons_interval_is_the_published_one():
    assert Compared(10, 1).interval(1.96) == pytest.approx((0.0179, 0.4042), abs=1e-3)


def test_a_source_that_contradicts_far_more_than_the_others_stands_out():
    rest = Conduct(policy=Compared(400, 40), others=Compared(400, 40))
    assert fault(Conduct(policy=Compared(40, 38)), rest) == "contradicts-policy"
    assert fault(Conduct(others=Compared(40, 38)), rest) == "contradicts-others"
    assert fault(Conduct(policy=Compared(40, 8), others=Compared(40, 8)), rest) == ""


def test_with_too_little_to_compare_nobody_stands_out():
    rest = Conduct(policy=Compared(400, 0))
    assert fault(Conduct(policy=Compared(19, 19)), rest) == ""
    assert fault(Conduct(policy=Compared(1_000, 1_000)), Conduct(policy=Compared(19, 0))) == ""


def test_where_all_contradict_the_policy_it_is_the_policy_that_stands_out():
    assert fault(Conduct(policy=Compared(50, 45)), Conduct(policy=Compared(500, 430))) == ""


def test_honest_sources_are_hardly_ever_flagged_by_chance():
    chance = random.Random(7)
    flagged = 0
    for _ in range(2_000):
        share = chance.uniform(0.05, 0.5)
        mine, rest = (Compared(n, sum(chance.random() < share for _ in range(n))) for n in (chance.randint(20, 80), 200))
        flagged += bool(fault(Conduct(policy=mine), Conduct(policy=rest)))
    assert flagged == 0


def test_the_same_words_and_more_than_a_person_can_mean_stand_out():
    assert fault(Conduct(repeated=5), Conduct()) == "repeats"
    assert fault(Conduct(minute=61), Conduct(), busy=60) == "bursts"
    assert fault(Conduct(repeated=4, minute=60), Conduct(), busy=60) == ""
    assert fault(Conduct(minute=10_000), Conduct()) == ""


@given(st.sampled_from(sorted(WEIGHTS)), st.integers(0, 1_000_000))
def test_who_is_better_known_counts_more_and_who_is_flagged_hardly(kind: str, given_before: int):
    now, later = weight(kind, given_before), weight(kind, given_before + 1)
    assert 0 < now <= later <= WEIGHTS[kind]
    assert weight(kind, given_before, flagged=True) < now


def test_a_new_client_counts_less_than_a_new_application_and_more_than_nobody():
    assert weight("application", 0) > weight("client", 0) > weight("anonymous", 0) > weight("implicit", 0)
    assert weight("reviewer", 0) == 1.0


@pytest.mark.parametrize(
    ("said", "action", "expected"),
    [
        (Said("category", 1.0, "hate"), Action.ALLOW, True),
        (Said("category", 1.0, "hate"), Action.BLOCK, False),
        (Said("appeal"), Action.BLOCK, True),
        (Said("thumb", -1.0), Action.BLOCK, True),
        (Said("thumb", 1.0), Action.BLOCK, False),
        (Said("thumb", -1.0), Action.ALLOW, None),
        (Said("category", 1.0, "hate"), None, None),
        (Said("correction"), Action.ALLOW, None),
    ],
)
def test_what_contradicts_a_decision(said: Said, action: Action | None, expected: bool | None):
    assert contradicts(said, action) is expected


def post(exchange: str, thumb: float = 1.0, comment: str | None = None) -> Checked:
    return Checked(Post(exchange, comment=comment), (Said("thumb", thumb, comment=comment),), (), None, "")


def test_a_source_that_always_says_the_opposite_of_the_others_is_flagged_and_the_others_are_not():
    standings = Standings()
    honest = [Speaker("client", f"person:{number}") for number in range(4)]
    reasons = set()
    for number in range(40):
        for each in honest:
            weighed = standings.weigh("t", each, post(f"ex_{number}"))
            assert weighed.status == "new"
        found = standings.weigh("t", Speaker("client", "person:liar", subject="liar"), post(f"ex_{number}", -1.0))
        reasons |= {found.note.reason} if found.note else set()
    assert found.status == "flagged"
    assert reasons == {"contradicts-others"}
    assert standings.weigh("other", Speaker("client", "person:liar"), post("ex_1", -1.0)).status == "new"


def test_the_same_comment_about_many_exchanges_is_flagged_however_it_is_spaced():
    standings = Standings()
    speaker = Speaker("anonymous", "address:203.0.113.9")
    said = ["Buy pills at example.org", "buy  PILLS at example.org", "Buy pills\nat example.org"]
    found = [standings.weigh("", speaker, post(f"ex_{number}", comment=said[number % 3])) for number in range(6)]
    assert [each.status for each in found] == ["new"] * 4 + ["flagged"] * 2
    again = [standings.weigh("", Speaker("client", "person:a"), post("ex_1", comment=said[0])) for _ in range(9)]
    assert {each.status for each in again} == {"new"}


def test_a_reviewer_is_never_flagged():
    standings = Standings()
    speaker = Speaker("reviewer", "key:gk_1", "gk_1")
    assert {standings.weigh("", speaker, post(f"ex_{n}", comment="the same words again")).status for n in range(20)} == {"new"}


def test_a_source_that_was_flagged_elsewhere_stays_so_until_reviewers_clear_it():
    clock = [0.0]
    standings, speaker = Standings(lambda: clock[0]), Speaker("application", "key:gk_1", "gk_1")
    standings.take_over([("t", "key:gk_1", "repeats")], "key:")
    assert standings.weigh("t", speaker, post("ex_1")).status == "flagged"
    assert standings.weigh("other", speaker, post("ex_1")).status == "new"
    standings.take_over([], "key:")
    assert standings.weigh("t", speaker, post("ex_1")).status == "new"


def test_a_source_that_was_just_flagged_is_not_cleared_by_a_store_that_does_not_know_it_yet():
    clock = [0.0]
    standings, speaker = Standings(lambda: clock[0]), Speaker("application", "key:gk_1", "gk_1")
    for number in range(6):
        found = standings.weigh("", speaker, post(f"ex_{number}", comment="the very same words"))
    standings.take_over([], "key:")
    assert (found.status, standings.weigh("", speaker, post("ex_7")).status) == ("flagged", "flagged")
    clock[0] = 61.0
    standings.take_over([], "key:")
    assert standings.weigh("", speaker, post("ex_8")).status == "new"
