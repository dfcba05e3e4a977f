"""When rules hold: schedules in their own time zones, samples drawn by ids, counts over a conversation."""

from __future__ import annotations

from datetime import datetime

import pytest
from broken_policies import KINDS

from guard.errors import PolicyError
from guard.policy.applying import active_rules
from guard.policy.counting import Past
from guard.policy.decide import decide
from guard.policy.load import loads
from guard.policy.model import Policy
from guard.values import Action, Exchange, Finding, Stage

HEAD = "version: 1\ndetectors: {people: {use: pii}}\nrules:\n  - {id: rude, detect: people, category: pii/email, action: flag}\n"
RULE = "{id: r, detect: people, category: pii/*, action: block, %s}"


def policy(rule: str) -> Policy:
    return loads(f"{HEAD}  - {rule}\n", KINDS)


def at(written: str) -> float:
    return datetime.fromisoformat(written).timestamp()


def active(loaded: Policy, exchange: Exchange, past: tuple[Past, ...] = ()) -> bool:
    return "r" in [rule.id for rule in active_rules(loaded, Stage.INPUT, exchange, past)]


@pytest.mark.parametrize(
    ("schedule", "moment", "holds"),
    [
        ("from: 2026-12-01", "2026-11-30T23:59:59+00:00", False),
        ("from: 2026-12-01", "2026-12-01T00:00:00+00:00", True),
        ("from: 2026-12-01, zone: Europe/Berlin", "2026-11-30T23:00:00+00:00", True),
        ("from: 2026-12-01, zone: Europe/Berlin", "2026-11-30T22:59:59+00:00", False),
        ("until: '2026-12-01T12:00+02:00'", "2026-12-01T09:59:59+00:00", True),
        ("until: '2026-12-01T12:00+02:00'", "2026-12-01T10:00:00+00:00", False),
        ("days: [sat, sun]", "2026-11-28T12:00:00+00:00", True),
        ("days: [sat, sun]", "2026-11-27T12:00:00+00:00", False),
        ("hours: '09:00-17:00', zone: America/New_York", "2026-11-27T14:00:00+00:00", True),
        ("hours: '09:00-17:00', zone: America/New_York", "2026-11-27T22:00:00+00:00", False),
        ("hours: '22:00-06:00', days: fri", "2026-11-28T05:59:00+00:00", True),
        ("hours: '22:00-06:00', days: fri", "2026-11-27T05:59:00+00:00", False),
        ("hours: '22:00-06:00', days: fri", "2026-11-27T22:00:00+00:00", True),
        ("hours: '02:30-03:00', zone: Europe/Berlin", "2026-10-25T01:30:00+00:00", True),
    ],
)
def test_a_schedule_goes_by_the_clock_of_its_zone(schedule: str, moment: str, holds: bool) -> None:
    assert active(policy(RULE % f"schedule: {{{schedule}}}"), Exchange("1", at=at(moment))) is holds


def test_a_sample_is_drawn_by_the_id_of_the_exchange_and_is_about_as_large_as_it_says() -> None:
    loaded = policy(RULE % "sample: 0.25")
    drawn = [active(loaded, Exchange(f"ex_{number}")) for number in range(4_000)]
    assert drawn == [active(loaded, Exchange(f"ex_{number}")) for number in range(4_000)]
    assert 850 < sum(drawn) < 1_150


COUNT = "{id: r, action: block, count: {rule: rude, at_least: 3%s}}"
EMAIL = Finding("people", "pii/email", 1.0)


def struck(*ids: str) -> tuple[Past, ...]:
    return tuple(Past(each.strip("!"), Action.FLAG, frozenset({"rude"} if "!" in each else set())) for each in ids)


