"""One verdict from all statements about the same texts: the heavier side wins, and a tie says nothing."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

from guard.store.exporting.asked import Asked
from guard.store.exporting.spool import Held, Item, Spool, Vote

MOST_HALVES = 3
"""Answers of one prompt, liked and not, that pairs are made of: the ones with most behind them."""
_TIE = 1e-9


class Verdict(NamedTuple):
    """What the votes about one aspect come to.

    Attributes:
        value: The mean, by weight.
        weight: What is behind it: of sides, by how much the heavier one outweighs the other.
    """

    value: float
    weight: float


@dataclass(slots=True)
class Agreement:
    """How far several sources that speak of the same agree: Krippendorff's alpha with squared differences.

    For two values it is the nominal alpha (K. Krippendorff, Content Analysis, 4th ed., 2019, 12.3). 1 is agreement, 0 is chance.
    """

    units: int = 0
    _values: int = 0
    _sum: float = 0.0
    _squares: float = 0.0
    _within: float = 0.0

    def add(self, values: Sequence[float]) -> None:
        """Count what sources said of one thing; what only one spoke of tells nothing."""
        count = len(values)
        if count < 2:
            return
        total, squares = sum(values), sum(value * value for value in values)
        self.units += 1
        self._values += count
        self._sum += total
        self._squares += squares
        self._within += 2 * (count * squares - total * total) / (count - 1)

    @property
    def alpha(self) -> float | None:
        """The coefficient; None where nothing was said twice, or never anything but one value."""
        count = self._values
        expected = 2 * (count * self._squares - self._sum * self._sum) / (count - 1) if count > 1 else 0.0
        return None if expected <= 1e-12 else 1 - self._within / expected

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        alpha = self.alpha
        return {
            "alpha": None if alpha is None else round(alpha, 4),
            "said_more_than_once": self.units,
            "statements": self._values,
        }


@dataclass(slots=True)
class Resolved:
    """How votes were resolved.

    Attributes:
        agreement: By aspect; under "" of all.
        conflicts: Things of which sources said different things.
        left_out: Records that come to nothing, by reason.
    """

    agreement: dict[str, Agreement] = field(default_factory=lambda: {"": Agreement()})
    conflicts: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


def resolve(spool: Spool, asked: Asked, resolved: Resolved) -> None:
    """Write each item's verdict and weight into the spool; an item that comes to nothing has none."""
    if asked.format == "pairs":
        _settle(spool, asked, resolved, "answer")
        _make_pairs(spool)
    _settle(spool, asked, resolved, "record")


def _settle(spool: Spool, asked: Asked, resolved: Resolved, kind: str) -> None:
    rows = spool.db.execute(
        "SELECT n, aspect, value, votes.weight, final FROM votes JOIN items USING (n) WHERE kind = ? ORDER BY n, aspect, voter",
        (kind,),
    )
    for n, votes in groupby(rows, lambda row: row[0]):
        found: dict[str, Verdict] = {}
        for aspect, said in groupby(votes, lambda row: row[1]):
            counted = [(value, weight, final) for _, _, value, weight, final in said]
            _compare(resolved, aspect, [value for value, _, _ in counted])
            settled = [each for each in counted if each[2]] or counted
            found[aspect] = verdict([(value, weight) for value, weight, _ in settled], sides=asked.format != "scalar")
        weighty = {aspect: each for aspect, each in found.items() if each.weight > _TIE}
        enough = {aspect: each for aspect, each in weighty.items() if each.weight >= asked.min_weight}
        if not enough:
            resolved.left_out["light" if weighty else "tie"] += 1
        elif asked.format == "sft" and enough[""].value < 0:
            resolved.left_out["disliked"] += 1
        else:
            weight = min(each.weight for each in enough.values())
            values = json.dumps({aspect: each.value for aspect, each in enough.items()})
            spool.db.execute("UPDATE items SET verdict = ?, weight = ? WHERE n = ?", (values, weight, n))


def verdict(votes: Sequence[tuple[float, float]], *, sides: bool) -> Verdict:
    """Return what votes of value and weight come to.

    Args:
        sides: Whether values stand for two sides; else they are scores.
    """
    behind = sum(weight for _, weight in votes)
    mean = sum(value * weight for value, weight in votes) / behind
    return Verdict(mean, abs(mean) * behind) if sides else Verdict(mean, behind)


def _compare(resolved: Resolved, aspect: str, values: Sequence[float]) -> None:
    resolved.conflicts += len(set(values)) > 1
    resolved.agreement[""].add(values)
    if aspect:
        resolved.agreement.setdefault(aspect, Agreement()).add(values)


def _make_pairs(spool: Spool) -> None:
    """Make pairs of answers to the same prompt, of which one was liked and the other was not."""
    rows = spool.db.execute(
        "SELECT prompt, n, key, verdict, weight FROM items WHERE kind = 'answer' AND verdict IS NOT NULL ORDER BY prompt, n"
    )
    for _, answers in groupby(rows, lambda row: row[0]):
        liked, disliked = _halves(answers)
        for _, _, chosen, more in liked:
            for _, _, rejected, less in disliked:
                _add_pair(spool, chosen, rejected, min(more, less))


def _halves(answers: Iterator[Any]) -> tuple[list[Any], list[Any]]:
    """Return the liked and the disliked answers with most behind them, in bounded memory."""
    halves: dict[bool, list[Any]] = {True: [], False: []}
    for _, n, key, values, weight in answers:
        half = halves[json.loads(values)[""] > 0]
        heapq.heappush(half, (weight, key, n, weight))
        if len(half) > MOST_HALVES:
            heapq.heappop(half)
    return sorted(halves[True], reverse=True), sorted(halves[False], reverse=True)


def _add_pair(spool: Spool, chosen: int, rejected: int, weight: float) -> None:
    better, worse = (_held(spool, n) for n in (chosen, rejected))
    first, second = sorted((better.texts[0], worse.texts[0]))
    facts = {
        (name, value) for n in (chosen, rejected) for name in ("policy", "licence", "swept") for value in spool.facts(n, name)
    }
    seeds = tuple(sorted({*spool.seeds(chosen), *spool.seeds(rejected)}))
    sources = sorted({*spool.sources(chosen), *spool.sources(rejected)})
    value = 1.0 if better.texts[0] == first else -1.0
    votes = [Vote(value, weight, f"thumbs:{chosen}:{rejected}", "+".join(sources))]
    spool.add(Item(better.prompt, (first, second), seeds, tuple(sorted(facts))), votes)


def _held(spool: Spool, n: int) -> Held:
    return next(spool.items("n = ?", (n,)))
