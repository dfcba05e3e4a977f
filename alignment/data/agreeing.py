"""What was said more than once of the same texts: one record for each, and how far those who spoke agree."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from alignment.data.lengths import middle_score
from alignment.records import SPLITS, Messages, Origin, Pair, Record, Scored, Unpaired, digest_of

_MOST = 50
"""Statements about one thing that are compared with each other."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far those agree who spoke of the same texts.

    Attributes:
        records: How many there were.
        duplicates: Of these, how many said again what was said.
        things: What was spoken of more than once.
        compared: Pairs of statements about the same thing.
        differing: Of these, those that contradict each other.
        compared_between: Pairs of statements from two sources.
        differing_between: Of these, those that contradict each other.
    """

    records: int = 0
    duplicates: int = 0
    things: int = 0
    compared: int = 0
    differing: int = 0
    compared_between: int = 0
    differing_between: int = 0

    @property
    def disagreement(self) -> float | None:
        """The share of pairs of statements that contradict each other; None where nothing was said twice."""
        return self.differing / self.compared if self.compared else None

    @property
    def noise(self) -> float | None:
        """The share of labels that are wrong, if errors are independent and equally likely; None where it cannot be told.

        Two labels of error rate e differ with probability 2e(1 - e), which is solved for e <= 1/2.
        """
        differ = self.disagreement
        return None if differ is None else (1 - math.sqrt(max(0.0, 1 - 2 * differ))) / 2


def agreed(records: Sequence[Record], left_out: Counter[str]) -> tuple[list[Record], Agreement]:
    """Return one record for each thing that was spoken of: what most of the weight is behind. Scores become their mean."""
    about: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        about[_thing(record)].append(record)
    middle = middle_score(records)
    kept, counts = [], Counter[str](records=len(records))
    for said in about.values():
        sides = [_side(record, middle) for record in said]
        if len(said) > 1:
            counts.update(_compared(said, sides))
        kept += _heavier(said, sides, left_out)
    counts["duplicates"] = len(records) - len(about)
    return kept, Agreement(**counts)


def same(one: Record, other: Record) -> bool:
    """Return whether records of texts that are nearly the same say the same of them, in the order of their answers."""
    return not (isinstance(one, Unpaired) and isinstance(other, Unpaired)) or one.label == other.label


def _thing(record: Record) -> str:
    answers: Sequence[Messages] = record.answers
    if isinstance(record, Pair):
        answers = sorted(record.answers, key=lambda answer: digest_of(answer))
    return digest_of(record.prompt, *answers)


def _side(record: Record, middle: float) -> int:
    if isinstance(record, Pair):
        return 1 if digest_of(record.chosen) < digest_of(record.rejected) else -1
    if isinstance(record, Unpaired):
        return 1 if record.label else -1
    return 1 if not isinstance(record, Scored) or record.score >= middle else -1


def _compared(said: Sequence[Record], sides: Sequence[int]) -> Counter[str]:
    found = Counter[str](things=1)
    statements = list(zip(said, sides, strict=True))[:_MOST]
    for (one, mine), (other, yours) in combinations(statements, 2):
        between = one.origin.source != other.origin.source
        found.update(compared=1, differing=int(mine != yours))
        found.update(compared_between=int(between), differing_between=int(between and mine != yours))
    return found


def _heavier(said: Sequence[Record], sides: Sequence[int], left_out: Counter[str]) -> list[Record]:
    if isinstance(said[0], Scored):
        left_out["duplicate"] += len(said) - 1
        return [_mean([record for record in said if isinstance(record, Scored)])]
    weights = {side: math.fsum(r.origin.weight for r, mine in zip(said, sides, strict=True) if mine == side) for side in (1, -1)}
    if weights[1] == weights[-1]:
        left_out["disagreement"] += len(said)
        return []
    winner = 1 if weights[1] > weights[-1] else -1
    for_it = [record for record, side in zip(said, sides, strict=True) if side == winner]
    left_out["duplicate"] += len(for_it) - 1
    left_out["outvoted"] += len(said) - len(for_it)
    return [replace(for_it[0], origin=_together(for_it[0].origin, said))] if len(said) > 1 else list(said)


def _mean(said: Sequence[Scored]) -> Scored:
    if len(said) == 1:
        return said[0]
    weight = math.fsum(record.origin.weight for record in said)
    score = math.fsum(record.score * record.origin.weight for record in said) / weight
    return replace(said[0], score=score, origin=_together(said[0].origin, said))


def _together(first: Origin, said: Sequence[Record]) -> Origin:
    """Return an origin that is tied to all whose texts these are; where one source holds it back, so do all."""
    origins = [record.origin for record in said]
    groups = tuple(sorted({group for origin in origins for group in origin.groups}))
    splits = [origin.split for origin in origins if origin.split]
    return replace(first, groups=groups, split=min(splits, key=SPLITS.index, default=""))
