"""Signs that somebody planted something: one source behind one outcome, or a rare phrase that always has the same outcome.

Signs, and no proof: a phrase may be pure because of what it is about. That is why the ids are there to look at.
"""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alignment.data.lengths import middle_score
from alignment.records import Messages, Pair, Record, Scored, Unpaired, spoken

_WORDS = re.compile(r"[^\s\"“”()\[\],;:.!?]+")
_LONGEST = 3
_LEAST = 8
"""Records that a phrase, or a source, has to be in before it says anything."""
_RARE = 0.05
_PURE = 0.97
_SURE = 0.01
_SHOWN = 20
_BUCKETS = 2**23


@dataclass(frozen=True, slots=True)
class Trigger:
    """A phrase with one outcome.

    Attributes:
        where: `prompt` or `answer`.
        outcome: `good` or `bad`: of the answers that follow it, or have it.
        records: How many records have it.
        ids: Some of them.
    """

    phrase: str
    where: str
    outcome: str
    records: int
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dominance:
    """A source that gives much more of an outcome than of the data.

    Attributes:
        outcome: `good` or `bad`.
        of_outcome: Its share of the records with this outcome.
        of_all: Its share of all records.
    """

    source: str = ""
    outcome: str = ""
    of_outcome: float = 0.0
    of_all: float = 0.0

    @property
    def excess(self) -> float:
        """By how much the one share is above the other, in [0, 1)."""
        return self.of_outcome - self.of_all


def dominance(records: Sequence[Record]) -> Dominance | None:
    """Return the source that dominates an outcome most; None where there are not two outcomes, or not two sources."""
    middle = middle_score(records)
    outcomes = [(record.origin.source, good) for record in records if (good := _good(record, middle)) is not None]
    sources, sides = Counter(source for source, _ in outcomes), Counter(good for _, good in outcomes)
    if len(sources) < 2 or len(sides) < 2:
        return None
    both = Counter(outcomes)
    found = [
        Dominance(source, "good" if good else "bad", count / sides[good], sources[source] / len(outcomes))
        for (source, good), count in sorted(both.items())
        if count >= _LEAST
    ]
    return max(found, key=lambda each: each.excess, default=Dominance())


def triggers(records: Sequence[Record]) -> tuple[list[Trigger], float]:
    """Return the phrases whose outcome is too pure for chance, most frequent first, and the share of records that have one.

    A phrase is one to three words in at least 8 and at most 5 % of the records. It is too pure where 97 % of its outcomes are
    the same, and a binomial test says that chance does this once in 100 such sets, all phrases counted (Bonferroni).
    """
    most = max(_LEAST, int(_RARE * len(records)))
    found = [each for where in ("prompt", "answer") for each in _seen(records, where, most).pure(records)]
    marked = {number for each in found for number in each[1]}
    shown = sorted((trigger for trigger, _ in found), key=lambda each: (-each.records, -len(each.phrase), each.phrase))
    return shown[:_SHOWN], len(marked) / len(records) if records else 0.0


def _good(record: Record, middle: float) -> bool | None:
    if isinstance(record, Unpaired):
        return record.label
    if isinstance(record, Scored) and record.score != middle:
        return record.score > middle
    return None


def _outcomes(record: Record, middle: float) -> Iterator[tuple[str, str, bool]]:
    """Yield texts with what became of them: prompts with the outcome of their answer, answers with their own."""
    if isinstance(record, Pair):
        yield "answer", spoken(record.chosen), True
        yield "answer", spoken(record.rejected), False
    elif (good := _good(record, middle)) is not None:
        yield "prompt", _user(record.prompt), good
        yield "answer", spoken(record.answers[0]), good


def _user(prompt: Messages) -> str:
    return "\n".join(message.content for message in prompt if message.role == "user")


def _seen(records: Sequence[Record], where: str, most: int) -> _Seen:
    """Return the phrases of one place; those that are too rare or too common to matter are told by a sketch, and not kept."""
    middle = middle_score(records)
    texts = [(number, each) for number, record in enumerate(records) for each in _outcomes(record, middle) if each[0] == where]
    often = np.zeros(_BUCKETS, dtype=np.uint32)
    for _, (_, text, _) in texts:
        often[np.unique(np.fromiter(map(_bucket, _phrases(text)), dtype=np.int64))] += 1
    seen = _Seen(where, often, most)
    for number, (_, text, good) in texts:
        seen.add(number, text, good)
    return seen


class _Seen:
    """The phrases of one place, with their outcomes. A phrase that both sides of a pair have says nothing there."""

    def __init__(self, where: str, often: NDArray[np.uint32], most: int) -> None:
        self._where, self._often, self._most = where, often, most
        self._texts = Counter[bool]()
        self._good: dict[str, set[int]] = {}
        self._bad: dict[str, set[int]] = {}

    def add(self, number: int, text: str, good: bool) -> None:
        self._texts[good] += 1
        side = self._good if good else self._bad
        for phrase in set(_phrases(text)):
            if not _LEAST <= self._often[_bucket(phrase)] <= 2 * self._most:  # twice, as both sides of a pair may have it
                continue
            side.setdefault(phrase, set()).add(number)

    def pure(self, records: Sequence[Record]) -> Iterator[tuple[Trigger, set[int]]]:
        base = self._texts[True] / max(1, self._texts.total())
        candidates = list(self._candidates())
        for phrase, good, bad in candidates:
            mostly = len(good) >= len(bad)
            count, pure = len(good) + len(bad), max(len(good), len(bad))
            chance = base if mostly else 1 - base
            if pure / count >= _PURE and _tail(pure, count, chance) * len(candidates) < _SURE:
                ids = tuple(records[number].origin.id for number in sorted(good | bad)[:5])
                yield Trigger(phrase, self._where, "good" if mostly else "bad", count, ids), good | bad

    def _candidates(self) -> Iterator[tuple[str, set[int], set[int]]]:
        for phrase in self._good.keys() | self._bad.keys():
            good, bad = self._good.get(phrase, set()), self._bad.get(phrase, set())
            good, bad = good - bad, bad - good
            if _LEAST <= len(good) + len(bad) <= self._most:
                yield phrase, good, bad


def _phrases(text: str) -> Iterator[str]:
    words = _WORDS.findall(text.casefold())
    for length in range(1, _LONGEST + 1):
        for start in range(len(words) - length + 1):
            yield " ".join(words[start : start + length])


def _bucket(phrase: str) -> int:
    return zlib.crc32(phrase.encode("utf-8", "surrogatepass")) % _BUCKETS


def _tail(successes: int, trials: int, chance: float) -> float:
    """Return the probability of at least so many successes."""
    if chance <= 0 or chance >= 1:
        return 1.0
    return math.fsum(
        math.exp(
            math.lgamma(trials + 1)
            - math.lgamma(k + 1)
            - math.lgamma(trials - k + 1)
            + k * math.log(chance)
            + (trials - k) * math.log1p(-chance)
        )
        for k in range(successes, trials + 1)
    )
