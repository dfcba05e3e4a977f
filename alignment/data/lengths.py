"""Whether the longer answer is the better one: what a model learns first, if most of its data says so."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from alignment.records import Pair, Record, Scored, Unpaired, spoken


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long good and bad answers are, in characters.

    Attributes:
        longer: Probability that a good answer is longer than a bad one, ties counted half; None where there are none to compare.
        good: Median of the good answers.
        bad: Median of the bad answers.
    """

    longer: float | None = None
    good: float = 0.0
    bad: float = 0.0

    @property
    def bias(self) -> float | None:
        """How far `longer` is from a half, in [0, 0.5]; None where it is not known."""
        return None if self.longer is None else abs(self.longer - 0.5)


def lengths(records: Sequence[Record]) -> Lengths:
    """Return how long good and bad answers are: of the same pair, or else of all answers to all others."""
    pairs = [(len(spoken(each.chosen)), len(spoken(each.rejected))) for each in records if isinstance(each, Pair)]
    if pairs:
        longer = sum(1.0 if good > bad else 0.5 if good == bad else 0.0 for good, bad in pairs) / len(pairs)
        return Lengths(longer, median(good for good, _ in pairs), median(bad for _, bad in pairs))
    good, bad = _sides(records)
    if not good or not bad:
        return Lengths()
    return Lengths(_longer(good, sorted(bad)), median(good), median(bad))


def middle_score(records: Sequence[Record]) -> float:
    """Return the median of the scores: above it an answer counts as good, below as bad; 0 where there are none."""
    return median([record.score for record in records if isinstance(record, Scored)] or [0.0])


def _sides(records: Sequence[Record]) -> tuple[list[int], list[int]]:
    """Return the lengths of good and of bad answers; scored ones are good above the median score, and bad below."""
    middle = middle_score(records)
    good: list[int] = []
    bad: list[int] = []
    for record in records:
        if isinstance(record, Unpaired):
            (good if record.label else bad).append(len(spoken(record.completion)))
        elif isinstance(record, Scored) and record.score != middle:
            (good if record.score > middle else bad).append(len(spoken(record.completion)))
    return good, bad


def _longer(good: Sequence[int], bad: Sequence[int]) -> float:
    """Return the probability, from ranks (Mann and Whitney, 1947). `bad` is sorted."""
    won = sum(bisect_left(bad, length) + bisect_right(bad, length) for length in good)
    return won / (2 * len(good) * len(bad))
