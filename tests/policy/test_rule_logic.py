"""Rules that ask several detectors at once: any, all, not and sums; thresholds by category; severities."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from broken_policies import KINDS
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import PolicyError
from guard.policy.decide import decide, fired
from guard.policy.load import loads
from guard.policy.logic import Clause, Every, Leaf, Not, Some, holds
from guard.policy.model import Policy
from guard.values import Action, Decision, Finding, Role

HEAD = "version: 1\ndetectors: {people: {use: pii}, own: {use: words}}\n"
EMAIL, PHONE, WORD = "pii/email", "pii/phone", "custom"


def policy(rules: str, more: str = "") -> Policy:
    return loads(f"{HEAD}{more}rules: [{rules}]", KINDS)


def found(detector: str, category: str, score: float, role: Role = Role.USER) -> Finding:
    return Finding(detector, category, score, role=role)


def decision(loaded: Policy, *findings: Finding, **more: Any) -> Decision:
    return decide(loaded, loaded.rules, findings, **more)


BOTH = """{id: r, action: block, all: [{detect: people, category: pii/email, threshold: 0.6},
                                       {any: [{detect: own, category: custom}, {detect: people, category: pii/phone}]},
                                       {not: {detect: own, category: vendor/special, threshold: 0.9}}]}"""


@pytest.mark.parametrize(
    ("findings", "action"),
    [
        ([found("people", EMAIL, 0.6)], Action.ALLOW),
        ([found("people", EMAIL, 0.6), found("own", WORD, 0.5)], Action.BLOCK),
        ([found("people", EMAIL, 0.6), found("people", PHONE, 0.5)], Action.BLOCK),
        ([found("people", EMAIL, 0.59), found("own", WORD, 1.0)], Action.ALLOW),
        ([found("people", EMAIL, 1), found("own", WORD, 1), found("own", "vendor/special", 0.9)], Action.ALLOW),
        ([found("people", EMAIL, 1), found("own", WORD, 1), found("own", "vendor/special", 0.89)], Action.BLOCK),
        ([], Action.ALLOW),
    ],
)
def test_a_rule_fires_on_findings_that_fulfil_its_clauses(findings: list[Finding], action: Action) -> None:
    assert decision(policy(BOTH), *findings).action is action


def test_what_a_not_is_about_is_no_reason_why_a_rule_fires() -> None:
    loaded = policy(BOTH)
    findings = [found("people", EMAIL, 1), found("own", WORD, 1), found("own", "vendor/special", 0.1)]
    assert fired(loaded.rules, findings) == ((loaded.rules[0], tuple(findings[:2])),)


def test_a_sum_adds_the_highest_score_of_each_part_times_its_weight() -> None:
    loaded = policy(
        "{id: r, action: block, sum: {at_least: 1.3, of: [{detect: people, category: pii/*, weight: 2},"
        " {detect: own, category: custom, threshold: 0.2}]}}"
    )
    assert decision(loaded, found("people", EMAIL, 0.5), found("people", PHONE, 0.4), found("own", WORD, 0.3)).rules == ("r",)
    assert decision(loaded, found("people", EMAIL, 0.5), found("people", PHONE, 0.6), found("own", WORD, 0.19)).rules == ()
    assert decision(loaded, found("people", PHONE, 0.65)).rules == ("r",)


def test_a_clause_reads_only_the_words_that_its_rule_reads() -> None:
    loaded = policy(
        "{id: r, action: block, roles: user, all: [{detect: people, category: pii/*}, {detect: own, category: custom}]}"
    )
    assert decision(loaded, found("people", EMAIL, 1), found("own", WORD, 1, Role.ASSISTANT)).rules == ()


def test_an_exception_takes_findings_out_before_the_clauses_are_asked() -> None:
    both = "{id: both, action: block, all: [{detect: people, category: pii/*}, {detect: own, category: custom}]}"
    loaded = policy(both + ", {id: fine, action: allow, overrides: both, detect: own, category: vendor/special}")
    findings = [found("people", EMAIL, 1), found("own", WORD, 1)]
    assert decision(loaded, *findings).rules == ("both",)
    assert decision(loaded, *findings, found("own", "vendor/special", 1)).rules == ("fine",)


def test_a_detector_of_any_clause_that_fails_makes_the_rule_do_what_its_on_error_says() -> None:
    assert decision(policy(BOTH), failed=[("own", Role.USER)]).action is Action.BLOCK
    assert decision(policy(BOTH.replace("action", "on_error: flag, action")), failed=[("own", Role.USER)]).action is Action.FLAG


def test_thresholds_by_category_hold_for_the_name_before_the_group() -> None:
    loaded = policy(
        "{id: r, action: block, detect: people, category: pii/*, threshold: 0.3, thresholds: {pii/email: 0.9, pii/*: 0.6}}"
    )
    assert decision(loaded, found("people", EMAIL, 0.89)).rules == ()
    assert decision(loaded, found("people", EMAIL, 0.9)).rules == ("r",)
    assert decision(loaded, found("people", PHONE, 0.59)).rules == ()
    assert decision(loaded, found("people", PHONE, 0.6)).rules == ("r",)


@pytest.mark.parametrize(("more", "threshold"), [("", 0.75), ("defaults: {severities: {high: 0.8}, threshold: 0.1}\n", 0.8)])
def test_a_severity_names_a_threshold(more: str, threshold: float) -> None:
    [rule] = policy("{id: r, action: block, detect: people, category: pii/email, severity: high}", more).rules
    assert rule.threshold == threshold


def test_who_overrides_how_a_rule_reads_need_not_take_back_the_other_way(tmp_path: Any) -> None:
    base = tmp_path / "base.yaml"
    base.write_text(f"{HEAD}rules: [{{id: a, action: flag, detect: people, category: pii/*, severity: low}}, {BOTH}]")
    child = (
        "version: 1\nextends: ./base.yaml\nrules:\n"
        "  - {override: a, threshold: 0.9, any: [{detect: own, category: custom}, {detect: people, category: pii/email}]}\n"
        "  - {override: r, detect: own, category: custom}\n"
    )
    first, second = loads(child, KINDS, directory=tmp_path).rules
    assert (first.detect, first.threshold) == (("own", "people"), 0.9)
    assert (second.detect, second.category, second.logic) == (("own",), ("custom",), None)


LEAVES = [Leaf((detector,), ("custom",), 0.5) for detector in "abc"]


def clauses() -> st.SearchStrategy[Clause]:
    return st.recursive(
        st.sampled_from(LEAVES),
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3).map(lambda of: Some(tuple(of))),
            st.lists(inner, min_size=1, max_size=3).map(lambda of: Every(tuple(of))),
            inner.map(Not),
        ),
        max_leaves=8,
    )


def truth(clause: Clause, known: dict[str, bool]) -> bool:
    match clause:
        case Leaf():
            return known[clause.detect[0]]
        case Not():
            return not truth(clause.clause, known)
        case Some():
            return any(truth(each, known) for each in clause.of)
        case Every():
            return all(truth(each, known) for each in clause.of)
    raise AssertionError(clause)


@given(clauses())
def test_clauses_are_the_logic_that_their_names_say(clause: Clause) -> None:
    for values in itertools.product((True, False), repeat=3):
        known = dict(zip("abc", values, strict=True))
        findings = [Finding(name, "custom", 1.0 if value else 0.4) for name, value in known.items()]
        assert holds(clause, findings) is truth(clause, known)


@pytest.mark.parametrize(
    ("rule", "path", "expected"),
    [
        ("all: [{not: {detect: own, category: custom}}]", "rules[0].all", "something that has to be found"),
        ("any: [{detect: own, category: custom}, {not: {detect: own, category: custom}}]", "rules[0].any", "has to be found"),
        ("all: [{detect: own}]", "rules[0].all[0]", "the key `category`"),
        ("all: [{detect: own, category: custom, any: [{detect: own, category: custom}]}]", "rules[0].all[0]", "one of the keys"),
        ("all: [{}]", "rules[0].all[0]", "one of the keys"),
        ("all: []", "rules[0].all", "a list"),
        ("any: [{detect: owm, category: custom}]", "rules[0].any[0].detect", "the name of a detector"),
        ("any: [{not: {detect: own, category: custon}}]", "rules[0].any[0].not.category", "a known category"),
        ("sum: {at_least: 3, of: [{detect: own, category: custom, weight: 2}]}", "rules[0].sum.at_least", "can be reached"),
        ("sum: {of: [{detect: own, category: custom}]}", "rules[0].sum", "the key `at_least`"),
        ("all: [{any: [{detect: own, category: custom}], threshold: 0.3}]", "rules[0].all[0].threshold", "only beside `detect`"),
        ("detect: own, category: custom, all: [{detect: own, category: custom}]", "rules[0].detect", "no `detect` beside `all`"),
        (
            "detect: own, category: custom, threshold: 0.3, severity: low",
            "rules[0].threshold",
            "no `threshold` beside `severity`",
        ),
        ("detect: own, category: custom, severity: hihg", "rules[0].severity", "low, medium, high or severe"),
        (
            "detect: own, category: custom, thresholds: {custm: 0.3}",
            "rules[0].thresholds.custm",
            "a category that this rule reads",
        ),
        ("detect: own, category: custom, by_language: {german: 0.3}", "rules[0].by_language.german", "the ISO 639 code"),
    ],
)
def test_what_makes_no_sense_is_pointed_at(rule: str, path: str, expected: str) -> None:
    with pytest.raises(PolicyError) as caught:
        policy(f"{{id: r, action: block, {rule}}}")
    matching = [problem for problem in caught.value.problems if problem.path == path]
    assert matching, [str(problem) for problem in caught.value.problems]
    assert expected in matching[0].expected
