"""Every mistake in a policy is told with its place, what was expected, what stands there, and the way out."""

from __future__ import annotations

import pytest
from broken_policies import BROKEN, HEAD, KINDS, RULE

from guard.errors import PolicyError, Problem
from guard.policy.load import loads

NAMES = [row[0] for row in BROKEN]
ROWS = [row[1:] for row in BROKEN]


def _problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(PolicyError) as caught:
        loads(text, KINDS, "p.yaml")
    return caught.value.problems


@pytest.mark.parametrize(("text", "line", "path", "expected", "hint"), ROWS, ids=NAMES)
def test_a_mistake_is_told_with_its_place_and_the_way_out(text: str, line: int, path: str, expected: str, hint: str) -> None:
    matching = [problem for problem in _problems(text) if (problem.line, problem.path) == (line, path)]
    assert matching, [str(problem) for problem in _problems(text)]
    assert any(expected in problem.expected and hint in problem.hint for problem in matching), matching
    assert all(problem.where == "p.yaml" and problem.column >= 1 and problem.got for problem in matching)


def test_each_broken_policy_has_few_problems_beside_the_one_it_is_about() -> None:
    assert {row[0]: len(_problems(row[1])) for row in BROKEN if len(_problems(row[1])) > 2} == {}


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    text = """\
version: 1
detectors:
  people: {use: pi}
rules:
  - id: a
    detect: poeple
    category: pii/emial
    threshold: high
    action: blok
    when: model ==
  - {id: a, detect: people, category: pii, action: flag}
defaults: {refusel: field}
"""
    assert [(problem.line, problem.path) for problem in _problems(text)] == [
        (3, "detectors.people.use"),
        (6, "rules[0].detect"),
        (7, "rules[0].category"),
        (8, "rules[0].threshold"),
        (9, "rules[0].action"),
        (10, "rules[0].when"),
        (11, "rules[1].id"),
        (12, "defaults.refusel"),
    ]


def test_a_problem_reads_as_a_sentence() -> None:
    [problem] = _problems(HEAD + RULE % "threshold: high")
    assert str(problem) == 'p.yaml:9:76: rules[1].threshold: expected a number in [0, 1], got "high"'


def test_a_long_value_is_shortened() -> None:
    [problem] = _problems(HEAD + RULE % f"turns: {'x' * 500}")
    assert len(problem.got) < 70


@pytest.mark.parametrize(
    ("when", "line", "column"),
    [
        ("when: model == 1", 14, 17),
        ('when: "model == 1"', 14, 18),
        ("when: |\n      stage == 'input' &&\n        model == 1", 16, 15),
        ("when: >\n      stage == 'input' &&\n      model == 1", 14, 11),
    ],
    ids=["plain", "quoted", "block", "folded"],
)
def test_a_mistake_in_a_condition_is_pointed_at_in_the_file(when: str, line: int, column: int) -> None:
    text = HEAD + f"  - id: r\n    detect: people\n    category: pii\n    action: block\n\n    {when}\n"
    [problem] = _problems(text)
    assert (problem.line, problem.column) == (line, column)


def test_a_category_of_the_policys_own_or_of_a_foreign_detector_is_known() -> None:
    foreign = "  - {id: r, detect: own, category: vendor/special, action: flag}\n"
    own = "  - {id: s, detect: people, category: acme/x, action: flag}\ncategories: [acme/x]\n"
    policy = loads(HEAD + foreign + own, KINDS)
    assert [rule.category for rule in policy.rules[1:]] == [("vendor/special",), ("acme/x",)]
