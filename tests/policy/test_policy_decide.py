"""Decisions: pure, strictest first, exceptions exact, failures closed."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from guard.policy.applying import active_rules
from guard.policy.conditions import compile_condition
from guard.policy.decide import Redaction, decide, fired, redactions, strictest
from guard.policy.model import Policy, Redactor, Rule
from guard.values import Action, Decision, Exchange, Finding, Location, Role, Span, Stage

BOTH = frozenset(Stage)
AT, ELSEWHERE = Location("/a"), Location("/b")


def rule(name: str, action: Action, **fields: object) -> Rule:
    return Rule(**{"id": name, "on": BOTH, "detect": ("d",), "category": ("hate/*",), "action": action, **fields})  # type: ignore[arg-type]


def policy(*rules: Rule) -> Policy:
    return Policy("p", rules, {}, digest="0" * 64, message="No.")


def finding(score: float = 0.9, span: Span | None = None, location: Location = AT, category: str = "hate") -> Finding:
    return Finding("d", category, score, span, location)


def act(rules: list[Rule], *findings: Finding, failed: tuple[tuple[str, Role], ...] = ()) -> Decision:
    return decide(policy(*rules), rules, findings, failed)


def test_nothing_found_is_allowed_under_the_policys_digest() -> None:
    assert act([rule("b", Action.BLOCK)]) == Decision(policy="0" * 64)


def test_the_strictest_action_wins_and_rules_stand_in_the_policys_order() -> None:
    rules = [
        rule("f", Action.FLAG),
        rule("b", Action.BLOCK),
        rule("r", Action.REDACT),
        rule("other", Action.BLOCK, category=("pii/*",)),
    ]
    decision = act(rules, finding())
    assert (decision.action, decision.rules, decision.findings) == (Action.BLOCK, ("f", "b", "r"), (finding(),))


def test_a_threshold_is_reached_by_an_equal_score() -> None:
    assert act([rule("b", Action.BLOCK, threshold=0.5)], finding(0.5)).action is Action.BLOCK
    assert act([rule("b", Action.BLOCK, threshold=0.5)], finding(0.4999)).action is Action.ALLOW


def test_the_message_is_the_first_blocking_rules_own_else_the_policys() -> None:
    flagged = rule("f", Action.FLAG, message="flagged")
    assert act([flagged], finding()).message == ""
    assert act([flagged, rule("b", Action.BLOCK)], finding()).message == "No."
    blocks = [rule("b", Action.BLOCK, message="first"), rule("c", Action.BLOCK, message="second")]
    assert act([flagged, *blocks], finding()).message == "first"


def test_a_failed_detector_blocks_for_rules_above_flag_that_read_it_in_that_role() -> None:
    failed = (("d", Role.USER),)
    assert act([rule("b", Action.BLOCK), rule("r", Action.REDACT)], failed=failed).rules == ("b", "r")
    assert act([rule("r", Action.REDACT)], failed=failed).action is Action.BLOCK
    assert act([rule("r", Action.REDACT, on_error=Action.FLAG)], failed=failed).action is Action.FLAG
    assert act([rule("b", Action.BLOCK, on_error=Action.ALLOW)], failed=failed).rules == ()
    assert act([rule("b", Action.BLOCK, roles=frozenset({Role.ASSISTANT}))], failed=failed).action is Action.ALLOW
    assert act([rule("b", Action.BLOCK, detect=("e",))], failed=failed).action is Action.ALLOW


def test_a_failed_detector_is_recorded_where_only_flag_rules_read_it() -> None:
    decision = act([rule("f", Action.FLAG), rule("a", Action.ALLOW)], failed=(("d", Role.USER), ("d", Role.ASSISTANT)))
    assert (decision.action, decision.rules, decision.failed) == (Action.ALLOW, (), ("d",))


def test_a_failure_does_not_weaken_what_a_rule_asks_for_by_its_findings() -> None:
    lenient = rule("b", Action.BLOCK, on_error=Action.FLAG)
    assert act([lenient], finding(), failed=(("d", Role.USER),)).action is Action.BLOCK


def exception(*overrides: str) -> Rule:
    return rule("a", Action.ALLOW, category=("custom",), overrides=overrides)


def test_an_exception_takes_out_exactly_what_it_covers_for_exactly_its_rules() -> None:
    rules = [rule("x", Action.BLOCK), rule("y", Action.FLAG), exception("x")]
    allowing = finding(span=Span(10, 20), category="custom")
    assert act(rules, allowing, finding(span=Span(10, 20))).rules == ("y", "a")
    assert act(rules, allowing, finding(span=Span(12, 15))).rules == ("y", "a")
    for outside in (Span(5, 15), Span(15, 25), Span(5, 25), Span(30, 40), None):
        assert act(rules, allowing, finding(span=outside)).rules == ("x", "y", "a"), outside
    assert act(rules, allowing, finding(span=Span(12, 15), location=ELSEWHERE)).action is Action.BLOCK


def test_an_exception_without_a_span_covers_its_whole_location() -> None:
    rules = [rule("x", Action.BLOCK), exception("x")]
    assert act(rules, finding(category="custom"), finding(span=Span(1, 2)), finding()).action is Action.ALLOW
    assert act(rules, finding(category="custom"), finding(location=ELSEWHERE)).action is Action.BLOCK


def test_what_an_exception_leaves_still_fires_the_rule() -> None:
    rules = [rule("x", Action.REDACT), exception("x")]
    left = finding(span=Span(30, 40))
    found = fired(rules, [finding(span=Span(0, 9), category="custom"), finding(span=Span(2, 5)), left])
    assert found[0] == (rules[0], (left,))


def test_every_fired_redact_rule_is_applied_under_a_block_too() -> None:
    mask = Redactor("mask", keep=4)
    rules = [rule("r", Action.REDACT, redact=mask), rule("b", Action.BLOCK), rule("s", Action.REDACT, threshold=1.0)]
    found = [finding(span=Span(1, 2)), finding()]
    assert redactions(fired(rules, found)) == (Redaction(AT, Span(1, 2), mask, "hate"), Redaction(AT, None, mask, "hate"))


def test_label_is_stricter_than_mask_and_mask_than_hash() -> None:
    ordered = [
        Redactor("label", label="A"),
        Redactor("label", label="B"),
        Redactor("mask"),
        Redactor("mask", keep=4),
        Redactor("hash"),
    ]
    for first, second in permutations(range(len(ordered)), 2):
        assert strictest(ordered[first], ordered[second]) is ordered[min(first, second)]


def test_rules_are_active_where_stage_and_condition_hold() -> None:
    teen = compile_condition('request.headers["x-audience"] == "teen"')
    rules = (rule("o", Action.BLOCK, on=frozenset({Stage.OUTPUT})), rule("t", Action.BLOCK, when=teen), rule("b", Action.BLOCK))
    young, other = Exchange("1", headers={"x-audience": "teen"}), Exchange("2")
    assert [each.id for each in active_rules(policy(*rules), Stage.INPUT, young)] == ["t", "b"]
    assert [each.id for each in active_rules(policy(*rules), Stage.OUTPUT, other)] == ["o", "b"]


CATEGORIES = ("hate", "hate/threatening", "pii/email", "custom")
spans = st.none() | st.tuples(st.integers(0, 20), st.integers(1, 10)).map(lambda pair: Span(pair[0], pair[0] + pair[1]))
some_findings = st.builds(
    Finding,
    detector=st.sampled_from(("d", "e")),
    category=st.sampled_from(CATEGORIES),
    score=st.sampled_from((0.0, 0.3, 0.5, 0.9, 1.0)),
    span=spans,
    location=st.sampled_from((AT, ELSEWHERE)),
    role=st.sampled_from((Role.USER, Role.ASSISTANT)),
)
some_rules = st.builds(
    Rule,
    id=st.just(""),
    on=st.just(BOTH),
    detect=st.sampled_from((("d",), ("e",), ("d", "e"))),
    category=st.sampled_from((("hate/*",), ("hate",), ("pii/email", "custom"))),
    action=st.sampled_from((Action.FLAG, Action.REDACT, Action.BLOCK)),
    threshold=st.sampled_from((0.0, 0.5, 0.9)),
    roles=st.sampled_from((frozenset(Role), frozenset({Role.USER}))),
    on_error=st.sampled_from((Action.ALLOW, Action.FLAG, Action.BLOCK)),
)
failures = st.lists(st.tuples(st.sampled_from(("d", "e")), st.sampled_from((Role.USER, Role.ASSISTANT))), max_size=2)


@st.composite
def rule_lists(draw: st.DrawFn, exceptions: bool) -> list[Rule]:
    rules = [replace(each, id=f"r{index}") for index, each in enumerate(draw(st.lists(some_rules, max_size=5)))]
    if exceptions and rules:
        named = tuple(draw(st.lists(st.sampled_from([each.id for each in rules]), min_size=1)))
        place = draw(st.integers(0, len(rules)))
        rules.insert(place, rule("a", Action.ALLOW, category=("custom",), overrides=named))
    return rules


@given(rule_lists(exceptions=True), st.lists(some_findings, max_size=6), failures, st.randoms(use_true_random=False))
def test_the_order_of_findings_and_rules_changes_nothing_but_order(
    rules: list[Rule], findings: list[Finding], failed: list[tuple[str, Role]], shuffler: random.Random
) -> None:
    whole = policy(*rules)
    expected = decide(whole, rules, findings, failed)
    other_rules, other_findings = shuffler.sample(rules, len(rules)), shuffler.sample(findings, len(findings))
    same = decide(whole, rules, other_findings, failed)
    assert (same.action, same.rules, same.message) == (expected.action, expected.rules, expected.message)
    mixed = decide(whole, other_rules, other_findings, failed)
    assert (mixed.action, set(mixed.rules)) == (expected.action, set(expected.rules))


@given(rule_lists(exceptions=False), st.lists(some_findings, max_size=6), some_findings, failures)
def test_one_more_finding_never_weakens_a_decision_without_exceptions(
    rules: list[Rule], findings: list[Finding], more: Finding, failed: list[tuple[str, Role]]
) -> None:
    before, after = (decide(policy(*rules), rules, found, failed) for found in (findings, [*findings, more]))
    assert after.action >= before.action
    assert set(after.rules) >= set(before.rules)


@given(
    rule_lists(exceptions=True), st.lists(some_findings, max_size=6), some_findings.filter(lambda each: each.category != "custom")
)
def test_one_more_finding_weakens_nothing_unless_an_exception_matches_it(
    rules: list[Rule], findings: list[Finding], more: Finding
) -> None:
    before, after = (decide(policy(*rules), rules, found) for found in (findings, [*findings, more]))
    assert after.action >= before.action


@given(rule_lists(exceptions=True), st.lists(some_findings, max_size=6))
def test_an_exception_never_makes_a_decision_stricter_nor_touches_other_rules(rules: list[Rule], findings: list[Finding]) -> None:
    without = [each for each in rules if each.action is not Action.ALLOW]
    named = {name for each in rules for name in each.overrides}
    lenient, plain = decide(policy(*rules), rules, findings), decide(policy(*rules), without, findings)
    assert lenient.action <= plain.action
    assert {name for name in plain.rules if name not in named} <= set(lenient.rules)


@given(rule_lists(exceptions=True), st.lists(some_findings, max_size=6), failures, st.sampled_from(("d", "e")))
def test_one_more_failure_never_weakens_a_decision(
    rules: list[Rule], findings: list[Finding], failed: list[tuple[str, Role]], detector: str
) -> None:
    before = decide(policy(*rules), rules, findings, failed)
    assert decide(policy(*rules), rules, findings, [*failed, (detector, Role.USER)]).action >= before.action
