"""How a policy builds upon others: override, disable, locked, defaults, cycles, paths."""

from __future__ import annotations

from pathlib import Path

import pytest
from broken_policies import KINDS

from guard.errors import PolicyError
from guard.policy.load import load, loads, shipped
from guard.policy.model import Policy
from guard.values import Action, Role, Stage

BASE = """\
version: 1
name: base
principles: [{id: kind, text: Be kind.}]
detectors:
  people: {use: pii, entities: [pii/email]}
  own: {use: words}
defaults: {threshold: 0.8, message: No., timeout: 2, refusal: error}
routes: {unknown: reject, mapped: [{path: /g, input: a, output: b}]}
rules:
  - {id: mail, detect: people, category: pii/email, action: block}
  - {id: phone, detect: people, category: pii/phone, action: redact}
  - {id: firm, detect: own, category: custom, action: block, locked: true}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "base.yaml").write_text(BASE)
    return tmp_path


def _child(folder: Path, text: str) -> Policy:
    (folder / "child.yaml").write_text("version: 1\nextends: ./base.yaml\n" + text)
    return load(folder / "child.yaml", KINDS)


def _refused(folder: Path, text: str) -> str:
    with pytest.raises(PolicyError) as caught:
        _child(folder, text)
    return str(caught.value)


def _rule(policy: Policy, name: str):
    return next(rule for rule in policy.rules if rule.id == name)


def test_an_override_changes_the_named_fields_and_keeps_the_place(folder: Path) -> None:
    policy = _child(folder, "rules: [{override: mail, action: flag, on: output}]")
    assert [rule.id for rule in policy.rules] == ["mail", "phone", "firm"]
    rule = _rule(policy, "mail")
    assert (rule.action, rule.on, rule.threshold, rule.message) == (Action.FLAG, {Stage.OUTPUT}, 0.8, "No.")


def test_a_disabled_rule_is_gone_and_needs_a_reason(folder: Path) -> None:
    assert [rule.id for rule in _child(folder, "rules: [{disable: mail, reason: We need it.}]").rules] == ["phone", "firm"]
    assert "expected the key `reason`" in _refused(folder, "rules: [{disable: mail}]")
    assert "expected nothing but a reason" in _refused(folder, "rules: [{disable: mail, reason: x, threshold: 1}]")


def test_a_locked_rule_can_be_neither_changed_nor_disabled_nor_excepted_from(folder: Path) -> None:
    for text in (
        "rules: [{override: firm, threshold: 1}]",
        "rules: [{disable: firm, reason: x}]",
        "rules: [{id: e, detect: own, category: custom, action: allow, overrides: firm}]",
    ):
        assert "expected a rule that is not locked" in _refused(folder, text)
    assert "expected a detector that no locked rule reads" in _refused(folder, "detectors: {own: {override: true, score: 0}}")


def test_an_exception_to_a_locked_rule_cannot_be_widened(folder: Path) -> None:
    exception = "  - {id: e, detect: own, category: custom, action: allow, threshold: 1, overrides: firm}\n"
    (folder / "base.yaml").write_text(BASE + exception)
    assert "an exception to the locked" in _refused(folder, "rules: [{override: e, threshold: 0}]")
    (folder / "base.yaml").write_text(BASE + exception.replace("overrides: firm", "overrides: mail"))
    assert "expected a rule that is not locked" in _refused(folder, "rules: [{override: e, overrides: firm}]")


def test_the_same_id_again_is_refused_with_the_place_of_the_first(folder: Path) -> None:
    said = _refused(folder, "rules: [{id: mail, detect: people, category: pii/email, action: flag}]")
    assert "base.yaml:10" in said
    assert "override: mail" in said
    assert "override: true" in _refused(folder, "detectors: {people: {use: pii}}")


def test_a_detector_is_overridden_option_by_option_or_replaced_by_another_kind(folder: Path) -> None:
    same = _child(folder, "detectors: {people: {override: true, entities: [pii/phone]}}").detectors["people"]
    assert (same.use, same.options) == ("pii", {"entities": ["pii/phone"]})
    other = _child(folder, "detectors: {people: {override: true, use: words, score: 1}}").detectors["people"]
    assert (other.use, other.options) == ("words", {"score": 1.0})


def test_defaults_of_rules_hold_for_the_files_own_and_settings_go_to_the_last_that_speaks(folder: Path) -> None:
    policy = _child(
        folder,
        """\
