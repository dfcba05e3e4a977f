"""How sure figures are: percentile intervals by resampling records (B. Efron, 1979), paired where two candidates are compared.

Positives and negatives are drawn each among themselves, so that both are in every draw. Only how many records have which scores
matters, so a draw is a multinomial over those cells; of very many records, scores that are nearly the same share a cell, at the
price of a rounding far below what an interval tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from guard.evaluation.metrics import FIGURES, Counts, Floats, Labels, measure

DRAWS = 1000
_SHARES = (0.025, 0.975)
_EXACT = 20_000
"""Records up to which every distinct score is a cell of its own."""
_LEVELS = 512
"""Scores that are told apart among more records; finer among the highest, where few false alarms decide."""
_AT_ONCE = 2_000_000


class Interval(NamedTuple):
    """Bounds between which a figure lies with 95 % confidence."""

    low: float
    high: float


class Scored(NamedTuple):
    """What one candidate scored, and the threshold that it has in force."""

    scores: Floats
    threshold: float


def intervals(labels: Labels, scored: Scored, seed: int = 0, draws: int = DRAWS) -> dict[str, Interval]:
    """Return the interval of each figure; a figure that most draws cannot tell has none."""
    [found] = _figures(labels, [scored], seed, draws)
    return _bounds(found)


def differences(labels: Labels, first: Scored, second: Scored, seed: int = 0, draws: int = DRAWS) -> dict[str, Interval]:
    """Return the interval of how much higher each figure of `second` is than that of `first`, on the same records."""
    base, other = _figures(labels, [first, second], seed, draws)
    return _bounds({name: other[name] - base[name] for name in FIGURES})


def _figures(labels: Labels, scored: Sequence[Scored], seed: int, draws: int) -> list[dict[str, Floats]]:
    parts: list[list[dict[str, Floats]]] = [[] for _ in scored]
    for drawn in _draws(labels, scored, seed, draws):
        for part, counts, each in zip(parts, drawn, scored, strict=True):
            part.append(measure(counts, each.threshold))
    return [{name: np.concatenate([found[name] for found in part]) for name in FIGURES} for part in parts]


def _draws(labels: Labels, scored: Sequence[Scored], seed: int, draws: int) -> Iterator[list[Counts]]:
    """Yield what each candidate's scores count in some draws at a time, each of shape (draws, scores)."""
    levels = [_levels(each) for each in scored]
    cells, places = np.unique(np.stack([place for _, place in levels], axis=1), axis=0, return_inverse=True)
    positive = labels == 1
    counts = [np.bincount(places[chosen].ravel(), minlength=len(cells)) for chosen in (positive, ~positive)]
    chance = np.random.default_rng(seed)
    at_once = max(1, _AT_ONCE // len(cells))
    for start in range(0, draws, at_once):
        drawn = [_drawn(chance, count, min(at_once, draws - start)) for count in counts]
        yield [
            Counts(scores, *(_gathered(each, cells[:, column], scores.size) for each in drawn))
            for column, (scores, _) in enumerate(levels)
        ]


def _levels(scored: Scored) -> tuple[Floats, NDArray[np.intp]]:
    """Return the scores that are told apart, from the highest down, and which of them each record has."""
    distinct, places, counts = np.unique(-scored.scores, return_inverse=True, return_counts=True)
    if scored.scores.size <= _EXACT or distinct.size <= _LEVELS:
        return -distinct, places
    middles = np.cumsum(counts) - counts / 2
    level = (np.sqrt(middles / scored.scores.size) * _LEVELS).astype(np.int64) * 2 + (-distinct < scored.threshold)
    _, level = np.unique(level, return_inverse=True)
    means = np.bincount(level, -distinct * counts) / np.bincount(level, counts)
    return means, level[places]


def _drawn(chance: np.random.Generator, counts: NDArray[np.intp], draws: int) -> Floats:
    drawn = np.zeros((draws, counts.size))
    filled = np.flatnonzero(counts)
    if filled.size:
        shares = counts[filled] / counts.sum()
        drawn[:, filled] = chance.multinomial(counts.sum(), shares / shares.sum(), size=draws)
    return drawn


def _gathered(drawn: Floats, places: NDArray[np.intp], size: int) -> Floats:
    """Return the sums of the cells that have the same score of one candidate; every score has a cell."""
    if size == len(places):
        return drawn[:, np.argsort(places)]
    order = np.argsort(places, kind="stable")
    summed: Floats = np.add.reduceat(drawn[:, order], np.searchsorted(places[order], np.arange(size)), axis=1)
    return summed


def _bounds(found: Mapping[str, Floats]) -> dict[str, Interval]:
    bounds = {}
    for name, figures in found.items():
        told = figures[~np.isnan(figures)]
        if 2 * told.size > figures.size:
            low, high = np.quantile(told, _SHARES)
            bounds[name] = Interval(float(low), float(high))
    return bounds
