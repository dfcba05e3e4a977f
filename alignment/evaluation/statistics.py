"""How sure a difference between two models on the same prompts is, and how many prompts it takes to be surer. Pure.

A prompt is what is drawn: several answers to it are one mean, so that they don't pass for several prompts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from alignment.evaluation.result import Bounds, Difference, Signs
from guard.evaluation import binomial

Floats = NDArray[np.float64]

FEW = 5
"""Prompts below which nothing is said of how sure a mean is."""
_RARE = 10
"""Differing prompts below which resampling alone says too little: what was seen in few prompts is missing in many draws."""
_AT_ONCE = 4_000_000
_HALVINGS = 60


def compared(before: Floats, after: Floats, *, level: float, draws: int, rate: bool, seed: int = 0) -> Difference:
    """Return how much higher `after` is than `before`, prompt by prompt.

    Args:
        before: The baseline's figure of each prompt.
        after: The candidate's, in the same order.
        level: Confidence of the interval and, one-sided, of each bound.
        rate: Whether figures are shares in [0, 1].
    """
    distance = after - before
    higher, lower = int((distance > 0).sum()), int((distance < 0).sum())
    value = float(distance.mean())
    signs = signed(higher, lower)
    if distance.size < FEW:
        return Difference(value=value, signs=signs)
    drawn = _means(distance, draws, seed)
    tail = (1 - level) / 2
    sides = [_side(distance, drawn, share, rate, (higher, lower)) for share in (tail, 1 - tail, 1 - level, level)]
    interval = Bounds(low=min(sides[0], value), high=max(sides[1], value))
    return Difference(value=value, interval=interval, at_least=min(sides[2], value), at_most=max(sides[3], value), signs=signs)


def interval_of(values: Floats, *, level: float, draws: int, rate: bool, seed: int = 0) -> Bounds | None:
    """Return the interval of a mean over prompts; None where too few tell it. Of plain rates the exact one."""
    if values.size < FEW:
        return None
    if rate and bool(np.isin(values, (0.0, 1.0)).all()):
        exact = binomial.interval(int(values.sum()), values.size, level)
        return Bounds(low=exact.low, high=exact.high)
    drawn = _means(values, draws, seed)
    low, high = (_quantile(drawn, share, values.size) for share in ((1 - level) / 2, (1 + level) / 2))
    return Bounds(low=low, high=high)


def signed(higher: int, lower: int) -> Signs:
    """Return the exact sign test (for one answer of yes or no each: McNemar's); equal prompts say nothing and are left out."""
    trials = higher + lower
    if not trials:
        return Signs(higher=0, lower=0, p=1.0, p_higher=1.0, p_lower=1.0)
    up = float(binomial.cumulative(trials, 0.5, lower)[-1])  # as likely as at least `higher`, as both directions are alike
    down = float(binomial.cumulative(trials, 0.5, higher)[-1])
    return Signs(higher=higher, lower=lower, p=min(1.0, 2 * min(up, down)), p_higher=up, p_lower=down)


def needed(spread: float, margin: float, level: float, *, rate: bool = True) -> int:
    """Return how many prompts it takes until a one-sided bound lies within `margin` of the difference.

    Args:
        spread: Standard deviation of the difference over prompts.
        margin: Above 0; in the figure's unit.
        level: Of the bound.
        rate: Whether figures are shares: then even equal answers to few prompts leave room for a difference.
    """
    z = NormalDist().inv_cdf(level)
    by_spread = (z * spread / margin) ** 2
    by_few = z * z * (1 - min(margin, 1.0)) / margin if rate else 0.0
    return max(FEW, math.ceil(max(by_spread, by_few)))


def _means(values: Floats, draws: int, seed: int) -> Floats:
    """Return the means of samples drawn with replacement, sorted."""
    chance = np.random.default_rng(seed)
    size = values.size
    at_once = max(1, _AT_ONCE // size)
    parts = [
        values[chance.integers(0, size, (min(at_once, draws - start), size))].mean(axis=1) for start in range(0, draws, at_once)
    ]
    return np.sort(np.concatenate(parts))


def _quantile(drawn: Floats, share: float, size: int) -> float:
    """Return a quantile, a little further out for few prompts (T. Hesterberg, 2015, The American Statistician 69: expanded)."""
    from scipy.stats import t

    wider = math.sqrt(size / (size - 1)) * float(t.ppf(share, size - 1))
    return float(np.quantile(drawn, NormalDist().cdf(wider)))


def _side(distance: Floats, drawn: Floats, share: float, rate: bool, differing: Sequence[int]) -> float:
    resampled = _quantile(drawn, share, distance.size)
    whole = bool(np.isin(distance, (-1.0, 0.0, 1.0)).all())
    if not rate or not (whole or sum(differing) < _RARE):
        return resampled
    exact = _tango(distance.size, *differing, z=NormalDist().inv_cdf(share))
    if whole:
        return exact
    return max(exact, resampled) if share > 0.5 else min(exact, resampled)


def _tango(size: int, higher: int, lower: int, *, z: float) -> float:
    """Return the bound of a difference of two rates on the same prompts (T. Tango, 1998, Statistics in Medicine 17).

    Args:
        z: The normal quantile of the bound: positive for the upper one.
    """
    value = (higher - lower) / size
    inner, outer = value, math.copysign(1.0, z)
    for _ in range(_HALVINGS):
        middle = (inner + outer) / 2
        if abs(_score(size, higher, lower, middle)) <= abs(z):
            inner = middle
        else:
            outer = middle
    return inner


def _score(size: int, higher: int, lower: int, assumed: float) -> float:
    """Return how many standard errors the counts are from an assumed difference, with the likeliest rates under it."""
    linear = -higher - lower + (2 * size - higher + lower) * assumed
    rarer = (math.sqrt(linear**2 + 8 * size * lower * assumed * (1 - assumed)) - linear) / (4 * size)
    variance = size * (2 * rarer + assumed * (1 - assumed))
    gap = higher - lower - size * assumed
    return 0.0 if gap == 0 else gap / math.sqrt(max(variance, 1e-12))
