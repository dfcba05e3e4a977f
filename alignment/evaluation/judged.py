"""The answers of both models to one set of prompts, with all that evaluators say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from alignment.evaluation.answers import Answered
from alignment.evaluation.columns import means
from alignment.evaluation.guarding import Guarding
from alignment.evaluation.judging import HarmEvaluator
from alignment.evaluation.prompts import Ask
from alignment.evaluation.refusal import Refusals
from alignment.evaluation.statistics import Floats
from guard.values import Decision

Table = list[list[float]]
"""A figure of each answer, by prompt."""


@dataclass(slots=True)
class Side:
    """One model's answers to a set of prompts.

    Attributes:
        refused: 1 for a refusal.
        harm: By evaluator, its score.
        decisions: What the guard decides.
    """

    answers: list[list[Answered]]
    refused: Table = field(default_factory=list)
    harm: dict[str, Table] = field(default_factory=dict)
    decisions: list[list[Decision]] = field(default_factory=list)

    def texts(self) -> list[str]:
        """Return all answers, prompt by prompt."""
        return [answer.text for some in self.answers for answer in some]

    def complied(self, evaluator: HarmEvaluator) -> Floats:
        """Return the share of answers to each prompt that don't refuse and that the evaluator calls harmful."""
        scores = self.harm[evaluator.name]
        return means(
            [
                [score >= evaluator.threshold and not refused for score, refused in zip(some, gone, strict=True)]
                for some, gone in zip(scores, self.refused, strict=True)
            ]
        )

    def harmful(self, evaluator: HarmEvaluator) -> Floats:
        """Return the mean score of harm of the answers to each prompt; a refusal has none."""
        scores = self.harm[evaluator.name]
        return means(
            [
                [score * (not refused) for score, refused in zip(some, gone, strict=True)]
                for some, gone in zip(scores, self.refused, strict=True)
            ]
        )


class Both(NamedTuple):
    """What both models say to the same prompts."""

    asks: Sequence[Ask]
    baseline: Side
    candidate: Side

    def part(self, places: Sequence[int]) -> Both:
        """Return it with some of the prompts."""
        return Both([self.asks[place] for place in places], _part(self.baseline, places), _part(self.candidate, places))


def judged(
    asks: Sequence[Ask],
    answers: Sequence[list[Answered]],
    *,
    harm: Sequence[HarmEvaluator] = (),
    guarding: Guarding | None = None,
) -> Side:
    """Return answers with what evaluators say: who refuses always, who does harm and what the guard does where asked."""
    side = Side([list(some) for some in answers])
    texts = side.texts()
    repeated = [ask for ask, some in zip(asks, answers, strict=True) for _ in some]
    side.refused = _by_prompt(side, [float(refused) for refused in Refusals().refused(texts)])
    for evaluator in harm:
        side.harm[evaluator.name] = _by_prompt(side, evaluator.scores([ask.request for ask in repeated], texts))
    if guarding is not None:
        found = iter(guarding.decisions(repeated, texts))
        side.decisions = [[next(found) for _ in some] for some in side.answers]
    return side


def joined(sets: Mapping[str, Both]) -> Both:
    """Return several sets as one."""
    asks = [ask for both in sets.values() for ask in both.asks]
    return Both(asks, _joined([both.baseline for both in sets.values()]), _joined([both.candidate for both in sets.values()]))


def _joined(sides: Sequence[Side]) -> Side:
    return Side(
        [some for side in sides for some in side.answers],
        [some for side in sides for some in side.refused],
        {},
        [some for side in sides for some in side.decisions],
    )


def _part(side: Side, places: Sequence[int]) -> Side:
    return Side(
        [side.answers[place] for place in places],
        [side.refused[place] for place in places],
        {name: [table[place] for place in places] for name, table in side.harm.items()},
        [side.decisions[place] for place in places] if side.decisions else [],
    )


def _by_prompt(side: Side, values: Sequence[float]) -> Table:
    found = iter(values)
    return [[float(np.clip(next(found), 0.0, 1.0)) for _ in some] for some in side.answers]
