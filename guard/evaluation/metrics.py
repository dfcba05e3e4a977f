"""How good scores are: ranking, recall at few false alarms, what a threshold catches, calibration. NumPy and nothing else.

Labels are 0 or 1 and scores lie in [0, 1]; ties between scores are counted exactly.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]

FEWEST = 3
"""Positives and negatives without which a ranking says nothing."""

BINS = 10


@dataclass(frozen=True, slots=True)
class Metrics:
    """How one category's scores rank texts.

    Attributes:
        auroc: Chance that a positive scores above a negative, ties counting half.
        auprc: Average precision.
        recall_1: Share of positives above the score that 1 % of the negatives reach.
        recall_5: The same for 5 %.
    """

    positives: int
    negatives: int
    auroc: float
    auprc: float
    recall_1: float
    recall_5: float

    def as_dict(self) -> dict[str, float]:
        """Return the figures as JSON values, rounded to 4 decimals."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class AtThreshold:
    """What a threshold makes of scores: shares in [0, 1]; None where nothing is there to take the share of."""

    threshold: float
    precision: float | None
    recall: float | None
    f1: float | None
    false_positive_rate: float | None


def metrics(labels: Labels, scores: Floats) -> Metrics | None:
    """Return how the scores rank, or None where fewer than `FEWEST` are positive or negative, as figures would be noise."""
    positive = labels == 1
    counts = int(positive.sum()), int((~positive).sum())
    if min(counts) < FEWEST:
        return None
    recalls = (recall_at(labels, scores, share) for share in (0.01, 0.05))
    return Metrics(*counts, auroc(labels, scores), average_precision(labels, scores), *recalls)


def auroc(labels: Labels, scores: Floats) -> float:
    """Return the area under the ROC curve, by the ranks of the positives (Mann and Whitney, 1947)."""
    positive = labels == 1
    ones, zeros = int(positive.sum()), int((~positive).sum())
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return float((ranks[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def average_precision(labels: Labels, scores: Floats) -> float:
    """Return the area under the precision-recall curve as the mean of precision over recall, without interpolation."""
    precision, recall, _ = precision_recall(labels, scores)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def precision_recall(labels: Labels, scores: Floats) -> tuple[Floats, Floats, Floats]:
    """Return precision and recall at each score as a threshold, and the scores, from the highest down."""
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(labels[order] == 1)
    last = np.append(np.nonzero(np.diff(ranked))[0], ranked.size - 1)
    return hits[last] / (last + 1), hits[last] / max(1, hits[-1]), ranked[last]


def recall_at(labels: Labels, scores: Floats, share: float) -> float:
    """Return the share of positives above the score that this share of the negatives reaches."""
    positive = labels == 1
    return float((scores[positive] > np.quantile(scores[~positive], 1 - share)).mean())


def at_threshold(labels: Labels, scores: Floats, threshold: float) -> AtThreshold:
    """Return what is found where a score of at least `threshold` counts."""
    positive, found = labels == 1, scores >= threshold
    hits, alarms = int((positive & found).sum()), int((~positive & found).sum())
    ones, zeros = int(positive.sum()), int((~positive).sum())
    precision = hits / (hits + alarms) if hits + alarms else None
    recall = hits / ones if ones else None
    f1 = 2 * hits / (2 * hits + alarms + ones - hits) if ones or alarms else None
    return AtThreshold(threshold, precision, recall, f1, alarms / zeros if zeros else None)


def calibration_error(labels: Labels, scores: Floats, weights: Floats | None = None) -> float:
    """Return the expected calibration error in ten bins of equal width (M. Naeini et al., 2015).

    Args:
        weights: How much each text counts, above 0; all the same where absent.
    """
    weights = np.ones(scores.size) if weights is None else weights
    gaps = np.bincount(_bin(scores), weights * (scores - labels), minlength=BINS)
    return float(np.abs(gaps).sum() / weights.sum())


def reliability(labels: Labels, scores: Floats) -> list[tuple[float, float, int]]:
    """Return for each bin that has texts their mean score, the share that is positive, and how many they are."""
    bins = _bin(scores)
    counts = np.bincount(bins, minlength=BINS)
    sums, ones = np.bincount(bins, scores, minlength=BINS), np.bincount(bins, labels == 1, minlength=BINS)
    return [
        (float(sums[index] / counts[index]), float(ones[index] / counts[index]), int(counts[index]))
        for index in range(BINS)
        if counts[index]
    ]


def brier(labels: Labels, scores: Floats) -> float:
    """Return the mean squared difference of score and label (G. Brier, 1950)."""
    return float(np.mean((scores - labels) ** 2))


def _bin(scores: Floats) -> NDArray[np.int64]:
    found: NDArray[np.int64] = np.clip((scores * BINS).astype(np.int64), 0, BINS - 1)
    return found
