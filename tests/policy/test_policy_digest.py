"""The digest: the same for the same behaviour, another for another."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from broken_policies import KINDS
from hypothesis import given
from hypothesis import strategies as st

from guard.policy.digest import digest
from guard.policy.load import load, loads

TOP = {
    "version": "1",
    "principles": "[{id: kind, text: Be kind., critique: Is it kind?}]",
    "detectors": "{people: {use: pii, entities: [pii/email]}, own: {use: words, score: 1}}",
    "defaults": "{message: No., timeout: 3}",
    "limits": "{depth: 20}",
}
RULE = {
    "id": "r",
    "detect": "people",
    "category": "[pii/email, pii/phone]",
    "action": "block",
    "threshold": "0.5",
    "when": "stage == 'input'",
    "roles": "[user, tool]",
}


def text(top: list[str], rule: list[str], *, comments: bool = False) -> str:
    remark = "# a remark\n" if comments else ""
    lines = [f"{key}: {TOP[key]}\n{remark}" for key in top if key != "rules"]
    written = [f"    {key}: {RULE[key]}" + ("  # why\n" if comments else "\n") for key in rule]
    rules = "rules:\n  -\n" + "".join(written)
    lines.insert(top.index("rules"), rules)
    return "".join(lines)


ORIGINAL = text([*TOP, "rules"], list(RULE))


@given(st.permutations([*TOP, "rules"]), st.permutations(list(RULE)), st.booleans())
def test_order_of_keys_and_comments_leave_the_digest_alone(top: list[str], rule: list[str], comments: bool) -> None:
    assert loads(text(top, rule, comments=comments), KINDS).digest == loads(ORIGINAL, KINDS).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[user, tool]", "[tool_result, user, tool_call]"),
        ("[pii/email, pii/phone]", "[pii/phone, pii/email]"),
        ("threshold: 0.5", "threshold: .50"),
        ("score: 1", "score: 1.0"),
        ("version: 1", "version: 1\nname: other\ndescription: x"),
        ("    id: r", "    id: r\n    reason: because\n    locked: true"),
        ("detect: people", "detect: [people]"),
        ("action: block", "'action': \"block\""),
    ],
)
def test_what_means_the_same_has_the_same_digest(old: str, new: str) -> None:
    assert old in ORIGINAL
    assert loads(ORIGINAL.replace(old, new), KINDS, "elsewhere").digest == loads(ORIGINAL, KINDS).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("threshold: 0.5", "threshold: 0.6"),
        ("action: block", "action: flag"),
        ("[user, tool]", "[user]"),
        ("message: No.", "message: Never."),
        ("timeout: 3", "timeout: 4"),
        ("depth: 20", "depth: 21"),
        ("stage == 'input'", "stage == 'output'"),
        ("Be kind.", "Be kind!"),
        ("Is it kind?", "Is it good?"),
        ("[pii/email]", "[pii/phone]"),
        ("score: 1", "score: 0.5"),
        ("timeout: 3", "timeout: 3, release: whole"),
        ("timeout: 3", "timeout: 3, refusal: error"),
        ("    id: r", "    id: s"),
        ("    id: r", "    id: r\n    turns: last"),
        ("    id: r", "    id: r\n    on_error: flag"),
        ("    id: r", "    id: r\n    principle: kind"),
        ("version: 1", "version: 1\nroutes: {unknown: pass}"),
        ("version: 1", "version: 1\nroutes: {media: reject}"),
        ("version: 1", "version: 1\nroutes: {mapped: [{path: /a, input: b, output: [], media: c}]}"),
    ],
)
def test_what_changes_behaviour_changes_the_digest(old: str, new: str) -> None:
    assert old in ORIGINAL
    assert loads(ORIGINAL.replace(old, new, 1), KINDS).digest != loads(ORIGINAL, KINDS).digest


def test_detector_versions_are_part_of_the_digest() -> None:
    policy = loads(ORIGINAL, KINDS)
    assert re.fullmatch("[0-9a-f]{64}", policy.digest)
    assert digest(policy, {}) == policy.digest
    assert len({digest(policy, versions) for versions in ({}, {"people": "1"}, {"people": "2"}, {"own": "1"})}) == 4


def test_a_word_file_counts_by_what_it_holds_and_not_by_where_it_lies(tmp_path: Path) -> None:
    digests = []
    for folder, words in (("a", "one"), ("b", "one"), ("c", "two")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "words.txt").write_text(words)
        (tmp_path / folder / "p.yaml").write_text("version: 1\ndetectors: {own: {use: words, file: words.txt}}")
        digests.append(load(tmp_path / folder / "p.yaml", KINDS).digest)
    assert digests[0] == digests[1] != digests[2]
