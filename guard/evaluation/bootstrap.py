"""How sure figures are: percentile intervals by resampling records (B. Efron, 1979), paired where two are compared.

Positives and negatives are drawn each among themselves, so that both are in every draw.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from guard.evaluation.metrics import Floats, Labels, auroc, average_precision

DRAWS = 1000
_SHARES = (0.025, 0.975)


class Interval(NamedTuple):
    """Bounds between which a figure lies with 95 % confidence."""

    low: float
    high: float


class Intervals(NamedTuple):
    """Of the two figures that rank."""

    auroc: Interval
    auprc: Interval


def intervals(labels: Labels, scores: Floats, seed: int = 0, draws: int = DRAWS) -> Intervals:
    """Return the intervals of the figures themselves."""
    return _bounds([_figures(labels[drawn], scores[drawn]) for drawn in _drawn(labels, seed, draws)])


def differences(labels: Labels, scores: Floats, base: Floats, seed: int = 0, draws: int = DRAWS) -> Intervals:
    """Return the intervals of how much higher the figures of `scores` are than those of `base`, on the same records."""
    found = []
    for drawn in _drawn(labels, seed, draws):
        ones, others = _figures(labels[drawn], scores[drawn]), _figures(labels[drawn], base[drawn])
        found.append((ones[0] - others[0], ones[1] - others[1]))
    return _bounds(found)


def _figures(labels: Labels, scores: Floats) -> tuple[float, float]:
    return auroc(labels, scores), average_precision(labels, scores)


def _drawn(labels: Labels, seed: int, draws: int) -> Iterator[NDArray[np.intp]]:
    chance = np.random.default_rng(seed)
    ones, zeros = np.nonzero(labels == 1)[0], np.nonzero(labels != 1)[0]
    for _ in range(draws):
        yield np.concatenate([chance.choice(ones, ones.size), chance.choice(zeros, zeros.size)])


def _bounds(found: list[tuple[float, float]]) -> Intervals:
    low, high = np.quantile(np.array(found), _SHARES, axis=0)
    return Intervals(*(Interval(float(low[column]), float(high[column])) for column in range(2)))
