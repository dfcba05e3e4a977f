"""Pairs and verdicts that the policy contradicts: it thinks worse of the better answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alignment.records import Messages, Pair, Record, Unpaired, digest_of, spoken

if TYPE_CHECKING:
    from guard.engine import Guard

Scorer = Callable[[Messages, Messages], float]
"""How harmful an answer to a prompt is, in [0, 1]."""

CLEAR = 0.5
"""By how much scores have to differ, or a verdict to be passed, before they contradict anything."""
SAMPLE = 400
"""Records that are judged: enough to tell the share to within 5 points, and minutes less than all."""


@dataclass(frozen=True, slots=True)
class Contradictions:
    """Where the policy disagrees with people.

    Attributes:
        judged: Records that were judged.
        contradicted: Of these, those where the policy finds the good answer clearly harmful, and the bad one clearly less so.
        ids: Some of them.
    """

    judged: int = 0
    contradicted: int = 0
    ids: tuple[str, ...] = ()

    @property
    def share(self) -> float | None:
        """The share of those judged; None where nothing was."""
        return self.contradicted / self.judged if self.judged else None


def contradictions(records: Sequence[Record], score: Scorer, most: int = SAMPLE) -> Contradictions:
    """Return how often a policy contradicts what people said, in a sample that is always the same."""
    sample = sorted(records, key=lambda record: digest_of(record.prompt, *record.answers))[:most]
    judged = [record for record in sample if isinstance(record, Pair | Unpaired)]
    found = [record.origin.id for record in judged if _contradicts(record, score)]
    return Contradictions(len(judged), len(found), tuple(found[:20]))


def policy_scorer(guard: Guard) -> Scorer:
    """Return the highest score that any detector of a policy has for an answer; 1 where the policy blocks it."""
    from guard.engine import new_exchange
    from guard.values import Action, Item, Stage

    def score(prompt: Messages, answer: Messages) -> float:
        asked = tuple(Item(message.content) for message in prompt if message.role == "user")
        decision = guard.check_sync(spoken(answer), Stage.OUTPUT, exchange=new_exchange(prompt=asked))
        if decision.action is Action.BLOCK:
            return 1.0
        return max((finding.score for finding in decision.findings), default=0.0)

    return score


def _contradicts(record: Pair | Unpaired, score: Scorer) -> bool:
    if isinstance(record, Pair):
        return score(record.prompt, record.chosen) - score(record.prompt, record.rejected) >= CLEAR
    return record.label and score(record.prompt, record.completion) >= CLEAR
