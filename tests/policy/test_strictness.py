"""When a policy is at least as strict as another: then whatever the other does to a text, it does as much."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.detectors.registry import kinds
from guard.policy.decide import decide
from guard.policy.load import load, loads, shipped
from guard.policy.model import Policy, Redactor, Rule
from guard.policy.strictness import looser
from guard.values import Action, Finding, Role, Stage

BASE = """
version: 1
detectors:
  words: {use: patterns, words: [alpha], category: custom/word}
  people: {use: pii}
rules:
  - {id: word, detect: words, category: custom/word, action: flag, threshold: 0.6}
  - {id: mail, detect: people, category: pii/email, action: redact, redact: {with: mask, keep: 2}, turns: new}
  - {id: sometimes, detect: words, category: custom/word, action: block, when: 'model == "m"', on_error: flag}
  - {id: except, detect: people, category: pii/phone, action: allow, overrides: [sometimes], reason: a test}
"""


def extended(more: str) -> str:
    return f"version: 1\nextends: ./base.yaml\n{more}\n"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    path = tmp_path_factory.mktemp("strict") / "base.yaml"
    path.write_text(BASE)
    return load(path, kinds())


def beside(base: Policy, more: str) -> list[str]:
    return list(looser(loads(extended(more), kinds(), directory=Path(base.sources[0]).parent), base))


@pytest.mark.parametrize(
    "more",
    [
        "",
        "rules: [{id: more, detect: people, category: pii/*, action: block}]",
        "rules: [{override: word, action: block, threshold: 0.5}]",
        "rules: [{override: word, category: [custom/word, custom/other]}]",
        "rules: [{override: mail, turns: all, redact: {with: label}}]",
        "rules: [{override: mail, action: block}]",
        "rules: [{override: sometimes, on_error: block}]",
        "rules: [{disable: except, reason: no exceptions here}]",
        "defaults: {release: whole, message: No.}",
        "routes: {unknown: reject, allow: []}",
        "limits: {body: 2000}",
    ],
)
def test_what_only_adds_or_tightens_is_as_strict(base: Policy, more: str) -> None:
    assert beside(base, more) == []


@pytest.mark.parametrize(
    ("more", "how"),
    [
        ("rules: [{disable: word, reason: a test}]", "the rule `word` is not there"),
        ("rules: [{override: mail, action: flag}]", "the rule `mail` does flag, not redact"),
        ("rules: [{override: word, threshold: 0.7}]", "the rule `word` has a higher threshold"),
        ("rules: [{override: word, thresholds: {custom/word: 0.9}}]", "the rule `word` has a higher threshold"),
        ("rules: [{override: word, 'on': input}]", "the rule `word` reads fewer texts"),
        ("rules: [{override: word, roles: user}]", "the rule `word` reads fewer texts"),
        ("rules: [{override: mail, turns: last}]", "the rule `mail` reads fewer texts"),
        ("rules: [{override: word, category: custom/other}]", "the rule `word` reads fewer categories"),
        ("rules: [{override: word, detect: people, category: pii/*}]", "the rule `word` reads fewer detectors"),
        ("rules: [{override: word, when: 'model == \"m\"'}]", "the rule `word` holds less often"),
        ("rules: [{override: word, sample: 0.5}]", "the rule `word` holds less often"),
        ("rules: [{override: sometimes, on_error: allow}]", "the rule `sometimes` does allow when a detector fails, not flag"),
        ("rules: [{override: mail, redact: {with: mask, keep: 4}}]", "the rule `mail` redacts in another way"),
        (
            "rules: [{id: new, detect: words, category: custom/word, action: allow, overrides: [word]}]",
            "the exception `new` is new, or another one",
        ),
        ("rules: [{override: except, overrides: [sometimes, word]}]", "the exception `except` is new, or another one"),
        ("detectors: {words: {override: true, words: [beta]}}", "the detector `words` is another one, or not there"),
        ("defaults: {release: optimistic}", "`defaults.release` is optimistic, not judged"),
        ("defaults: {timeout: 1}", "`defaults.timeout` is shorter"),
        ("routes: {unknown: pass}", "`routes.unknown` lets more through"),
        ("routes: {allow: [GET /secret]}", "`routes.allow` lets more through"),
        ("routes: {mapped: [{path: /x, input: [a], output: [b]}]}", "`routes.mapped` lets more through"),
        ("limits: {body: 100000000}", "`limits.body` is higher"),
        ("store: none", "`store` is another one"),
    ],
)
def test_what_loosens_in_any_way_is_told(base: Policy, more: str, how: str) -> None:
    assert how in beside(base, more)


def test_every_shipped_policy_is_as_strict_as_itself_and_strict_is_not_outdone_by_default() -> None:
    loaded = {name: load(name, kinds()) for name in shipped()}
    assert all(list(looser(replace(policy, digest=""), policy)) == [] for policy in loaded.values())
    assert list(looser(loaded["default"], loaded["strict"]))


NAMES = ("a", "b")
CATEGORIES = ("hate", "hate/threatening")
rules = st.builds(
    lambda name, action, category, threshold, roles, turns, on_error, overrides, detect: Rule(
        name,
        frozenset(Stage),
        detect,
        category,
        action,
        threshold,
        roles,
        turns=turns,
        on_error=on_error,
        overrides=overrides if action is Action.ALLOW else (),
        redact=Redactor(),
    ),
    st.sampled_from(NAMES),
    st.sampled_from(Action),
    st.lists(st.sampled_from(("hate", "hate/*", "hate/threatening")), min_size=1, max_size=2).map(tuple),
    st.sampled_from((0.2, 0.5, 0.8)),
    st.sampled_from((frozenset({Role.USER}), frozenset({Role.USER, Role.ASSISTANT}))),
    st.sampled_from(("all", "new", "last")),
    st.sampled_from((Action.ALLOW, Action.FLAG, Action.BLOCK)),
    st.lists(st.sampled_from(NAMES), max_size=2).map(tuple),
    st.sampled_from((("d",), ("e",), ("d", "e"))),
)
policies = st.lists(rules, min_size=1, max_size=2, unique_by=lambda rule: rule.id).map(lambda some: Policy("p", tuple(some), {}))
findings = st.lists(
    st.builds(
        lambda detector, category, score, role, turn: Finding(detector, category, score, role=role, turn=turn),
        st.sampled_from(("d", "e")),
        st.sampled_from(CATEGORIES),
        st.sampled_from((0.3, 0.6, 0.9)),
        st.sampled_from((Role.USER, Role.ASSISTANT)),
        st.sampled_from(("old", "new", "last")),
    ),
    max_size=2,
)


FIELDS = ("action", "category", "threshold", "roles", "turns", "on_error", "overrides", "detect")


@st.composite
def changed(draw: st.DrawFn, rule: Rule) -> Rule:
    """A rule with one of its fields as another rule has it."""
    other, name = draw(rules), draw(st.sampled_from(FIELDS))
    made = replace(rule, **{name: getattr(other, name)})
    return replace(made, overrides=made.overrides if made.action is Action.ALLOW else ())


@settings(max_examples=600, deadline=None)
@given(policies, st.data(), findings, st.lists(st.sampled_from(("d", "e")), max_size=1))
def test_a_policy_that_is_as_strict_never_decides_less(
    other: Policy, data: st.DataObject, found: list[Finding], failed: list[str]
) -> None:
    own = [data.draw(changed(rule)) for rule in other.rules]
    more = [rule for rule in data.draw(st.lists(rules, max_size=1)) if rule.id not in {each.id for each in own}]
    policy = Policy("q", (*own, *more), {})
    if not list(looser(policy, other)):
        gone = [(name, Role.USER) for name in failed]
        stricter = decide(policy, policy.rules, found, gone).action
        assert stricter >= decide(other, other.rules, found, gone).action
