# ruff: noqa: E501 (a table is read best with one row on one line)
"""Packs: included with parameters and prefixes, changed like bases, never from outside the policy's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from broken_policies import KINDS

from guard.authoring.linting import Chosen, lint_file
from guard.authoring.testing import run_tests
from guard.detectors.registry import kinds
from guard.errors import PolicyError, Problem
from guard.policy.including import packs
from guard.policy.lint import Level, lint
from guard.policy.load import load, loads
from guard.policy.model import Policy
from guard.values import Action

PACK = """\
version: 1
name: people
parameters:
  action: {type: string, default: redact, choices: [flag, redact, block]}
  threshold: {type: number, default: 0.5, minimum: 0.1, maximum: 0.9}
  kinds: {type: strings, default: [pii/email]}
  house: {type: string, default: us}
  keep: {type: integer, default: 2}
  fast: {type: boolean, default: true}
detectors:
  people: {use: pii}
defaults: {message: 'Not with $(house), at $$(5).'}
rules:
  - id: people
    detect: people
    category: [pii/phone, $(kinds)]
    threshold: $(threshold)
    action: $(action)
    redact: {with: mask, keep: $(keep)}
  - {id: fine, detect: people, category: pii/email, threshold: 0.95, action: allow, overrides: people, locked: $(fast)}
"""
PHONE = "pii/phone"


def policy(tmp_path: Path, text: str, **files: str) -> Policy:
    for name, content in {"people": PACK, **files}.items():
        path = tmp_path / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(content)
    (tmp_path / "p.yaml").write_text(f"version: 1\n{text}")
    return load(tmp_path / "p.yaml", KINDS)


def mistakes(tmp_path: Path, text: str, **files: str) -> list[Problem]:
    with pytest.raises(PolicyError) as caught:
        policy(tmp_path, text, **files)
    return list(caught.value.problems)


def test_a_pack_has_its_defaults_where_nothing_is_said(tmp_path: Path) -> None:
    people, fine = policy(tmp_path, "include: people.yaml").rules
    assert (people.id, people.action, people.threshold, people.redact.keep) == ("people", Action.REDACT, 0.5, 2)
    assert people.category == (PHONE, "pii/email")
    assert (fine.overrides, fine.locked) == (("people",), True)
    assert people.message == "Not with us, at $(5)."


def test_values_are_put_in_the_places_of_parameters(tmp_path: Path) -> None:
    given = "with: {action: block, threshold: 0.7, kinds: [], house: '{policy}', fast: false}"
    people, fine = policy(tmp_path, f"name: home\ninclude: [{{pack: ./people.yaml, {given}}}]").rules
    assert (people.action, people.threshold, people.category, fine.locked) == (Action.BLOCK, 0.7, (PHONE,), False)
    assert people.message == "Not with {policy}, at $(5)."


def test_rules_of_a_pack_are_changed_like_those_of_a_base(tmp_path: Path) -> None:
    text = "include: people.yaml\nrules:\n  - {override: people, action: flag, threshold: 0.9}\n  - {id: own, detect: people, category: pii/email, action: flag}"
    loaded = policy(tmp_path, text.replace("override: people,", "override: people,"))
    assert [(rule.id, rule.threshold) for rule in loaded.rules] == [("people", 0.9), ("fine", 0.95), ("own", 0.5)]


def test_a_locked_rule_of_a_pack_stays(tmp_path: Path) -> None:
    [problem] = mistakes(tmp_path, "include: people.yaml\nrules:\n  - {disable: fine, reason: x}")
    assert problem.expected == "a rule that is not locked"
    assert (problem.line, problem.column) == (4, 15)


def test_who_extends_an_including_policy_inherits_the_packs_rules(tmp_path: Path) -> None:
    base = "version: 1\ninclude: people.yaml\n"
    loaded = policy(tmp_path, "extends: ./base.yaml\nrules: [{override: people, action: block}]", base=base)
    assert loaded.rules[0].action is Action.BLOCK


def test_a_pack_is_included_twice_under_two_prefixes_and_shares_its_detector(tmp_path: Path) -> None:
    text = "include:\n  - {pack: people.yaml, prefix: a-}\n  - {pack: people.yaml, prefix: b-, with: {action: flag}}\ndetectors: {people: {use: pii}}"
    loaded = policy(tmp_path, text)
    assert [rule.id for rule in loaded.rules] == ["a-people", "a-fine", "b-people", "b-fine"]
    assert [rule.overrides for rule in loaded.rules] == [(), ("a-people",), (), ("b-people",)]
    assert list(loaded.detectors) == ["people"]


def test_packs_include_packs_and_prefixes_add_up(tmp_path: Path) -> None:
    outer = """version: 1
