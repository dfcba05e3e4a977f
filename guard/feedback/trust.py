"""How far a source of feedback counts, and whether it stands out. Pure functions over counts; reviewers have the last word.

A source stands out where it contradicts far more often than the other sources do. Its share of contradictions and that of all
others are estimated with Wilson's score interval (Wilson 1927), and it is flagged where the lower bound of its own, at z = 4
(one source in 30,000 by chance), lies above the upper bound of the others' by a margin. Two more signs need no comparison: the
same words about many exchanges, and more in a minute than a person can mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

WEIGHTS: Mapping[str, float] = MappingProxyType(
    {"reviewer": 1.0, "application": 1.0, "client": 0.5, "anonymous": 0.25, "implicit": 0.1}
)
"""How much a source of each kind counts once it is known; anonymous is a client of whom nothing is known."""
_FLAGGED = 0.1
"""What is left of the weight of a source that stands out."""
_ALWAYS_KNOWN = ("reviewer", "implicit")
_HALF_KNOWN = 2.0
_LEAST_COMPARED = 20
_SURE = 4.0
_OTHERS_SURE = 2.0
_MARGIN = 0.2
_MOST_REPEATED = 5
"""The same words about so many exchanges are no longer about any of them."""


@dataclass(frozen=True, slots=True)
class Compared:
    """How often what a source said could be compared, and contradicted."""

    compared: int = 0
    contradicted: int = 0

    def without(self, other: Compared) -> Compared:
        """Return what is left without another's share."""
        return Compared(self.compared - other.compared, self.contradicted - other.contradicted)

    def interval(self, z: float) -> tuple[float, float]:
        """Return Wilson's score interval of the share that contradicted; (0, 1) where nothing was compared."""
        if self.compared <= 0:
            return 0.0, 1.0
        n, share = self.compared, self.contradicted / self.compared
        middle = (share + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True, slots=True)
class Conduct:
    """What a source did so far.

    Attributes:
        policy: Against the decisions of the policy.
        others: Against what most others said of the same answer.
        repeated: Exchanges about which it said the same words.
        minute: Most that it gave within one minute.
    """

    policy: Compared = Compared()
    others: Compared = Compared()
    repeated: int = 0
    minute: int = 0


def fault(mine: Conduct, rest: Conduct, *, busy: int = 0) -> str:
    """Return why a source stands out: contradicts-policy, contradicts-others, repeats, bursts; empty where it does not.

    Args:
        rest: What all other sources of its tenant did, together.
        busy: More than what in a minute is too much; 0 for any number.
    """
    if _stands_out(mine.policy, rest.policy):
        return "contradicts-policy"
    if _stands_out(mine.others, rest.others):
        return "contradicts-others"
    if mine.repeated >= _MOST_REPEATED:
        return "repeats"
    return "bursts" if busy and mine.minute > busy else ""


def weight(kind: str, given: int, *, flagged: bool = False) -> float:
    """Return how much the next statement of a source counts, in (0, 1].

    A new source counts half of one that is known: (n + 2) / (n + 4), where n is what it gave before.

    Args:
        kind: One of `WEIGHTS`.
    """
    known = 1.0 if kind in _ALWAYS_KNOWN else (given + _HALF_KNOWN) / (given + 2 * _HALF_KNOWN)
    return round(WEIGHTS[kind] * known * (_FLAGGED if flagged else 1.0), 4)


def _stands_out(mine: Compared, rest: Compared) -> bool:
    if mine.compared < _LEAST_COMPARED or rest.compared < _LEAST_COMPARED:
        return False
    return mine.interval(_SURE)[0] > rest.interval(_OTHERS_SURE)[1] + _MARGIN
