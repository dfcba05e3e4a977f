"""Setting thresholds changes the numbers and nothing else, however a policy is written."""

from __future__ import annotations

import difflib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.detectors.registry import kinds
from guard.evaluation.policy_edit import extending, with_thresholds
from guard.evaluation.policy_places import places
from guard.policy.load import loads

WRITTEN = """\
# The policy of a shop.
version: 1   # of the language
name: shop

detectors: {words: {use: patterns, words: [bad], category: custom/word}, "harm": {use: 'embedded'}}

rules:
  # What we say about words.
  - id: first
    detect: words      # ours
    category: [custom/word,
               custom/other]   # both

    # A comment between keys.
    threshold: 0.50    # chosen by hand
    action: flag
  - {id: second, detect: harm, category: hate, threshold: &strict 0.9, action: block}   # flow
  - id: third
    detect: harm
    category: sexual
    action: block
    threshold: *strict
  - id: fourth
    action: block
    category:
      - violence
      - violence/graphic
    detect: harm   # no threshold
    message: |
      We don't.
        # not a comment

      Ever.
  - {id: fifth, detect: harm, category: toxicity, action: flag}
  # The last word on rules.

# What holds elsewhere.
defaults: {message: No.}
"""


def thresholds(text: str) -> dict[str, float]:
    return {rule.id: rule.threshold for rule in loads(text, kinds()).rules}


def changed(before: str, after: str) -> list[str]:
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line for line in lines if line[0] in "+-"]


def test_a_number_is_replaced_and_all_else_stays():
    after = with_thresholds(WRITTEN, {"first": "0.123"})
    assert after == WRITTEN.replace("threshold: 0.50    #", "threshold: 0.123    #")
    assert thresholds(after) == {**thresholds(WRITTEN), "first": 0.123}


@pytest.mark.parametrize(
    ("rule", "added"),
    [
        ("fourth", "+     threshold: 0.3"),
        ("fifth", "+   - {id: fifth, detect: harm, category: toxicity, threshold: 0.3, action: flag}"),
    ],
)
def test_a_rule_without_a_threshold_gets_one_in_the_style_of_the_rule(rule: str, added: str):
    after = with_thresholds(WRITTEN, {rule: "0.3"})
    assert thresholds(after) == {**thresholds(WRITTEN), rule: 0.3}
    assert [line for line in changed(WRITTEN, after) if line[0] == "+"] == [added]


def test_a_number_that_others_share_by_an_anchor_stays_theirs():
    after = with_thresholds(WRITTEN, {"second": "0.2"})
    assert thresholds(after) == {**thresholds(WRITTEN), "second": 0.2}
    assert "threshold: &strict 0.9\n" in after
    alone = with_thresholds(WRITTEN, {"third": "0.4"})
    assert thresholds(alone) == {**thresholds(WRITTEN), "third": 0.4}
    both = with_thresholds(WRITTEN, {"second": "0.2", "third": "0.4"})
    assert thresholds(both) == {**thresholds(WRITTEN), "second": 0.2, "third": 0.4}
    assert "strict" not in both


@given(
    st.dictionaries(st.sampled_from(["first", "second", "third", "fourth", "fifth"]), st.sampled_from(["0.125", "0.98", "1.0"]))
)
@settings(deadline=None, max_examples=40)
def test_any_set_of_rules_may_change_at_once_and_again(new: dict[str, str]):
    for text in (WRITTEN, WRITTEN.replace("\n", "\r\n"), WRITTEN.rstrip()):
        after = with_thresholds(text, new)
        assert thresholds(after) == {**thresholds(text), **{rule: float(number) for rule, number in new.items()}}
        assert after.count("\r\n") == after.count("\n") or "\r" not in text
        assert with_thresholds(after, new) == after
        comments = [line.partition("#")[2] for line in text.splitlines() if "#" in line]
        assert [line.partition("#")[2] for line in after.splitlines() if "#" in line] == comments


CHILDREN = {
    "no rules": "version: 1\nextends: default   # ours\n# end\n",
    "no line end": "version: 1\nextends: default",
    "document end": "version: 1\nextends: default\n...\n",
    "indented": "  version: 1\n  extends: default\n",
    "list": "version: 1\nextends: default\nrules:\n  # one\n  - {override: gore, action: flag}  # flow\n\n# next\nname: x\n",
    "list at the margin": "version: 1\nextends: default\nrules:\n- override: gore\n  action: flag\n# next\nname: x\n",
    "text at the end": "version: 1\nextends: default\nrules:\n- override: gore\n  message: |\n    No.\n\n    # No!\nname: x\n",
    "flow": "version: 1\nextends: default\nrules: [{override: gore, action: flag},  # gore\n  ]\n",
    "empty flow": "version: 1\nextends: default\nrules: []\n",
    "json": '{"version": 1, "extends": "default", "rules": [{"override": "gore", "action": "flag"}]}',
    "json without rules": '{"version": 1, "extends": "default"}\n',
    "windows": "version: 1\r\nextends: default\r\nrules:\r\n  - override: gore\r\n    action: flag\r\n",
}


@pytest.mark.parametrize("text", CHILDREN.values(), ids=CHILDREN)
def test_inherited_rules_are_overridden_in_the_child(text: str):
    after = with_thresholds(text, {"threats": "0.61", "gore": "0.71", "violent-crime": "0.81"})
    assert thresholds(after) == {**thresholds(text), "threats": 0.61, "gore": 0.71, "violent-crime": 0.81}
    removed = [line for line in changed(text, after) if line[0] == "-"]
    assert len(removed) <= 1 and all("{" in line or "[" in line for line in removed)
    assert "\r" not in text or after.count("\r\n") == after.count("\n")
    assert with_thresholds(after, {"threats": "0.61"}) == after
    if text.startswith("{"):
        assert json.loads(after)["rules"]


def test_the_override_that_has_the_say_is_the_one_that_changes():
    text = "version: 1\nextends: default\nrules:\n- {override: gore, threshold: 0.3}\n- {override: gore, action: flag}\n"
    assert thresholds(with_thresholds(text, {"gore": "0.6"}))["gore"] == 0.6


def test_ids_that_look_like_numbers_stay_texts():
    base = 'version: 1\ndetectors: {h: {use: embedded}}\nrules: [{id: "12", detect: h, category: hate, action: flag}]\n'
    assert thresholds(with_thresholds(base, {"12": "0.6"})) == {"12": 0.6}
    assert '- override: "12"' in with_thresholds("version: 1\nextends: x.yaml\n", {"12": "0.6"})
    assert '- override: "true"' in with_thresholds("version: 1\nextends: x.yaml\n", {"true": "0.6"})


def test_a_shipped_policy_is_extended():
    assert thresholds(extending("default", {"gore": "0.6"})) == {**thresholds("version: 1\nextends: default\n"), "gore": 0.6}


def test_places_are_found_in_the_order_of_the_text():
    root = places("a: [1, &x 2]\nb: *x\n")
    assert [key.word for key, _ in root.members] == ["a", "b"]
    assert root.get("a").items[1].anchor == root.get("b").alias == "x"
