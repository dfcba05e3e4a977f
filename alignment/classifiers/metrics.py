"""How good scores are at ranking texts, as the cards of the classifier tell it; calibration is measured as the guard does."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from guard.evaluation.metrics import Counts, Floats, Labels, auroc, average_precision, calibration_error, recall_at

__all__ = ["Floats", "Labels", "Metrics", "calibration_error", "metrics"]


@dataclass(frozen=True, slots=True)
class Metrics:
    """Of one category on one set of texts.

    Attributes:
        recall_1: The highest recall of a threshold that at most 1 % of the negatives reach.
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
    ones = int((labels == 1).sum())
    if min(ones, labels.size - ones) < _FEWEST:
        return None
    counts = Counts.of(labels, scores)
    ranking = (auroc(counts), average_precision(counts), recall_at(counts, 0.01), recall_at(counts, 0.05))
    return Metrics(ones, labels.size - ones, *(float(figure) for figure in ranking))


_FEWEST = 3
