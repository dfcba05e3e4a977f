"""How good scores are: ranking, recall at few false alarms, calibration."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]

_BINS = 10


@dataclass(frozen=True, slots=True)
class Metrics:
    """Of one category on one set of texts.

    Attributes:
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


def metrics(labels: Labels, scores: Floats) -> Metrics | None:
    """Return the metrics, or None where fewer than three are positive or negative, as figures would be noise."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    positive = labels == 1
    counts = int(positive.sum()), int((~positive).sum())
    if min(counts) < 3:
        return None
    recalls = (float((scores[positive] > np.quantile(scores[~positive], 1 - share)).mean()) for share in (0.01, 0.05))
    return Metrics(*counts, float(roc_auc_score(labels, scores)), float(average_precision_score(labels, scores)), *recalls)


def calibration_error(labels: Labels, scores: Floats, weights: Floats) -> float:
    """Return the expected calibration error in ten bins of equal width (M. Naeini et al., 2015)."""
    bins = np.minimum((scores * _BINS).astype(np.int64), _BINS - 1)
    gaps = np.bincount(bins, weights * (scores - labels), minlength=_BINS)
    return float(np.abs(gaps).sum() / weights.sum())
