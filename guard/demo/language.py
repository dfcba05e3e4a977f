"""An n-gram language model with interpolated Kneser-Ney smoothing (Kneser and Ney 1995; Chen and Goodman 1999, section 2.7).

The probability of a token after a context is the discounted share that the context saw, plus what the discount freed, shared out
by the model that is one token shorter. Shorter models count in how many contexts a token was seen, not how often.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Gram = tuple[int, ...]

START = -1
"""Id of what stands before a text. It is a context only, never predicted."""

_DISCOUNT = 0.15
"""Far less than held-out text would ask for, about 0.8 here: a demo should be readable before it is surprising."""


class _Seen(NamedTuple):
    tokens: NDArray[np.intp]
    shares: Vector
    left_over: float


class LanguageModel:
    """The probabilities of the next token, learnt from texts given as ids in [0, size).

    Args:
        texts: Each is a text of its own: it starts after nothing, and what ends it is up to the caller.
        size: How many different tokens there are.
        order: The longest n-gram; a context is at most `order - 1` tokens long.
    """

    def __init__(self, texts: Iterable[Sequence[int]], size: int, order: int = 4) -> None:
        self._size = size
        self._order = order
        self._seen: dict[Gram, _Seen] = {}
        grams = _count(texts, order)
        for _ in range(order):
            self._seen.update(_shares(grams))
            grams = Counter(gram[1:] for gram in grams)

    def next(self, context: Sequence[int]) -> Vector:
        """Return the probability of every token after `context`; an id that was never seen only shortens the context."""
        padded = (START,) * self._order + tuple(context)
        probabilities = np.full(self._size, 1 / self._size)
        for length in range(self._order):
            seen = self._seen.get(padded[len(padded) - length :])
            if seen is None:
                break
            probabilities *= seen.left_over
            probabilities[seen.tokens] += seen.shares
        return probabilities


def _count(texts: Iterable[Sequence[int]], order: int) -> Counter[Gram]:
    grams: Counter[Gram] = Counter()
    for text in texts:
        padded = [START] * (order - 1) + list(text)
        grams.update(tuple(padded[end - order : end]) for end in range(order, len(padded) + 1))
    return grams


def _shares(grams: Counter[Gram]) -> dict[Gram, _Seen]:
    followers: defaultdict[Gram, list[tuple[int, int]]] = defaultdict(list)
    for gram, count in grams.items():
        followers[gram[:-1]].append((gram[-1], count))
    return {context: _discounted(pairs) for context, pairs in followers.items()}


def _discounted(pairs: list[tuple[int, int]]) -> _Seen:
    tokens, counts = zip(*pairs, strict=True)
    total = sum(counts)
    return _Seen(
        np.array(tokens, dtype=np.intp),
        (np.array(counts, dtype=np.float64) - _DISCOUNT) / total,
        _DISCOUNT * len(pairs) / total,
    )
