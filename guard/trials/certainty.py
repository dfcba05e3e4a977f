"""How sure a share is, and how sure the difference of two shares of the same messages is: 95 % intervals."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

_Z = 1.959963984540054


class Share(NamedTuple):
    """A share, or a difference of two, with the bounds between which it lies with 95 % confidence."""

    value: float
    low: float
    high: float


def share(count: int, of: int) -> Share:
    """Return a share in [0, 1] with Wilson's score interval (E. B. Wilson, 1927); nothing is known of nothing."""
    if of == 0:
        return Share(0.0, 0.0, 1.0)
    value, square = count / of, _Z * _Z
    middle = (value + square / (2 * of)) / (1 + square / of)
    reach = _Z * sqrt(value * (1 - value) / of + square / (4 * of * of)) / (1 + square / of)
    return Share(value, max(0.0, middle - reach), min(1.0, middle + reach))


def change(gone: int, new: int, of: int) -> Share:
    """Return how much larger the second share is than the first, in [-1, 1], on the same messages.

    The interval is Wald's for paired shares with half a message added to each of `gone` and `new` (A. Agresti and Y. Min, 2005).

    Args:
        gone: Messages in the first only.
        new: Messages in the second only.
        of: All of them.
    """
    if of == 0:
        return Share(0.0, -1.0, 1.0)
    first, second, total = gone + 0.5, new + 0.5, of + 2
    middle = (second - first) / total
    reach = _Z * sqrt(max(0.0, first + second - (second - first) ** 2 / total)) / total
    return Share((new - gone) / of, max(-1.0, middle - reach), min(1.0, middle + reach))
