"""The records on which a candidate is furthest off, to be looked at: the only place where words of a data set are kept."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field

from guard.evaluation.candidates import InForce
from guard.evaluation.dataset import Record
from guard.evaluation.layout import ANY

_LONGEST = 500


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """A score on the wrong side of its threshold.

    Attributes:
        by: How far.
        text: Its beginning.
    """

    by: float
    place: str = field(compare=False)
    category: str = field(compare=False)
    score: float = field(compare=False)
    text: str = field(compare=False)


class Worst:
    """The worst false alarms and misses of one candidate, each record by its worst category."""

    def __init__(self, most: int, thresholds: Mapping[str, InForce]) -> None:
        self._most = most
        self._thresholds = thresholds
        self._alarms: list[Mistake] = []
        self._misses: list[Mistake] = []

    @property
    def alarms(self) -> list[Mistake]:
        """The worst false alarms, the worst one first."""
        return sorted(self._alarms, reverse=True)

    @property
    def misses(self) -> list[Mistake]:
        """The worst misses, the worst one first."""
        return sorted(self._misses, reverse=True)

    def add(self, record: Record, dataset: str, scores: Mapping[str, float] | None) -> None:
        """Look at a record."""
        if scores is None or not self._most:
            return
        alarm: Mistake | None = None
        miss: Mistake | None = None
        for name, label in record.labels.items():
            if name == ANY or name not in self._thresholds:
                continue
            score, limit = scores.get(name, 0.0), self._thresholds[name].value
            if (score >= limit) == bool(label):
                continue
            mistake = Mistake(abs(score - limit), f"{dataset}:{record.row}", name, score, record.text[:_LONGEST])
            if label:
                miss = max(miss or mistake, mistake)
            else:
                alarm = max(alarm or mistake, mistake)
        for heap, found in ((self._alarms, alarm), (self._misses, miss)):
            if found is not None:
                heapq.heappush(heap, found)
                if len(heap) > self._most:
                    heapq.heappop(heap)
