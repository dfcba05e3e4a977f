"""What a policy would have done, beside another one, beside what was recorded, and beside what people say should have been."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from guard.authoring.corpus import Shown
from guard.engine import Guard, new_exchange
from guard.values import Action, Decision

_AT_ONCE = 64
"""Messages that are judged at the same time, so that detectors see batches."""


@dataclass(frozen=True, slots=True)
class Change:
    """A message on which two decisions differ; `rules` are those that fire with one and not with the other."""

    shown: Shown
    before: Action
    after: Action
    rules_gone: tuple[str, ...] = ()
    rules_new: tuple[str, ...] = ()


@dataclass(slots=True)
class Comparison:
    """How decisions differ over a corpus.

    Attributes:
        pairs: How many messages went from which action to which.
        rules: How often each rule fires after, by id.
        needless: How often a rule fires on a message that people say should have passed, by id.
        changes: The first messages on which decisions differ.
        missed: Messages that people say should have been acted on more strictly than the policy does, with their number.
        overdone: Messages that people say should have been acted on less strictly.
    """

    messages: int = 0
    pairs: Counter[tuple[Action, Action]] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    needless: Counter[str] = field(default_factory=Counter)
    changes: list[Change] = field(default_factory=list)
    labelled: int = 0
    missed: int = 0
    overdone: int = 0

    @property
    def changed(self) -> int:
        """On how many messages the action differs."""
        return sum(count for (before, after), count in self.pairs.items() if before is not after)


def compare(before: Guard, after: Guard, corpus: Iterable[Shown], most: int = 20) -> Comparison:
    """Return how two policies differ on a corpus.

    Args:
        most: Changes that are kept as examples.
    """
    found = Comparison()
    for some in _batches(corpus):
        for shown, first, second in zip(some, _judged(before, some), _judged(after, some), strict=True):
            _count(found, shown, first.action, second, most, first.rules)
    return found


def backtest(guard: Guard, corpus: Iterable[Shown], most: int = 20) -> Comparison:
    """Return how a policy differs from what was recorded, and from what people say should have happened."""
    found = Comparison()
    for some in _batches(corpus):
        for shown, decision in zip(some, _judged(guard, some), strict=True):
            _count(found, shown, shown.recorded, decision, most)
    return found


def _batches(corpus: Iterable[Shown]) -> Iterator[Sequence[Shown]]:
    rows = iter(corpus)
    while some := list(islice(rows, _AT_ONCE)):
        yield some


def _judged(guard: Guard, some: Sequence[Shown]) -> list[Decision]:
    async def judge() -> list[Decision]:
        return list(await asyncio.gather(*(_judge(guard, shown) for shown in some)))

    return asyncio.run(judge())


async def _judge(guard: Guard, shown: Shown) -> Decision:
    exchange = new_exchange()
    if shown.prompt:
        exchange = replace(exchange, prompt=guard.prompt_of(shown.prompt))
    return (await guard.judge(shown.texts, shown.stage, exchange)).decision


def _count(
    found: Comparison, shown: Shown, before: Action | None, decision: Decision, most: int, rules: Sequence[str] | None = None
) -> None:
    found.messages += 1
    found.rules.update(decision.rules)
    if shown.wanted is not None:
        found.labelled += 1
        found.missed += decision.action < shown.wanted
        found.overdone += decision.action > shown.wanted
        found.needless.update(decision.rules if shown.wanted is Action.ALLOW else ())
    if before is None:
        return
    found.pairs[before, decision.action] += 1
    gone, new = _between(rules, decision.rules)
    if (before is not decision.action or gone or new) and len(found.changes) < most:
        found.changes.append(Change(shown, before, decision.action, gone, new))


def _between(before: Sequence[str] | None, after: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if before is None:
        return (), ()
    return tuple(rule for rule in before if rule not in after), tuple(rule for rule in after if rule not in before)


def moves(found: Comparison) -> Iterator[tuple[str, int]]:
    """Yield what became of messages whose action differs, such as `allow → block`, the most frequent first."""
    for (before, after), count in found.pairs.most_common():
        if before is not after:
            yield f"{before.word} → {after.word}", count