parameters: {action: {type: string, default: flag}}
include: [{pack: ./people.yaml, prefix: in-, with: {action: $(action)}}]
rules: [{override: in-people, threshold: 0.4}, {id: third, action: block, count: {rule: in-people, at_least: 3}}]
"""
    loaded = policy(tmp_path, "include: [{pack: outer.yaml, prefix: out-, with: {action: block}}]", outer=outer)
    assert [(rule.id, rule.action) for rule in loaded.rules] == [
        ("out-in-people", Action.BLOCK),
        ("out-in-fine", Action.ALLOW),
        ("out-third", Action.BLOCK),
    ]
    assert loaded.rules[2].count is not None
    assert loaded.rules[2].count.rules == ("out-in-people",)
    assert loaded.rules[0].threshold == 0.4


def test_what_a_pack_says_of_defaults_holds_for_its_own_rules_only(tmp_path: Path) -> None:
    own = "rules: [{id: own, detect: people, category: pii/email, action: block}]"
    loaded = policy(tmp_path, f"include: people.yaml\ndefaults: {{message: Mine.}}\n{own}")
    assert [rule.message for rule in loaded.rules] == ["Not with us, at $(5).", "Not with us, at $(5).", "Mine."]
    assert loaded.message == "Mine."


def test_the_files_of_packs_are_among_the_sources_and_the_digest_follows_the_values(tmp_path: Path) -> None:
    first = policy(tmp_path, "include: people.yaml")
    assert [Path(source).name for source in first.sources] == ["people.yaml", "p.yaml"]
    assert first.digest != policy(tmp_path, "include: [{pack: people.yaml, with: {threshold: 0.6}}]").digest
    assert first.digest == policy(tmp_path, "include: [{pack: people.yaml, with: {threshold: 0.5}}]").digest


@pytest.mark.parametrize(
    ("text", "line", "path", "expected", "hint"),
    [
        ("include: peple.yaml", 2, "include", "a pack file that exists", "looked at"),
        ("include: secrts", 2, "include", "the name of a shipped pack", "`secrets`"),
        ("include: ../people.yaml", 2, "include", "a path below the policy's folder", "copy the pack there"),
        ("include: /etc/passwd.yaml", 2, "include", "a path below the policy's folder", ""),
        ("include: sneaky.yaml", 2, "include", "a path below the policy's folder", ""),
        ("include:\n  - {pack: people.yaml, with: {treshold: 1}}", 3, "include[0].with.treshold", "a parameter", "`threshold`"),
        ("include:\n  - {pack: people.yaml, with: {threshold: 1}}", 3, "include[0].with.threshold", "a number in [0.1, 0.9]", ""),
        ("include:\n  - {pack: people.yaml, with: {action: blok}}", 3, "include[0].with.action", "flag, redact or block", "`block`"),
        ("include:\n  - {pack: people.yaml, with: {kinds: pii}}", 3, "include[0].with.kinds", "a list", ""),
        ("include:\n  - {pack: people.yaml, prefix: 'a b'}", 3, "include[0].prefix", "letters, digits", ""),
        ("include:\n  - {with: {}}", 3, "include[0]", "the key `pack`", ""),
        ("include:\n  - {pack: people.yaml, as: x}", 3, "include[0].as", "a known key", ""),
        ("include: people.yaml\nrules: [{override: poeple, action: flag}]", 3, "rules[0].override", "an inherited rule", "`people`"),
        ("include: people.yaml\nrules: [{id: people, detect: people, category: pii/email, action: flag}]", 3, "rules[0].id", "used once", "override"),
        ("include: people.yaml\ndetectors: {people: {use: words}}", 3, "detectors.people", "a name used once", ""),
    ],
)  # fmt: skip
def test_a_mistake_is_told_where_the_pack_is_included(
    tmp_path: Path, text: str, line: int, path: str, expected: str, hint: str
) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    (tmp_path / "people.yaml").write_text(PACK)
    (folder / "sneaky.yaml").symlink_to(tmp_path / "people.yaml")
    problems = mistakes(folder, text)
    matching = [problem for problem in problems if (problem.line, problem.path) == (line, path)]
    assert matching, [str(problem) for problem in problems]
    assert expected in matching[0].expected
    assert hint in matching[0].hint


@pytest.mark.parametrize(
    ("pack", "line", "expected", "hint"),
    [
        ("routes: {unknown: pass}", 2, "no `routes` in what is included", "the policy itself"),
        ("extends: default", 2, "no `extends` in what is included", ""),
        ("defaults: {release: whole}", 2, "no `defaults.release` in what is included", ""),
        ("parameters: {a: {type: numbr, default: 1}}", 2, "number, integer, string, boolean or strings", "`number`"),
        ("parameters: {a: {type: number}}", 2, "the key `default`", ""),
        ("parameters: {a: {type: number, default: x}}", 2, "a number", ""),
        ("parameters: {A: {type: number, default: 1}}", 2, "small letters", ""),
        ("parameters: {a: {type: number, default: 1}}\nname: $(b)", 3, "a parameter that this file declares", "$$("),
        ("parameters: {abc: {type: number, default: 1}}\nname: x$(abd)", 3, "a parameter that this file declares", "`abc`"),
        ("parameters: {a: {type: strings, default: []}}\nname: x$(a)", 3, "no list", ""),
        ("parameters: {a: {type: string, default: high}}\ndefaults: {threshold: $(a)}", 3, "a number in [0, 1]", ""),
        ("include: pack.yaml", 2, "a file that does not include this one", ""),
        ("include: p.yaml", 2, "a file that does not include this one", ""),
    ],
)
def test_a_mistake_in_a_pack_is_told_in_the_pack(tmp_path: Path, pack: str, line: int, expected: str, hint: str) -> None:
    problems = mistakes(tmp_path, "include: pack.yaml", pack=f"version: 1\n{pack}\n")
    matching = [problem for problem in problems if problem.line == line and problem.where.endswith("pack.yaml")]
    assert matching, [str(problem) for problem in problems]
    assert any(expected in problem.expected and hint in problem.hint for problem in matching), matching


def test_packs_that_multiply_are_refused_soon(tmp_path: Path) -> None:
    files = {
        f"n{level}": "version: 1\ninclude: ["
        + ", ".join(f"{{pack: n{level + 1}.yaml, prefix: {letter}}}" for letter in "abcdefgh")
        + "]\n"
        for level in range(6)
    }
    problems = mistakes(tmp_path, "include: n0.yaml", **files, n6="version: 1\n")
    assert {problem.expected for problem in problems} == {"at most 200 files in a policy"}


def test_a_dollar_in_a_file_without_parameters_means_nothing() -> None:
    assert loads("version: 1\nname: $(a)", {}).name == "$(a)"


def test_a_remark_on_a_prefixed_rule_is_placed_where_the_pack_is_included(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        "version: 1\ninclude:\n  - secrets\n  # noqa: L005 both are wanted\n  - {pack: secrets, prefix: again-}\nrules: []\n"
    )
    found = lint_file(str(tmp_path / "p.yaml"), tmp_path / "p.yaml", kinds(), Chosen(select=("L005",)))
    assert [(placed.line, placed.remark.subject, placed.excepted) for placed in found] == [
        (5, "again-secrets", "both are wanted")
    ]


@pytest.mark.parametrize("name", sorted(packs()))
def test_a_shipped_pack_is_clean_and_passes_its_tests(name: str) -> None:
    loaded = load(name, kinds())
    assert [str(remark) for remark in lint(loaded, kinds()) if remark.level is not Level.INFO] == []
    outcomes = run_tests(loaded, packs()[name].with_name(f"{name}_test.yaml"))
    assert [outcome.failures for outcome in outcomes if not outcome.passed] == []
    assert {rule.id for rule in loaded.rules} == {rule for outcome in outcomes for rule in outcome.fired}


@pytest.mark.parametrize(("given", "action"), [({"action": "block"}, Action.BLOCK), ({"redact": "hash"}, Action.REDACT)])
def test_the_pack_of_secrets_does_what_its_parameters_say(given: dict[str, Any], action: Action) -> None:
    [rule] = loads(f"version: 1\ninclude: [{{pack: secrets, with: {given}}}]", kinds()).rules
    assert rule.action is action
    assert rule.redact.kind == ("hash" if action is Action.REDACT else "label")
