"""Presidio's operators in a policy: checked when it is loaded, ranked by what they tell, part of its digest."""

from __future__ import annotations

from itertools import permutations

import pytest

from guard.detectors.registry import kinds
from guard.errors import PolicyError
from guard.policy.decide import strictest
from guard.policy.load import loads
from guard.policy.model import Policy, Redactor

KEY = "kanarienvogel!!!"
POLICY = """\
version: 1
detectors: {people: {use: pii}}
rules:
  - id: hide
    detect: people
    category: pii/email
    action: redact
    redact: REDACT
"""


def loaded(redact: str) -> Policy:
    return loads(POLICY.replace("REDACT", redact), kinds(), "p.yaml")


@pytest.mark.parametrize(
    ("redact", "path", "expected"),
    [
        ("presidio", "rules[0].redact", "the key `operator` with `presidio`"),
        ("{with: presidio, operator: custom}", "rules[0].redact.operator", "mask, replace, redact, hash or encrypt"),
        ("{with: presidio, operator: keep}", "rules[0].redact.operator", "mask, replace, redact, hash or encrypt"),
        ("{with: mask, operator: mask}", "rules[0].redact.operator", "`operator` only with `presidio`"),
        ("{operator: mask}", "rules[0].redact.operator", "`operator` only with `presidio`"),
        ("{with: label, params: {}}", "rules[0].redact.params", "`params` only with `presidio`"),
        ("{with: hash, key_env: SALT}", "rules[0].redact.key_env", "`key_env` only with `presidio`"),
        ("{with: presidio, operator: mask, keep: 4}", "rules[0].redact.keep", "`keep` only with `mask`"),
        ("{with: presidio, operator: mask, params: {masking_char: xx}}", "rules[0].redact.params.masking_char", "at most 1 char"),
        ("{with: presidio, operator: mask, params: {masking_char: 1}}", "rules[0].redact.params.masking_char", "one character"),
        ("{with: presidio, operator: mask, params: {chars_to_mask: 0}}", "rules[0].redact.params.chars_to_mask", "whole number"),
        ("{with: presidio, operator: mask, params: {from_end: yes}}", "rules[0].redact.params.from_end", "true or false"),
        ("{with: presidio, operator: mask, params: {new_value: x}}", "rules[0].redact.params.new_value", "a parameter of `mask`"),
        ("{with: presidio, operator: redact, params: {new_value: x}}", "rules[0].redact.params.new_value", "no parameters"),
        ("{with: presidio, operator: hash, params: {hash_type: md5}}", "rules[0].redact.params.hash_type", "sha256 or sha512"),
        ("{with: presidio, operator: hash, params: {salt: abc}}", "rules[0].redact.params.salt", "a known key"),
        ("{with: presidio, operator: hash, key_env: SHORT}", "rules[0].redact.key_env", "at least 16 bytes"),
        ("{with: presidio, operator: encrypt}", "rules[0].redact", "the key `key_env` with `encrypt`"),
        ("{with: presidio, operator: encrypt, params: {key: x}}", "rules[0].redact.params.key", "a known key"),
        ("{with: presidio, operator: encrypt, key_env: UNSET}", "rules[0].redact.key_env", "16, 24 or 32 bytes"),
        ("{with: presidio, operator: encrypt, key_env: SHORT}", "rules[0].redact.key_env", "16, 24 or 32 bytes"),
        ("{with: presidio, operator: encrypt, key_env: 'a b'}", "rules[0].redact.key_env", "the name of an environment variable"),
        ("{with: presidio, operator: mask, key_env: KEY}", "rules[0].redact.key_env", "only with `encrypt` or `hash`"),
    ],
)
def test_a_wrong_operator_or_parameter_is_told_with_its_line(redact: str, path: str, expected: str, monkeypatch):
    monkeypatch.setenv("KEY", KEY)
    monkeypatch.setenv("SHORT", "geheim")
    monkeypatch.delenv("UNSET", raising=False)
    with pytest.raises(PolicyError) as caught:
        loaded(redact)
    told = [problem for problem in caught.value.problems if problem.path == path and expected in problem.expected]
    assert [problem.line for problem in told] == [8], [str(problem) for problem in caught.value.problems]
    assert "geheim" not in str(caught.value)
    assert KEY not in str(caught.value)


def test_what_is_right_becomes_a_redactor(monkeypatch):
    monkeypatch.setenv("KEY", KEY)
    masked = loaded("{with: presidio, operator: mask, params: {from_end: true, chars_to_mask: 4}}").rules[0].redact
    assert masked == Redactor("presidio", operator="mask", params=(("chars_to_mask", 4), ("from_end", True)))
    assert loaded("{with: presidio, operator: encrypt, key_env: KEY}").rules[0].redact.key_env == "KEY"


def test_a_machine_without_the_anonymizer_says_what_to_install(monkeypatch):
    monkeypatch.setattr("guard.policy.redactors.find_spec", lambda _name: None)
    with pytest.raises(PolicyError, match=r"pip install 'tenet-guard\[presidio\]'"):
        loaded("{with: presidio, operator: mask}")


def test_every_part_of_an_operator_is_in_the_digest(monkeypatch):
    monkeypatch.setenv("KEY", KEY)
    monkeypatch.setenv("OTHER", KEY)
    redacts = (
        "label",
        "mask",
        "{with: presidio, operator: mask}",
        "{with: presidio, operator: mask, params: {chars_to_mask: 4}}",
        "{with: presidio, operator: mask, params: {chars_to_mask: 5}}",
        "{with: presidio, operator: hash}",
        "{with: presidio, operator: hash, key_env: KEY}",
        "{with: presidio, operator: hash, key_env: OTHER}",
    )
    assert len({loaded(redact).digest for redact in redacts}) == len(redacts)


def presidio(operator: str, **params: int) -> Redactor:
    return Redactor("presidio", operator=operator, params=tuple(params.items()))


def test_the_redactor_that_tells_less_wins_whatever_the_order():
    ranked = (
        Redactor("label"),
        presidio("redact"),
        Redactor("mask"),
        presidio("mask"),
        Redactor("mask", keep=4),
        presidio("mask", chars_to_mask=9),
        presidio("mask", chars_to_mask=4),
        Redactor("hash"),
        presidio("hash"),
        presidio("encrypt"),
    )
    for less, more in permutations(ranked, 2):
        winner = less if ranked.index(less) < ranked.index(more) else more
        assert strictest(less, more) == winner
