"""How well a context supports a claim: the encoder's similarity to the likeliest passages, tempered by words and facts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from guard.detectors.meaning.agreement import Agreement, agreement, shared
from guard.detectors.meaning.evidence import Evidence, Passage
from guard.detectors.meaning.facts import Facts, facts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]

READ = 8
"""Passages that the encoder reads for one claim."""

SHORTEST = 5
"""Words from which on a claim is a sentence; a shorter one is a bare answer, of which a vector tells little."""

_BIAS = -3.15
_SIMILAR = 4.5
_WORDS = 0.9
_ASTRAY = -0.7
_OPPOSED = -0.7
"""After a logistic regression on the pairs written to develop, with half of BEGIN at a small weight, moved by 0.4 towards support
(`benchmarks/groundedness.py`)."""

_BARE_BIAS = -2.5
_BARE_WORDS = 5.0
_STRANGE_NUMBER = -2.2
_STRANGE_NAME = -1.4
_CONTRADICTED = -1.1
"""Log-odds of support that a claim has at most: whatever it resembles, it says something else."""


@dataclass(frozen=True, slots=True)
class Support:
    """How a claim is supported.

    Attributes:
        score: In [0, 1]; 1 is fully.
        passages: What it most likely rests on, best first.
    """

    score: float
    passages: tuple[str, ...] = ()


def support(claim: str, evidence: Evidence, vector: Callable[[str], Vector]) -> Support:
    """Return how well a context supports a claim.

    Args:
        vector: Gives a text's meaning as a vector of length 1.
    """
    if evidence.quotes(claim):
        return Support(1.0, (claim,))
    said = facts(claim)
    passages = evidence.best(said, READ)
    if not passages:
        return Support(0.0)
    own = vector(claim)
    cosines = [float(own @ vector(passage.text)) for passage in passages]
    ranked = sorted(range(len(passages)), key=lambda index: -_nearness(said, passages[index], cosines[index]))
    found = agreement(said, passages[ranked[0]].facts, evidence)
    bare = len(claim.split()) < SHORTEST
    odds = _BARE_BIAS + _BARE_WORDS * found.anywhere if bare else _odds(max(cosines), found)
    return Support(1 / (1 + math.exp(-_capped(odds, found))), tuple(passages[index].text for index in ranked))


def _nearness(claim: Facts, passage: Passage, cosine: float) -> float:
    return cosine + 0.5 * shared(claim, frozenset(passage.facts.stems))


def _odds(cosine: float, found: Agreement) -> float:
    return _BIAS + _SIMILAR * cosine + _WORDS * found.anywhere + _ASTRAY * found.astray + _OPPOSED * found.opposes


def _capped(odds: float, found: Agreement) -> float:
    caps = ((found.strange_numbers, _STRANGE_NUMBER), (found.strange_names, _STRANGE_NAME), (found.contradicts, _CONTRADICTED))
    return min([odds, *(cap for holds, cap in caps if holds)])
