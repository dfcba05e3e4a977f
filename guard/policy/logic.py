"""What a rule may ask of several detectors at once: `any`, `all`, `not` and weighted sums over findings. Pure.

A clause looks at all findings that its rule reads in one message, or in one choice of an answer. Clauses nest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from guard import categories
from guard.values import Finding

Thresholds = tuple[tuple[str, float], ...]
"""Pairs of a category, or `group/*`, and the threshold that holds for it."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """Some detector finds one of some categories.

    Attributes:
        threshold: The least score that counts.
        weight: In a sum: what a score is multiplied with.
    """

    detect: tuple[str, ...]
    category: tuple[str, ...]
    threshold: float = 0.5
    weight: float = 1.0

    def matches(self, finding: Finding) -> bool:
        """Return whether `finding` is one that it is about."""
        return (
            finding.score >= self.threshold
            and finding.detector in self.detect
            and any(categories.matches(name, finding.category) for name in self.category)
        )

    def score(self, findings: Sequence[Finding]) -> float:
        """Return the highest score of those that it is about; 0 where there is none."""
        return max((finding.score for finding in findings if self.matches(finding)), default=0.0)


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of its clauses holds."""

    of: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Every:
    """All of its clauses hold."""

    of: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Its clause does not hold."""

    clause: Clause


@dataclass(frozen=True, slots=True)
class Sum:
    """The highest score of each leaf, times its weight, add up to enough."""

    of: tuple[Leaf, ...]
    at_least: float


Clause = Leaf | Some | Every | Not | Sum


def holds(clause: Clause, findings: Sequence[Finding]) -> bool:
    """Return whether a clause holds for these findings."""
    match clause:
        case Leaf():
            return any(map(clause.matches, findings))
        case Some():
            return any(holds(each, findings) for each in clause.of)
        case Every():
            return all(holds(each, findings) for each in clause.of)
        case Not():
            return not holds(clause.clause, findings)
        case Sum():
            return sum(leaf.weight * leaf.score(findings) for leaf in clause.of) >= clause.at_least - _ROUNDING


def leaves(clause: Clause) -> Iterator[Leaf]:
    """Yield every leaf, those under a `not` too."""
    match clause:
        case Leaf():
            yield clause
        case Not():
            yield from leaves(clause.clause)
        case _:
            for each in clause.of:
                yield from leaves(each)


def wanted(clause: Clause) -> Iterator[Leaf]:
    """Yield the leaves that something has to be found for, those under a `not` left out."""
    match clause:
        case Leaf():
            yield clause
        case Not():
            return
        case _:
            for each in clause.of:
                yield from wanted(each)


def needs_a_finding(clause: Clause) -> bool:
    """Return whether a clause can hold only where something is found."""
    match clause:
        case Leaf():
            return True
        case Some():
            return all(map(needs_a_finding, clause.of))
        case Every():
            return any(map(needs_a_finding, clause.of))
        case Not():
            return False
        case Sum():
            return clause.at_least > 0


def threshold_for(thresholds: Thresholds, category: str, otherwise: float) -> float:
    """Return the threshold of a category: by its own name, else by its group's, else `otherwise`."""
    by_name = dict(thresholds)
    if category in by_name:
        return by_name[category]
    return by_name.get(f"{categories.group(category)}/*", otherwise)


_ROUNDING = 1e-9
"""Weights such as 0.1 have no exact sum."""
