"""What `POST /v1/moderations` answers: the scores of the policy's detectors, whatever its rules would do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

from guard import categories
from guard.asking import ask
from guard.engine import Guard, new_exchange
from guard.errors import DetectorError
from guard.formats.base import Piece, Text
from guard.judging import Readers, questions
from guard.policy.model import Rule
from guard.values import Action, NoVerdict, Role, Stage

_DEFAULT_THRESHOLD = 0.5


@runtime_checkable
class Scoring(Protocol):
    """A classifier that tells the score of each of its categories, those too that are too low to be findings."""

    @property
    def categories(self) -> tuple[str, ...]:
        """The columns of `scores`."""
        ...

    def scores(self, texts: Sequence[str]) -> Any:  # noqa: ANN401 - an array, and NumPy is not loaded for policies without a model
        """Return an array of shape (texts, categories) with scores in [0, 1]."""
        ...


async def moderate(guard: Guard, texts: Sequence[str]) -> list[dict[str, float]]:
    """Return for each text the score of each category: the maximum over detectors and windows; 0 where nothing was found.

    Actions, roles and conditions of the rules play no part.

    Raises:
        DetectorError: Where a detector gave no verdict; a score that is too low by accident is worse than none.
    """
    scores: list[dict[str, float]] = [dict.fromkeys(_names(guard), 0.0) for _ in texts]
    finding = {}
    for name, detector in guard.detectors.items():
        if isinstance(detector, Scoring):
            for index, row in enumerate((await asyncio.to_thread(detector.scores, texts)).tolist()):
                _raise_to(scores[index], zip(detector.categories, row, strict=True))
        else:
            finding[name] = detector
    everything = [_asking(name) for name in finding]
    as_texts = [Text((Piece(str(index), text),), Role.USER) for index, text in enumerate(texts)]
    asked = questions(as_texts, Readers(everything, finding), Stage.INPUT, new_exchange())
    answers = await asyncio.gather(*(ask(question.detector, question.items, guard.policy.timeout) for question in asked))
    for question, answer in zip(asked, answers, strict=True):
        if isinstance(answer, NoVerdict):
            raise DetectorError(question.detector.name, "see the log for the reason")
        for origin, findings in zip(question.origins, answer, strict=True):
            _raise_to(scores[origin.text], ((found.category, found.score) for found in findings))
    return scores


def thresholds(guard: Guard) -> dict[str, float]:
    """Return the threshold of each category: the policy's lowest one for it, else the calibrated one of a detector, else 0.5."""
    calibrated: dict[str, float] = {}
    for detector in guard.detectors.values():
        calibrated |= getattr(detector, "thresholds", {})
    limits = {}
    for name in _names(guard):
        own = [
            rule.threshold
            for rule in guard.policy.rules
            if rule.action is not Action.ALLOW and any(categories.matches(pattern, name) for pattern in rule.category)
        ]
        limits[name] = min(own, default=calibrated.get(name, _DEFAULT_THRESHOLD))
    return limits


def _names(guard: Guard) -> tuple[str, ...]:
    reported = (name for detector in guard.detectors.values() for name in detector.categories)
    return tuple(dict.fromkeys([*categories.OPENAI, *reported]))


def _asking(detector: str) -> Rule:
    """Return a rule that reads everything that a detector says."""
    return Rule(detector, frozenset({Stage.INPUT}), (detector,), ("*",), Action.FLAG)


def _raise_to(scores: dict[str, float], found: Iterable[tuple[str, float]]) -> None:
    for name, score in found:
        scores[name] = max(score, scores.get(name, 0.0))