@pytest.mark.parametrize(
    ("past", "now", "blocked"),
    [
        (struck("1!", "2!"), True, True),
        (struck("1!", "2!"), False, False),
        (struck("1!"), True, False),
        (struck("1!", "2!", "3!"), False, True),
        (struck("1!", "2", "3!", "4"), True, True),
        (struck("1!", "now!"), True, False),
        (struck("1!", "2!", "now!"), False, True),
        ((), True, False),
    ],
)
def test_the_third_strike_blocks_and_an_exchange_counts_once(past: tuple[Past, ...], now: bool, blocked: bool) -> None:
    loaded = policy(COUNT % "")
    rules = active_rules(loaded, Stage.INPUT, Exchange("now"), past)
    decision = decide(loaded, rules, [EMAIL] if now else [])
    assert (decision.action is Action.BLOCK) is blocked


def test_a_count_within_some_turns_forgets_what_came_before() -> None:
    loaded = policy(COUNT % ", within: 4 turns")
    for past, blocked in ((struck("1!", "2!", "3"), True), (struck("1!", "2!", "3", "4"), False)):
        rules = active_rules(loaded, Stage.INPUT, Exchange("now"), past)
        assert (decide(loaded, rules, [EMAIL]).action is Action.BLOCK) is blocked


def test_a_count_beside_a_detector_waits_until_enough_has_happened_before() -> None:
    loaded = policy(RULE % "count: {rule: rude, at_least: 2}")
    assert not active(loaded, Exchange("now"), struck("1!"))
    assert active(loaded, Exchange("now"), struck("1!", "2!"))
    rules = active_rules(loaded, Stage.INPUT, Exchange("now"), struck("1!", "2!"))
    assert decide(loaded, rules, []).action is Action.ALLOW
    assert decide(loaded, rules, [EMAIL]).action is Action.BLOCK


@pytest.mark.parametrize(
    ("rule", "path", "expected"),
    [
        (RULE % "schedule: {from: tomorrow}", "rules[1].schedule.from", "a date of ISO 8601"),
        (RULE % "schedule: {from: 2026-13-01}", "rules[1].schedule.from", "a date of ISO 8601"),
        (RULE % "schedule: {from: 2026-12-02, until: 2026-12-01}", "rules[1].schedule.until", "a moment after `from`"),
        (RULE % "schedule: {zone: Europe/Berlim, days: fri}", "rules[1].schedule.zone", "a time zone"),
        (RULE % "schedule: {zone: ../../etc/passwd, days: fri}", "rules[1].schedule.zone", "a time zone"),
        (RULE % "schedule: {hours: '25:00-26:00'}", "rules[1].schedule.hours", "two different times of the day"),
        (RULE % "schedule: {hours: '09:00-09:00'}", "rules[1].schedule.hours", "two different times of the day"),
        (RULE % "schedule: {days: [fir]}", "rules[1].schedule.days[0]", "mon, tue"),
        (RULE % "schedule: {}", "rules[1].schedule", "one of the keys"),
        (RULE % "sample: 0", "rules[1].sample", "a number in"),
        (RULE % "sample: 10%", "rules[1].sample", "a number in"),
        (COUNT % ", within: 3 minutes", "rules[1].count.within", "a number of turns"),
        (COUNT % ", within: 2 turns", "rules[1].count.within", "at least 3 turns"),
        ("{id: r, action: block, count: {rule: rud, at_least: 3}}", "rules[1].count.rule", "another rule"),
        ("{id: r, action: block, count: {rule: r, at_least: 3}}", "rules[1].count.rule", "does not count itself"),
        ("{id: r, action: block, count: {rule: rude, at_least: 0}}", "rules[1].count.at_least", "a whole number"),
        (
            "{id: r, action: allow, overrides: rude, count: {rule: rude, at_least: 1}}",
            "rules[1].count",
            "something that is found",
        ),
        (
            "{id: r, action: block, count: {rule: rude, at_least: 2}, when: finding.score > 0.3}",
            "rules[1].when",
            "nothing is found",
        ),
    ],
)
def test_what_makes_no_sense_is_pointed_at(rule: str, path: str, expected: str) -> None:
    with pytest.raises(PolicyError) as caught:
        policy(rule)
    matching = [problem for problem in caught.value.problems if problem.path.startswith(path)]
    assert matching, [str(problem) for problem in caught.value.problems]
    assert expected in matching[0].expected
