"""Tests of policies say what time it is, what the request offers, and what came before in the conversation."""

from __future__ import annotations

from pathlib import Path

import pytest

from guard.authoring.testing import run_tests
from guard.detectors.registry import kinds
from guard.errors import PolicyError
from guard.policy.load import loads

POLICY = """version: 1
detectors: {names: {use: patterns, words: [alpha], category: custom/name}}
rules:
  - {id: named, detect: names, category: custom/name, action: flag}
  - {id: third, action: block, count: {rule: named, at_least: 3}}
  - {id: night, detect: names, category: custom/name, action: flag, schedule: {hours: "22:00-06:00"}}
  - {id: tools, detect: names, category: custom/name, action: flag, when: '"pay" in tools && turn == request.parameters.n'}
  - {id: german, detect: names, category: custom/name, action: flag, by_language: {de: 0.1}, when: '"de" in languages'}
"""
TEST = "tests:\n  - {name: t, input: alpha, request: {%s}, expect: {rules: [%s]}}\n"


@pytest.mark.parametrize(
    ("request_", "rules"),
    [
        ("", "named"),
        ("past: [{rules: named}, {rules: [named]}]", "named, third"),
        ("past: [{rules: named}, {action: block}]", "named"),
        ("at: 2026-12-24T23:00+00:00", "named, night"),
        ("tools: [pay], turn: 2, parameters: {n: 2}", "named, tools"),
        ("languages: de", "named, german"),
    ],
)
def test_a_test_says_what_is_known_of_its_request(tmp_path: Path, request_: str, rules: str) -> None:
    pytest.importorskip("py3langid")
    tests = tmp_path / "p_test.yaml"
    at = "" if "at:" in request_ else "at: '2026-12-24T12:00+00:00'"
    tests.write_text(TEST % (", ".join(part for part in (request_, at) if part), rules))
    [outcome] = run_tests(loads(POLICY, kinds()), tests)
    assert outcome.failures == ()


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ("at: tomorrow", "a moment of ISO 8601"),
        ("past: [{rules: nmaed}]", "the id of a rule of this policy"),
        ("past: [{action: blok}]", "allow, flag"),
        ("turn: two", "a whole number"),
    ],
)
def test_a_mistake_in_a_request_is_pointed_at(tmp_path: Path, request_: str, expected: str) -> None:
    tests = tmp_path / "p_test.yaml"
    tests.write_text(TEST % (request_, "named"))
    with pytest.raises(PolicyError) as caught:
        run_tests(loads(POLICY, kinds()), tests)
    assert expected in caught.value.problems[0].expected
    assert caught.value.problems[0].line == 2
