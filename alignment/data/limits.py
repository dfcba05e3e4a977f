"""How much of what is wrong with a set is allowed, read from a file or from a recipe."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from guard.errors import PolicyError, Problem
from guard.policy.node import Node
from guard.policy.yaml_source import read_file


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits; None where nothing is limited. All but those of `LEAST` are the most that is allowed."""

    records: float | None = 1
    left_out: float | None = 0.5
    duplicates: float | None = 0.5
    equal: float | None = 0.05
    disagreement: float | None = 0.25
    noise: float | None = 0.15
    leaks: float | None = 0
    empty_sets: float | None = 0
    length_bias: float | None = 0.25
    source_dominance: float | None = 0.4
    triggers: float | None = 0.01
    personal_data: float | None = 0.02
    minority: float | None = 0.05
    largest_category: float | None = None
    benign: float | None = None
    look_alikes: float | None = None
    contradictions: float | None = 0.2
    truncated: float | None = 0.05


LEAST = frozenset({"records", "minority", "benign", "look_alikes"})
"""Those of which there has to be at least so much."""

COUNTS = frozenset({"records", "leaks", "empty_sets"})
"""Those that are numbers of something; the others are shares in [0, 1]."""

MEANING: Mapping[str, str] = {
    "records": "records in all sets together",
    "left_out": "rows that were left out, for whatever reason",
    "duplicates": "records that said again what was said",
    "equal": "pairs whose two answers are the same",
    "disagreement": "pairs of statements about the same texts that contradict each other",
    "noise": "labels that are wrong, as far as disagreement tells: two labels of error rate e differ with probability 2e(1 - e)",
    "leaks": "prompts, subjects and conversations in two sets, prompts nearly the same included",
    "empty_sets": "sets that were asked for, and have no record",
    "length_bias": "how far the probability that the better answer is the longer one is from a half",
    "source_dominance": "by how much a source's share of an outcome is above its share of all",
    "triggers": "records with a rare phrase that nearly always has the same outcome",
    "personal_data": "records with personal data or secrets",
    "minority": "the rarer of the two outcomes",
    "largest_category": "the most frequent category, among records with a category of harm",
    "benign": "benign records, among those that were looked at for harm",
    "look_alikes": "benign records that only look harmful, among those that were looked at for harm",
    "contradictions": "records that the policy contradicts: it finds the better answer clearly more harmful",
    "truncated": "records that are longer than the model's context",
}
"""What each of them measures."""


def read_limits(file: Path) -> Limits:
    """Return the limits of a YAML file: a mapping of names to numbers, or null for no limit.

    Raises:
        PolicyError: With every mistake, its line, and the way out.
    """
    return limits_from(read_file(file, str(file)))


def limits_from(node: Node) -> Limits:
    """Return the limits that stand in a document, as in a recipe; what it does not name is as it is by default.

    Raises:
        PolicyError: With every mistake, its line, and the way out.
    """
    if not isinstance(node.value, dict):
        raise PolicyError([_problem(node, "a mapping of measures to numbers", "another value")])
    problems: list[Problem] = []
    given = {name: _limit(name, each, problems) for name, each in node.value.items()}
    if problems:
        raise PolicyError(problems)
    return dataclasses.replace(Limits(), **given)


def _limit(name: str, node: Node, problems: list[Problem]) -> float | None:
    if name not in MEANING:
        close = difflib.get_close_matches(name, MEANING, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(MEANING)}"
        problems.append(_problem(node, "the name of a measure", f'"{name[:40]}"', hint))
        return None
    value = node.value
    if value is None:
        return None
    most = float("inf") if name in COUNTS else 1.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most or value == float("inf"):
        expected = "a number from 0, or null for no limit" if name in COUNTS else "a number in [0, 1], or null for no limit"
        got = f"{value}" if isinstance(value, int | float) and not isinstance(value, bool) else "another value"
        problems.append(_problem(node, expected, got))
        return None
    return float(value)


def _problem(node: Node, expected: str, got: str, hint: str = "") -> Problem:
    return Problem(node.where, node.line, node.column, node.path, expected, got, hint)
