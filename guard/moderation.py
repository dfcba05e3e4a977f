"""What `POST /v1/moderations` answers: the scores of the policy's detectors, whatever its rules would do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from guard import categories
from guard.asking import ask
from guard.engine import Guard, new_exchange
from guard.errors import DetectorError
from guard.formats.base import Piece, Text
from guard.judging import Readers, questions
from guard.policy.model import Rule
from guard.values import Action, Detector, Item, NoVerdict, Role, Stage

_DEFAULT_THRESHOLD = 0.5
_AT_ONCE = 32


@runtime_checkable
class Scoring(Protocol):
    """A classifier that tells the score of each of its categories, those too that are too low to be findings."""

    @property
    def categories(self) -> tuple[str, ...]:
        """The columns of `scores`."""
        ...

    def scores(self, texts: Sequence[str], questions: Sequence[str] = ()) -> Any:  # noqa: ANN401 - an array; NumPy is loaded late
        """Return an array of shape (texts, categories) with scores in [0, 1]; each text is read after its question."""
        ...


async def moderate(guard: Guard, texts: Sequence[str], prompts: Sequence[str] = ()) -> list[dict[str, float]]:
    """Return for each text the score of each category: the maximum over detectors and windows; 0 where nothing was found.

    Actions, roles and conditions of the rules play no part.

    Args:
        prompts: What each text is an answer to, "" where it is none; may be left out where none is.

    Raises:
        DetectorError: Where a detector gave no verdict; a score that is too low by accident is worse than none.
    """
    scores: list[dict[str, float]] = [dict.fromkeys(_names(guard), 0.0) for _ in texts]
    asked = list(prompts) or [""] * len(texts)
    finding = {}
    for name, detector in guard.detectors.items():
        if isinstance(detector, Scoring):
            for index, row in enumerate(await _rows(detector, name, texts, asked, guard.policy.timeout)):
                _raise_to(scores[index], zip(detector.categories, row, strict=True))
        else:
            finding[name] = detector
    for prompt in dict.fromkeys(asked) if finding else ():
        answered = {index: text for index, text in enumerate(texts) if asked[index] == prompt}
        await _find(guard, finding, answered, prompt, scores)
    return scores


async def _find(
    guard: Guard, detectors: Mapping[str, Detector], texts: Mapping[int, str], prompt: str, scores: list[dict[str, float]]
) -> None:
    """Raise `scores` to what these detectors find in texts, by index, that answer one prompt or none."""
    stage, role = (Stage.OUTPUT, Role.ASSISTANT) if prompt else (Stage.INPUT, Role.USER)
    exchange = replace(new_exchange(), prompt=(Item(prompt),) if prompt else ())
    places = list(texts)
    as_texts = [Text((Piece(str(index), text),), role) for index, text in texts.items()]
    asked = questions(as_texts, Readers([_asking(name) for name in detectors], detectors), stage, exchange)
    answers = await asyncio.gather(*(ask(question.detector, question.items, guard.policy.timeout) for question in asked))
    for question, answer in zip(asked, answers, strict=True):
        if isinstance(answer, NoVerdict):
            raise DetectorError(question.detector.name, "see the log for the reason")
        for origin, findings in zip(question.origins, answer, strict=True):
            _raise_to(scores[places[origin.text]], ((found.category, found.score) for found in findings))


def thresholds(guard: Guard) -> dict[str, float]:
    """Return the threshold of each category: the policy's lowest one for it, else the calibrated one of a detector, else 0.5."""
    calibrated: dict[str, float] = {}
    for detector in guard.detectors.values():
        calibrated |= getattr(detector, "thresholds", {})
    limits = {}
    for name in _names(guard):
        own = [
            rule.threshold_of(name)
            for rule in guard.policy.rules
            if rule.action is not Action.ALLOW
            and rule.logic is None
            and any(categories.matches(pattern, name) for pattern in rule.category)
        ]
        limits[name] = min(own, default=calibrated.get(name, _DEFAULT_THRESHOLD))
    return limits


async def _rows(detector: Scoring, name: str, texts: Sequence[str], prompts: Sequence[str], seconds: float) -> list[list[float]]:
    """Return a detector's scores, some texts at a time, so that each of them has a time limit and none waits for all."""
    rows: list[list[float]] = []
    for start in range(0, len(texts), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        try:
            rows += (await asyncio.wait_for(asyncio.to_thread(detector.scores, texts[some], prompts[some]), seconds)).tolist()
        except TimeoutError as error:
            raise DetectorError(name, f"it took longer than {seconds:g} s") from error
    return rows


def _names(guard: Guard) -> tuple[str, ...]:
    reported = (name for detector in guard.detectors.values() for name in detector.categories)
    return tuple(dict.fromkeys([*categories.OPENAI, *reported]))


def _asking(detector: str) -> Rule:
    """Return a rule that reads everything that a detector says."""
    return Rule(detector, frozenset(Stage), (detector,), ("*",), Action.FLAG)


def _raise_to(scores: dict[str, float], found: Iterable[tuple[str, float]]) -> None:
    for name, score in found:
        scores[name] = max(score, scores.get(name, 0.0))
