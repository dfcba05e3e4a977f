"""Plain figures of answers: how long they are, how much they repeat themselves, how varied they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_WORD = re.compile(r"\w+")
_RUN = 3


def words(text: str) -> list[str]:
    """Return the words of a text, without case."""
    return _WORD.findall(text.casefold())


def repetition(text: str) -> float:
    """Return the share of runs of three words that stand in the text before; 0 for a text of fewer words."""
    runs = _runs(words(text), _RUN)
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def distinct(texts: Iterable[str], size: int) -> float | None:
    """Return the share of different runs of `size` words among all (J. Li et al., 2016: distinct-n); None without any."""
    runs = [run for text in texts for run in _runs(words(text), size)]
    return len(set(runs)) / len(runs) if runs else None


def _runs(said: Sequence[str], size: int) -> list[tuple[str, ...]]:
    return [tuple(said[start : start + size]) for start in range(len(said) - size + 1)]
