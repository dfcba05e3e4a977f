"""Make scores mean something: 0.8 is right about four times in five, and harmless text rarely reaches a half."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PRIOR = 0.1
"""Share of positives in the traffic that scores are calibrated for."""

PRIOR_OF_KINDS = 0.03
"""The same for the kinds of a group (`violence/graphic`)."""

ALARMS = 0.001
"""Share of harmless texts that may reach 0.5 in one category: together, some twenty categories stay near 1 %."""

TIGHT, LOOSE = 0.01, 0.05
"""Shares of harmless texts that may reach the recommended thresholds."""

_LOWEST = {TIGHT: 0.3, LOOSE: 0.1}  # below, harmless text that resembles no set of ours would alarm too often
_STEPS = 50


@dataclass(frozen=True, slots=True)
class Calibration:
    """`score = sigmoid(slope * logit + offset)`, and the scores that few harmless texts reach."""

    slope: float
    offset: float
    tight: float
    loose: float

    def scores(self, logits: Floats) -> Floats:
        """Return calibrated scores."""
        found: Floats = 1 / (1 + np.exp(-(self.slope * logits + self.offset)))
        return found


def calibrate(
    logits: Floats, labels: NDArray[np.int8], weights: Floats, harmless: NDArray[np.bool_], prior: float
) -> Calibration:
    """Fit the calibration of one category.

    Platt's sigmoid with his smoothed targets (1999), on positives that are weighted down to `prior`; then, if more of the
    harmless texts than `ALARMS` would reach 0.5, the offset is lowered until they don't.

    Args:
        logits: Of examples that the model did not train on.
        labels: 0 or 1.
        weights: Of the examples.
        harmless: Which examples come from sources without harm; they make up half of the negatives' weight.
        prior: See `PRIOR`.
    """
    positive = labels == 1
    mixed = mixture(positive, weights, harmless, prior)
    ones, zeros = positive.sum(), (~positive).sum()
    targets = np.where(positive, (ones + 1) / (ones + 2), 1 / (zeros + 2))
    slope, offset = _platt(logits, targets, mixed)
    quiet = logits[harmless & ~positive]
    offset = min(offset, -slope * float(np.quantile(quiet, 1 - ALARMS)))
    found = Calibration(slope, offset, 0, 0)
    tight, loose = (max(least, float(found.scores(np.quantile(quiet, 1 - share)))) for share, least in _LOWEST.items())
    return Calibration(slope, offset, round(tight, 4), round(loose, 4))


def prior_of(category: str) -> float:
    """Return the share of positives that the category is calibrated for."""
    return PRIOR_OF_KINDS if "/" in category else PRIOR


def mixture(positive: NDArray[np.bool_], weights: Floats, harmless: NDArray[np.bool_], prior: float) -> Floats:
    """Return weights that sum to 1: `prior` for positives, the rest in equal halves for harmless and for other negatives."""
    mixed = np.zeros_like(weights)
    groups = [positive, ~positive & harmless, ~positive & ~harmless]
    shares = [prior, (1 - prior) / 2, (1 - prior) / 2]
    for group, share in zip(groups, shares, strict=True):
        if group.any():
            mixed[group] = share * weights[group] / weights[group].sum()
    normal: Floats = mixed / mixed.sum()
    return normal


def _platt(logits: Floats, targets: Floats, weights: Floats) -> tuple[float, float]:
    """Return slope and offset of the weighted logistic fit, by Newton's method with a floor under the curvature."""
    design = np.stack((logits, np.ones_like(logits)), axis=1)
    found = np.array([1.0, 0.0])
    for _ in range(_STEPS):
        scores = 1 / (1 + np.exp(-design @ found))
        slope = design.T @ (weights * (scores - targets))
        curve = (design * (weights * scores * (1 - scores))[:, None]).T @ design + 1e-6 * np.eye(2)
        step = np.linalg.solve(curve, slope)
        found -= step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-8:
            break
    return float(max(found[0], 1e-3)), float(found[1])
