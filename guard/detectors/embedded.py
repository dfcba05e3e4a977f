"""The trained classifier that ships with Tenet: `use: embedded`, in two stages.

A linear stage reads every text in microseconds. Where all its scores are low, that is the verdict; the others
are read by a small transformer in milliseconds, off the event loop, which is loaded when it is first needed.

An answer is read after the question that it answers, where that is known: steps that name nothing are told by what was asked.

It reports every category whose score reaches `REPORTED`, without a span; rules choose their own thresholds above that. A category
is only looked for in the words that it is defined on: what a user asks for, what a tool returns, what an assistant answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from guard.detectors.embedded_stages import CATEGORIES, Stages
from guard.detectors.running import Composed, Threaded
from guard.runtime.cores import available_cores
from guard.runtime.served import Served
from guard.values import Detector, Exchange, Finding, Item, Needs, Role, Runs, WindowReach

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


REPORTED = 0.01
"""Lowest score of a finding."""

SPOKEN_BY: Mapping[str, frozenset[Role]] = {
    "jailbreak": frozenset({Role.USER}),
    "harmful-request": frozenset({Role.USER}),
    "injection": frozenset({Role.USER, Role.TOOL_RESULT}),
    "harmful-response": frozenset({Role.ASSISTANT}),
}
"""Whose words a category is looked for in; the others in anybody's."""


class Embedded(Composed):
    """A text classifier for `CATEGORIES`.

    Attributes:
        thresholds: For each category, the score that at most 1 % of harmless texts reach: for those who set none themselves.
    """

    def __init__(self, name: str, reach: WindowReach, stages: Stages, deep: Detector) -> None:
        needs = Needs(reach=reach, views=("folded",), sees="exchange", runs=Runs.ASYNC)
        super().__init__(name, stages.version, needs, CATEGORIES)
        self._stages = stages
        self._deep = deep

    @property
    def thresholds(self) -> Mapping[str, float]:
        """For each category, the score that at most 1 % of harmless texts reach."""
        return self._stages.thresholds

    def served_by(self, run: Callable[[Detector], Detector]) -> Embedded:
        """Return the classifier with the runtime around its transformer."""
        reach = self.needs.reach
        assert isinstance(reach, WindowReach)  # noqa: S101 - as it was made
        deep = run(self._deep)
        if isinstance(deep, Served) and deep.remembers:
            self._stages.remember()
        return Embedded(self.name, reach, self._stages, deep)

    def warm_up(self) -> None:
        """Load the transformer."""
        self._stages.both(["Good morning."])

    def scores(self, texts: Sequence[str], questions: Sequence[str] = ()) -> NDArray[np.float32]:
        """Return an array of shape (texts, categories) with the columns of `categories`, whoever speaks.

        A long text is judged window by window and gets the highest score of each category; an answer is read after its question.
        """
        return self._stages.scores(texts, [shortened(question) for question in questions])

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Return for each item the categories with a score of at least `REPORTED`; waits for the transformer."""
        findings, unclear = self._first(items)
        asked = self._deep.detect([with_question(items[index]) for index in unclear]) if unclear else []
        return _replaced(findings, unclear, asked)

    async def detect_async(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Do the same without blocking the event loop; clear texts take microseconds."""
        long = sum(len(item.text) for item in items) > _LONG
        findings, unclear = await asyncio.to_thread(self._first, items) if long else self._first(items)
        asked = await self._deep.detect_async([with_question(items[index]) for index in unclear]) if unclear else []
        return _replaced(findings, unclear, asked)

    def _first(self, items: Sequence[Item]) -> tuple[list[list[Finding]], list[int]]:
        """Return what the linear stage says of each item, and the indices of those that go on."""
        rows = self._stages.first([item.text for item in items])
        unclear = self._stages.unclear(rows, [_question_of(item) for item in items])
        findings = [reported(self.name, CATEGORIES, item, row) for item, row in zip(items, rows.tolist(), strict=True)]
        return findings, unclear


class Deep(Threaded):
    """Both stages as a detector that computes, for texts that are not clear."""

    batch = 8

    def __init__(self, name: str, reach: WindowReach, stages: Stages) -> None:
        super().__init__(name, stages.version, Needs(reach=reach, views=("folded",), sees="exchange"), CATEGORIES)
        self.parallel = available_cores()
        self.model_key = f"embedded {stages.version}"
        self._stages = stages

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Return for each item the categories with a score of at least `REPORTED`."""
        rows = self._stages.both([item.text for item in items], [_question_of(item) for item in items]).tolist()
        return [reported(self.name, self.categories, item, row) for item, row in zip(items, rows, strict=True)]


def reported(detector: str, names: Sequence[str], item: Item, scores: Sequence[float]) -> list[Finding]:
    """Return the categories with a score of at least `REPORTED` that are looked for in the words of the item's speaker."""
    return [
        Finding(detector, category, score, None, item.location, item.role)
        for category, score in zip(names, scores, strict=True)
        if score >= REPORTED and (category not in SPOKEN_BY or item.role in SPOKEN_BY[category])
    ]


def _question_of(item: Item) -> str:
    """Return what an answer answers, as far as the transformer is shown it: the user's last words; "" for what is no answer."""
    if item.role is not Role.ASSISTANT or item.exchange is None:
        return ""
    return shortened(next((said.text for said in reversed(item.exchange.prompt) if said.role is Role.USER), ""))


def shortened(question: str) -> str:
    """Return what the transformer is shown of a question: its beginning and its end, where it is long."""
    return question if len(question) <= 2 * _SHOWN else f"{question[:_SHOWN]} {question[-_SHOWN:]}"


def with_question(item: Item) -> Item:
    """Return an item with what the transformer is shown of its exchange and no more, so that like questions share a verdict."""
    question = _question_of(item)
    return replace(item, exchange=Exchange("", prompt=(Item(question),)) if question else None)


def make(name: str, options: Mapping[str, Any]) -> Embedded:
    """Return the detector, with the weights that ship.

    Args:
        options: `after`, `most` and `context` of its windows (see `WindowReach`).

    Raises:
        DetectorError: Where weights are missing or were changed.
    """
    reach, stages = WindowReach(**options), Stages(name)
    return Embedded(name, reach, stages, Deep(name, reach, stages))


def categories_of(_options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a detector with these options can report, without loading it."""
    return CATEGORIES


def _replaced(findings: list[list[Finding]], places: Sequence[int], by: Sequence[list[Finding]]) -> list[list[Finding]]:
    for place, found in zip(places, by, strict=True):
        findings[place] = found
    return findings


_LONG = 65_536
_SHOWN = 1000
