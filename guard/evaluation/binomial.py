"""The binomial distribution, as far as promises and reports about rates need it. Pure: NumPy, no I/O."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Interval(NamedTuple):
    """Both ends included, in [0, 1]."""

    low: float
    high: float


def cumulative(trials: int, rate: float, most: int | None = None) -> NDArray[np.float64]:
    """Return P(Bin(trials, rate) <= k) for k = 0 … most; up to `trials` where not said.

    Args:
        trials: At least 0.
        rate: In (0, 1).
        most: The last k, at most `trials`.
    """
    import numpy as np

    count = trials if most is None else most
    k = np.arange(count, dtype=np.float64)
    ratios = np.log(trials - k) - np.log(k + 1) + math.log(rate) - math.log1p(-rate)
    logs = np.concatenate([[0.0], np.cumsum(ratios)]) + trials * math.log1p(-rate)
    summed: NDArray[np.float64] = np.minimum(np.exp(np.logaddexp.accumulate(logs)), 1.0)
    return summed


def interval(events: int, trials: int, level: float = 0.95) -> Interval:
    """Return the exact interval of a rate (Clopper and Pearson, 1934, Biometrika 26), which covers it with at least `level`.

    Args:
        events: At most `trials`.
        trials: 0 for an interval that says nothing.
        level: In (0, 1); each tail has half of what is left.
    """
    tail = (1 - level) / 2
    return Interval(1 - _upper(trials - events, trials, tail), _upper(events, trials, tail))


def _upper(events: int, trials: int, tail: float) -> float:
    """Return the rate at which so few events have the probability `tail`; by bisection, as that falls with the rate."""
    if events >= trials:
        return 1.0
    low, high = events / trials, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if float(cumulative(trials, middle, events)[-1]) > tail:
            low = middle
        else:
            high = middle
    return high


_HALVINGS = 40
