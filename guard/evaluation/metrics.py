"""How good scores are: ranking, what a threshold catches, calibration. NumPy and nothing else.

Everything is worked out from how many positives and negatives have each score, so that ties are counted exactly, and many draws
of a bootstrap cost little more than one. Counts may therefore have axes in front; figures then have the same. A figure that
cannot be told, such as a precision where nothing was found, is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]

BINS = 10
_ROUNDING = 1e-9


class Counts(NamedTuple):
    """How many texts have which score.

    Attributes:
        scores: Distinct, from the highest down; of shape (scores,).
        positives: How many labelled 1 have each of them; of shape (…, scores).
        negatives: How many labelled 0 have each of them; of the same shape.
    """

    scores: Floats
    positives: Floats
    negatives: Floats

    @classmethod
    def of(cls, labels: Labels, scores: Floats) -> Counts:
        """Count labels of 0 and 1 and their scores in [0, 1]."""
        distinct, places = np.unique(-scores, return_inverse=True)
        positive = labels == 1
        counts = (np.bincount(places[chosen], minlength=distinct.size) for chosen in (positive, ~positive))
        ones, zeros = (found.astype(np.float64) for found in counts)
        return cls(-distinct, ones, zeros)


def auroc(counts: Counts) -> Floats:
    """Return the chance that a positive scores above a negative, ties counting half (Mann and Whitney, 1947)."""
    above = np.cumsum(counts.positives, axis=-1) - counts.positives / 2
    pairs = counts.positives.sum(axis=-1) * counts.negatives.sum(axis=-1)
    return _share((counts.negatives * above).sum(axis=-1), pairs)


def average_precision(counts: Counts) -> Floats:
    """Return the area under the precision-recall curve as the mean of precision over recall, without interpolation."""
    recall, precision = precision_recall(counts)
    steps = np.diff(recall, prepend=0.0, axis=-1)
    return (
        np.where(counts.negatives.sum(axis=-1) > 0, np.nan_to_num(steps * precision).sum(axis=-1), np.nan) + 0 * recall[..., -1]
    )


def precision_recall(counts: Counts) -> tuple[Floats, Floats]:
    """Return recall and precision with each score as the threshold."""
    hits, alarms = np.cumsum(counts.positives, axis=-1), np.cumsum(counts.negatives, axis=-1)
    return _share(hits, counts.positives.sum(axis=-1, keepdims=True)), _share(hits, hits + alarms)


def rates(counts: Counts) -> tuple[Floats, Floats]:
    """Return the false-positive rate and the recall with each score as the threshold."""
    hits, alarms = np.cumsum(counts.positives, axis=-1), np.cumsum(counts.negatives, axis=-1)
    ones, zeros = (found.sum(axis=-1, keepdims=True) for found in (counts.positives, counts.negatives))
    return _share(alarms, zeros), _share(hits, ones)


def recall_at(counts: Counts, share: float) -> Floats:
    """Return the highest recall of a threshold that at most this share of the negatives reaches."""
    alarms, recall = rates(counts)
    best: Floats = np.where(alarms <= share + _ROUNDING, recall, 0.0 * recall).max(axis=-1)
    return np.where(np.isnan(alarms[..., -1]), np.nan, best)


def found(counts: Counts, threshold: float) -> tuple[Floats, Floats]:
    """Return how many positives and negatives have at least this score."""
    reached = counts.scores >= threshold
    return counts.positives[..., reached].sum(axis=-1), counts.negatives[..., reached].sum(axis=-1)


def brier(counts: Counts) -> Floats:
    """Return the mean squared difference of score and label (G. Brier, 1950)."""
    squares = counts.positives * (1 - counts.scores) ** 2 + counts.negatives * counts.scores**2
    return _share(squares.sum(axis=-1), (counts.positives + counts.negatives).sum(axis=-1))


def expected_calibration_error(counts: Counts, bins: int = BINS) -> Floats:
    """Return the mean distance of score and share of positives in bins of equal width (M. Naeini et al., 2015)."""
    return _mean_gap(counts, _bins(counts.scores, bins))


def adaptive_calibration_error(counts: Counts, bins: int = BINS) -> Floats:
    """Return the same in bins of about as many texts each, equal scores together (K. Nguyen and B. O'Connor, 2015)."""
    together = (counts.positives + counts.negatives).reshape(-1, counts.scores.size).sum(axis=0)
    middles = np.cumsum(together) - together / 2
    return _mean_gap(counts, (middles * bins / max(together.sum(), 1)).astype(np.int64))


def calibration_error(labels: Labels, scores: Floats, weights: Floats | None = None) -> float:
    """Return the expected calibration error in ten bins of equal width.

    Args:
        weights: How much each text counts, above 0; all the same where absent.
    """
    weights = np.ones(scores.size) if weights is None else weights
    gaps = np.bincount(_bins(scores, BINS), weights * (scores - labels), minlength=BINS)
    return float(np.abs(gaps).sum() / weights.sum())


def reliability(counts: Counts, bins: int = BINS) -> list[tuple[float, float, int]]:
    """Return for each bin of equal width that has texts their mean score, the share that is positive, and how many they are."""
    texts = counts.positives + counts.negatives
    place = _bins(counts.scores, bins)
    sizes, sums, ones = (np.bincount(place, each, minlength=bins) for each in (texts, texts * counts.scores, counts.positives))
    return [
        (float(sums[each] / sizes[each]), float(ones[each] / sizes[each]), int(sizes[each]))
        for each in range(bins)
        if sizes[each]
    ]


def measure(counts: Counts, threshold: float) -> dict[str, Floats]:
    """Return every figure by its name in `FIGURES`.

    Args:
        threshold: In force: a score of at least this counts as found.
    """
    hits, alarms = found(counts, threshold)
    ones, zeros = counts.positives.sum(axis=-1), counts.negatives.sum(axis=-1)
    both = np.where((ones > 0) & (zeros > 0), 1.0, np.nan)
    at_threshold = {
        "precision": both * _share(hits, hits + alarms),
        "recall": _share(hits, ones),
        "f1": both * _share(2 * hits, hits + alarms + ones),
        "false_positive_rate": _share(alarms, zeros),
    }
    return {**{name: both * figure(counts) for name, figure in _RANKING.items()}, **at_threshold} | {
        name: figure(counts) for name, figure in _CALIBRATION.items()
    }


_RANKING: Mapping[str, Callable[[Counts], Floats]] = {
    "auroc": auroc,
    "auprc": average_precision,
    "recall_at_1": lambda counts: recall_at(counts, 0.01),
    "recall_at_5": lambda counts: recall_at(counts, 0.05),
}
_CALIBRATION: Mapping[str, Callable[[Counts], Floats]] = {
    "ece_10": expected_calibration_error,
    "ece_15": lambda counts: expected_calibration_error(counts, 15),
    "ece_adaptive": adaptive_calibration_error,
    "brier": brier,
}
FIGURES = (*_RANKING, "precision", "recall", "f1", "false_positive_rate", *_CALIBRATION)
"""What is measured: `recall_at_1` and `recall_at_5` are the recall at 1 % and 5 % false alarms, `ece_…` calibration errors."""

NEED_BOTH = frozenset({*_RANKING, "precision", "f1"})
"""Figures that need texts of both classes."""


def _share(part: Floats, whole: Floats) -> Floats:
    """Return the quotient; NaN where there is nothing to take a share of."""
    shape = np.broadcast_shapes(np.shape(part), np.shape(whole))
    quotient: Floats = np.divide(part, whole, out=np.full(shape, np.nan), where=np.broadcast_to(whole, shape) > 0)
    return quotient


def _bins(scores: Floats, bins: int) -> NDArray[np.int64]:
    place: NDArray[np.int64] = np.clip((scores * bins).astype(np.int64), 0, bins - 1)
    return place


def _mean_gap(counts: Counts, place: NDArray[np.int64]) -> Floats:
    """Return the mean distance of score and share of positives; scores of one bin stand side by side."""
    texts = counts.positives + counts.negatives
    starts = np.flatnonzero(np.diff(place, prepend=place[0] - 1)) if place.size else np.zeros(0, dtype=np.int64)
    gaps = np.add.reduceat(counts.positives - texts * counts.scores, starts, axis=-1)
    return _share(np.abs(gaps).sum(axis=-1), texts.sum(axis=-1))
