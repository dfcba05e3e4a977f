"""What scores are measured against: one row for each category, for any harm, and for what was decided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from guard.evaluation import binomial
from guard.evaluation.bootstrap import Interval, Scored, differences, intervals
from guard.evaluation.candidates import Candidate, InForce
from guard.evaluation.metrics import FIGURES, NEED_BOTH, Counts, Floats, Labels, measure
from guard.evaluation.tally import Column, Tally
from guard.values import Action

AT_THRESHOLD = ("precision", "recall", "f1", "false_positive_rate")
RANKING = tuple(name for name in FIGURES if name not in AT_THRESHOLD)
ANY_HARM, FLAGGED, BLOCKED = "any harm", "flagged", "blocked"
"""Rows that are no category: the highest score of harm, any action above allow, the action block."""


@dataclass(frozen=True, slots=True)
class Row:
    """Labelled records, and what each candidate scored them.

    Attributes:
        rows: Numbers of the records.
        scores: Of each candidate.
        limits: The threshold of each candidate; None where it does not report the category.
        figures: Those that mean something here.
    """

    name: str
    rows: NDArray[np.uint32]
    labels: Labels
    scores: tuple[Floats, ...]
    limits: tuple[InForce | None, ...]
    figures: tuple[str, ...] = FIGURES

    def part(self, chosen: NDArray[np.bool_]) -> Row:
        """Return the row with some of its records."""
        scores = tuple(own[chosen] for own in self.scores)
        return Row(self.name, self.rows[chosen], self.labels[chosen], scores, self.limits, self.figures)

    def scored(self, candidate: int) -> Scored | None:
        """Return what a candidate scored; None where it does not report this."""
        limit = self.limits[candidate]
        return None if limit is None else Scored(self.scores[candidate], limit.value)


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of one row for one candidate.

    Attributes:
        figures: Those that can be told.
        intervals: Within which they lie with 95 % confidence; none where none were asked for.
        reason: Why some cannot be told; empty where all can.
    """

    positives: int
    negatives: int
    limit: InForce | None
    asked: tuple[str, ...]
    figures: dict[str, float]
    intervals: dict[str, Interval]
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values; what cannot be told is null."""
        told = {name: _rounded(self.figures.get(name)) for name in self.asked}
        bounds = {name: [_rounded(bound) for bound in both] for name, both in self.intervals.items() if name in self.figures}
        at_threshold = {"threshold": self.limit.value, "threshold_from": self.limit.origin} if self.limit else {}
        reason = {"reason": self.reason} if self.reason else {}
        counts = {"positives": self.positives, "negatives": self.negatives}
        return {**counts, **at_threshold, **told, **({"intervals": bounds} if bounds else {}), **reason}


class Difference(NamedTuple):
    """How much higher a figure of the second candidate is than that of the first, on the same records."""

    value: float
    interval: Interval

    @property
    def is_sure(self) -> bool:
        """Whether it is above or below zero with 95 % confidence."""
        return self.interval.low > 0 or self.interval.high < 0


def rows_of(tally: Tally, candidates: Sequence[Candidate]) -> list[Row]:
    """Return the rows, categories in the order of their names."""
    found = [
        _row(name, column, [each.thresholds.get(name) for each in candidates]) for name, column in sorted(tally.columns.items())
    ]
    default: Sequence[InForce | None] = [InForce(0.5, "default")] * len(candidates)
    if tally.harm.rows:
        found.append(_row(ANY_HARM, tally.harm, default, RANKING))
    found += _decisions(tally, candidates)
    return [row for row in found if row.rows.size]


def measured(row: Row, candidate: int, *, seed: int | None = None) -> Measured:
    """Return what a candidate's scores are like.

    Args:
        seed: Of the draws for the intervals; None for no intervals.
    """
    ones = int((row.labels == 1).sum())
    zeros = row.labels.size - ones
    scored = row.scored(candidate)
    if scored is None:
        return Measured(ones, zeros, None, row.figures, {}, {}, "it does not report this category")
    found = measure(Counts.of(row.labels, scored.scores), scored.threshold)
    figures = {name: float(found[name]) for name in row.figures if not np.isnan(found[name])}
    bounds = {} if seed is None else _bounds(row.labels, scored, figures, seed)
    limit = row.limits[candidate] if set(row.figures) & set(AT_THRESHOLD) else None
    return Measured(ones, zeros, limit, row.figures, figures, bounds, _reason(ones, zeros))


def compared(row: Row, seed: int) -> dict[str, Difference]:
    """Return how the second candidate differs from the first, in figures that both can tell."""
    first, second = row.scored(0), row.scored(1)
    if first is None or second is None:
        return {}
    before, after = (measure(Counts.of(row.labels, each.scores), each.threshold) for each in (first, second))
    bounds = differences(row.labels, first, second, seed)
    differ = {name: float(after[name] - before[name]) for name in row.figures}
    return {name: Difference(value, bounds[name]) for name, value in differ.items() if not np.isnan(value) and name in bounds}


def _row(name: str, column: Column, limits: Sequence[InForce | None], figures: tuple[str, ...] = FIGURES) -> Row:
    rows, labels, scores = column.arrays()
    return Row(name, rows, labels, tuple(scores), tuple(limits), figures)


def _decisions(tally: Tally, candidates: Sequence[Candidate]) -> Iterator[Row]:
    rows, labels, actions = tally.actions.arrays()
    wanted = [(FLAGGED, Action.FLAG)] + ([(BLOCKED, Action.BLOCK)] if any(each.decides for each in candidates) else [])
    for name, least in wanted:
        scores = tuple((own >= least).astype(np.float64) for own in actions)
        limits = [InForce(1.0, "action") if each.decides or name == FLAGGED else None for each in candidates]
        yield Row(name, rows, labels, scores, tuple(limits), AT_THRESHOLD)


def _bounds(labels: Labels, scored: Scored, figures: dict[str, float], seed: int) -> dict[str, Interval]:
    """Return the intervals; of plain rates the exact ones, which say something even of none in a few."""
    drawn = intervals(labels, scored, seed)
    bounds = {name: drawn[name] for name in figures if name in drawn}
    for name, label in (("recall", 1), ("false_positive_rate", 0)):
        if name in figures:
            of_label = scored.scores[labels == label]
            bounds[name] = Interval(*binomial.interval(int((of_label >= scored.threshold).sum()), of_label.size))
    return bounds


def _reason(ones: int, zeros: int) -> str:
    if ones and zeros:
        return ""
    absent = "1" if zeros else "0"
    return f"no record is labelled {absent} for it, so there is no {', '.join(sorted(NEED_BOTH))}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
