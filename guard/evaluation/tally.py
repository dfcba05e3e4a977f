"""What is kept of records that were judged: labels, scores and which part each belongs to, and not one of their words."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import nan
from typing import TYPE_CHECKING, NamedTuple

from guard.errors import TenetError
from guard.evaluation.candidates import Candidate, is_harm
from guard.evaluation.dataset import Record
from guard.evaluation.layout import ANY
from guard.values import Action

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_PARTS = 200
"""Values of a field to slice by; one with more is no slice."""


class Verdict(NamedTuple):
    """What a candidate said about one text.

    Attributes:
        scores: The highest of each category that was found; None where a detector gave no verdict.
        failed: Names of the detectors that gave none.
    """

    action: Action
    rules: tuple[str, ...]
    scores: Mapping[str, float] | None
    failed: tuple[str, ...] = ()


@dataclass(slots=True)
class Column:
    """The records that have one label, and what each candidate scored them; NaN where it gave no verdict."""

    candidates: int
    rows: array[int] = field(default_factory=lambda: array("I"))
    labels: array[int] = field(default_factory=lambda: array("b"))
    scores: list[array[float]] = field(init=False)

    def __post_init__(self) -> None:
        self.scores = [array("d") for _ in range(self.candidates)]

    def add(self, row: int, label: int, scores: Sequence[float]) -> None:
        """Take a record."""
        self.rows.append(row)
        self.labels.append(label)
        for own, score in zip(self.scores, scores, strict=True):
            own.append(score)

    def arrays(self) -> tuple[NDArray[np.uint32], NDArray[np.int8], list[NDArray[np.float64]]]:
        """Return rows, labels and scores of the records on which every candidate gave its verdict."""
        import numpy as np

        rows, labels = np.array(self.rows, dtype=np.uint32), np.array(self.labels, dtype=np.int8)
        scores = [np.array(own, dtype=np.float64) for own in self.scores]
        told = ~np.isnan(np.stack(scores)).any(axis=0)
        return rows[told], labels[told], [own[told] for own in scores]


@dataclass(slots=True)
class Parts:
    """To which part of the data each record belongs, by one field."""

    by: str
    codes: array[int] = field(default_factory=lambda: array("H"))
    values: dict[str, int] = field(default_factory=dict)

    def add(self, value: str) -> None:
        """Take the next record's value.

        Raises:
            TenetError: Where there are too many different ones.
        """
        self.codes.append(self.values.setdefault(value, len(self.values)))
        if len(self.values) > MOST_PARTS:
            raise TenetError(f"--slice {self.by}: expected at most {MOST_PARTS} different values, got more")


@dataclass(slots=True)
class Counted:
    """What one candidate did on records of one sort: all whose known labels are 0, or those with a 1."""

    actions: Counter[Action] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    reached: Counter[str] = field(default_factory=Counter)
    failed: int = 0

    @property
    def records(self) -> int:
        """How many there were."""
        return self.actions.total()


class Tally:
    """All that is known of the records.

    Attributes:
        columns: By category.
        harm: The highest score of a harm category whose label is known, and whether one of them is 1.
        actions: Actions as scores; 1 where any label is 1, 0 where all known are 0.
        parts: By data set where there are several, and by each field to slice by.
        counted: For each candidate: on benign records, and on harmful ones.
        failed: For each candidate: how often each detector gave no verdict.
    """

    def __init__(self, candidates: Sequence[Candidate], datasets: Sequence[str], slices: Sequence[str]) -> None:
        self._candidates = candidates
        self._datasets = datasets
        count = len(candidates)
        self.columns: dict[str, Column] = {}
        self.harm, self.actions = Column(count), Column(count)
        self.parts = [Parts("data set")] if len(datasets) > 1 else []
        self._named_parts = [Parts(name) for name in slices]
        self.parts += self._named_parts
        self.counted = [(Counted(), Counted()) for _ in candidates]
        self.failed: list[Counter[str]] = [Counter() for _ in candidates]
        self.records = self.labelled = self.empty = self.characters = 0

    def add(self, record: Record, dataset: int, verdicts: Sequence[Verdict]) -> None:
        """Take a record and what each candidate said of it."""
        row = self.records
        self.records += 1
        self.characters += len(record.text)
        self.empty += not record.text.strip()
        self._place(record, dataset)
        for candidate_failed, verdict in zip(self.failed, verdicts, strict=True):
            candidate_failed.update(verdict.failed)
        if not record.labels:
            return
        self.labelled += 1
        for name, label in record.labels.items():
            if name != ANY:
                column = self.columns.get(name) or self.columns.setdefault(name, Column(len(verdicts)))
                column.add(row, label, [_score(verdict, name) for verdict in verdicts])
        self._add_harm(row, record.labels, verdicts)
        harmful = 1 in record.labels.values()
        self.actions.add(row, harmful, [self._action(verdict, number) for number, verdict in enumerate(verdicts)])
        for number, verdict in enumerate(verdicts):
            self._count(number, self.counted[number][harmful], verdict)

    def _place(self, record: Record, dataset: int) -> None:
        if len(self._datasets) > 1:
            self.parts[0].add(self._datasets[dataset])
        for part, value in zip(self._named_parts, record.slices, strict=True):
            part.add(value)

    def _add_harm(self, row: int, labels: Mapping[str, int], verdicts: Sequence[Verdict]) -> None:
        known = [name for name in labels if name == ANY or is_harm(name)]
        if known:
            label = max(labels[name] for name in known)
            self.harm.add(row, label, [_highest(verdict, None if ANY in labels else known) for verdict in verdicts])

    def _action(self, verdict: Verdict, number: int) -> float:
        return nan if verdict.scores is None and not self._candidates[number].decides else float(verdict.action)

    def _count(self, number: int, counted: Counted, verdict: Verdict) -> None:
        if verdict.scores is None:
            counted.failed += 1
            if not self._candidates[number].decides:
                return
        counted.actions[verdict.action] += 1
        counted.rules.update(verdict.rules)
        counted.reached.update(self._candidates[number].reached(verdict.scores or {}))


def _score(verdict: Verdict, category: str) -> float:
    return nan if verdict.scores is None else verdict.scores.get(category, 0.0)


def _highest(verdict: Verdict, names: Sequence[str] | None) -> float:
    if verdict.scores is None:
        return nan
    chosen = (score for name, score in verdict.scores.items() if (is_harm(name) if names is None else name in names))
    return max(chosen, default=0.0)