defaults: {threshold: 0.3, message: Stop., on_error: flag, timeout: 7, release: whole}
routes: {speculate: [POST /x], mapped: [{path: /h, input: a, output: b}]}
rules: [{id: new, detect: own, category: custom, action: block}]
""",
    )
    old, new = _rule(policy, "mail"), _rule(policy, "new")
    assert (old.threshold, old.message, old.on_error) == (0.8, "No.", Action.BLOCK)
    assert (new.threshold, new.message, new.on_error) == (0.3, "Stop.", Action.FLAG)
    assert (policy.timeout, policy.refusal, policy.release, policy.message) == (7.0, "error", "whole", "Stop.")
    assert policy.routes.unknown == "reject"
    assert [mapped.path for mapped in policy.routes.mapped] == ["/g", "/h"]


def test_a_base_reached_by_two_ways_is_merged_once(folder: Path) -> None:
    (folder / "left.yaml").write_text("version: 1\nextends: ./base.yaml\nrules: [{override: mail, threshold: 0.1}]")
    (folder / "right.yaml").write_text("version: 1\nextends: ./base.yaml\nrules: [{override: phone, threshold: 0.2}]")
    (folder / "top.yaml").write_text("version: 1\nextends: [./left.yaml, ./right.yaml]")
    policy = load(folder / "top.yaml", KINDS)
    assert [(rule.id, rule.threshold) for rule in policy.rules] == [("mail", 0.1), ("phone", 0.2), ("firm", 0.8)]
    assert [Path(source).name for source in policy.sources] == ["base.yaml", "left.yaml", "right.yaml", "top.yaml"]


def test_a_sibling_is_not_inherited_from(folder: Path) -> None:
    (folder / "other.yaml").write_text("version: 1\nrules: [{override: mail, threshold: 0.1}]")
    (folder / "top.yaml").write_text("version: 1\nextends: [./base.yaml, ./other.yaml]")
    with pytest.raises(PolicyError, match=r"other\.yaml:2:.*expected the id of an inherited rule"):
        load(folder / "top.yaml", KINDS)


def test_a_cycle_is_refused_with_its_chain(folder: Path) -> None:
    (folder / "base.yaml").write_text("version: 1\nextends: ./child.yaml")
    said = _refused(folder, "")
    assert said.endswith("expected a file that does not extend this one, got child.yaml → base.yaml → child.yaml")


def test_a_chain_of_more_than_eight_is_refused(folder: Path) -> None:
    for number in range(1, 10):
        (folder / f"p{number}.yaml").write_text(f"version: 1\nextends: ./p{number - 1}.yaml")
    (folder / "p0.yaml").write_text("version: 1")
    assert load(folder / "p7.yaml", KINDS).name == "p7"
    with pytest.raises(PolicyError, match="at most 8 files in a row"):
        load(folder / "p8.yaml", KINDS)


def test_mistakes_in_a_base_are_told_with_its_file(folder: Path) -> None:
    (folder / "base.yaml").write_text("version: 1\nrulez: []")
    said = _refused(folder, "ruls: []")
    assert "base.yaml:2:1: rulez" in said
    assert "child.yaml:3:1: ruls" in said


def test_a_path_option_is_relative_to_the_file_that_says_it(folder: Path) -> None:
    (folder / "lists").mkdir()
    (folder / "lists" / "words.txt").write_text("one")
    (folder / "lists" / "mid.yaml").write_text("version: 1\ndetectors: {listed: {use: words, file: words.txt}}")
    (folder / "top.yaml").write_text("version: 1\nextends: lists/mid.yaml")
    config = load(folder / "top.yaml", KINDS).detectors["listed"]
    assert config.options["file"] == str(folder / "lists" / "words.txt")
    assert len(config.files["file"]) == 64


def test_an_exception_outlives_the_disabled_rule_that_it_was_for(folder: Path) -> None:
    (folder / "base.yaml").write_text(
        BASE + "  - {id: e, detect: own, category: custom, action: allow, overrides: [mail, phone]}\n"
    )
    assert _rule(_child(folder, "rules: [{disable: mail, reason: x}]"), "e").overrides == ("phone",)


def test_a_bare_name_is_a_shipped_policy_and_anything_else_says_so() -> None:
    assert {"default", "strict", "constitution"} <= shipped().keys()
    assert not any(name.endswith("_test") for name in shipped())
    with pytest.raises(PolicyError, match=r"strcit: expected .*did you mean `strict`"):
        load("strcit", KINDS)
    with pytest.raises(PolicyError, match="expected a readable file"):
        load("./strict.yaml", KINDS)


def test_the_category_tells_whose_words_a_rule_reads() -> None:
    def roles(category: str, extra: str = "") -> frozenset[Role]:
        rule = f"{{id: r, detect: people, category: {category}, action: flag{extra}}}"
        return loads(f"version: 1\ndetectors: {{people: pii}}\nrules: [{rule}]", KINDS).rules[0].roles

    assert roles("secret/*") == frozenset(Role)
    assert roles("pii/email") == {Role.USER, Role.ASSISTANT}
    assert roles("injection") == {Role.USER, Role.TOOL_RESULT}
    assert roles("hate/threatening") == {Role.USER, Role.ASSISTANT, Role.TOOL_CALL, Role.TOOL_RESULT}
    assert roles("[pii/email, jailbreak]") == {Role.USER, Role.ASSISTANT, Role.TOOL_RESULT}
    assert roles("hate", ", roles: [tool, system]") == {Role.TOOL_CALL, Role.TOOL_RESULT, Role.SYSTEM}


def test_a_flag_rule_never_blocks_by_an_error_whatever_the_defaults_say() -> None:
    rules = "rules: [{id: r, detect: people, category: pii, action: flag}, {id: s, detect: people, category: pii, action: block}]"
    policy = loads(f"version: 1\ndetectors: {{people: pii}}\ndefaults: {{on_error: block}}\n{rules}", KINDS)
    assert [rule.on_error for rule in policy.rules] == [Action.FLAG, Action.BLOCK]


def test_a_redactor_is_a_word_or_a_mapping() -> None:
    def redactor(text: str):
        rule = f"{{id: r, detect: people, category: pii, action: redact, redact: {text}}}"
        return loads(f"version: 1\ndetectors: {{people: pii}}\nrules: [{rule}]", KINDS).rules[0].redact

    assert redactor("hash").kind == "hash"
    assert (redactor("{with: mask, keep: 4}").kind, redactor("{with: mask, keep: 4}").keep) == ("mask", 4)
    assert redactor("{label: PERSON}").label == "PERSON"
