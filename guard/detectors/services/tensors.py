"""Columns of numbers that a model server answers, as scores."""

from __future__ import annotations

import math
from collections.abc import Sequence

ACTIVATIONS = ("softmax", "sigmoid", "none")
"""What turns a row of a model's output into scores; `none` for outputs that are scores already."""


def activated(row: Sequence[float], activation: str) -> list[float]:
    """Return the scores of a row of logits, each in [0, 1]; for `none`, the row itself."""
    if activation == "softmax":
        highest = max(row)
        powers = [math.exp(value - highest) for value in row]
        total = math.fsum(powers)
        return [power / total for power in powers]
    return [_sigmoid(value) for value in row] if activation == "sigmoid" else list(row)


def _sigmoid(value: float) -> float:
    """Return 1/(1+e^-value), by the form that overflows for no value."""
    power = math.exp(-abs(value))
    return 1 / (1 + power) if value >= 0 else power / (1 + power)
