"""The policies that come with Tenet load, are clean, and say what they promise."""

from __future__ import annotations

import pytest

from guard.detectors.registry import kinds
from guard.policy.lint import Level, lint
from guard.policy.load import load, shipped
from guard.policy.model import Rule
from guard.values import Action


@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_shipped_policy_loads_without_error_or_warning(name: str) -> None:
    policy = load(name, kinds())
    assert policy.name == name
    assert [str(remark) for remark in lint(policy, kinds()) if remark.level is not Level.INFO] == []


def test_every_principle_of_the_constitution_guides_critic_and_reviser() -> None:
    principles = load("constitution", kinds()).principles
    assert len(principles) == 10
    assert all(principle.text and principle.critique and principle.revision for principle in principles)


def test_every_rule_of_the_constitution_serves_a_principle() -> None:
    assert all(rule.principle for rule in load("constitution", kinds()).rules)


def test_strict_is_at_least_as_strict_as_default_rule_by_rule() -> None:
    strict = {rule.id: rule for rule in load("strict", kinds()).rules}
    assert all(_at_least(strict[rule.id], rule) for rule in load("default", kinds()).rules)


def _at_least(strict: Rule, rule: Rule) -> bool:
    wider = strict.on >= rule.on and strict.roles >= rule.roles and set(strict.detect) >= set(rule.detect)
    return wider and strict.action >= rule.action and strict.threshold <= rule.threshold and rule.on_error <= strict.on_error


def test_a_failing_detector_blocks_under_every_shipped_policy() -> None:
    rules = [rule for name in shipped() for rule in load(name, kinds()).rules if rule.action > Action.FLAG]
    assert {rule.on_error for rule in rules} == {Action.BLOCK}
