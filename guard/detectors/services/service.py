"""What all detectors have in common that ask a service: cutting, asking in groups, and taking the highest score."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from guard.detectors.running import Remote
from guard.detectors.services.pieces import SHORTEST, Piece, pieces
from guard.errors import DetectorError
from guard.runtime.endpoint import Endpoint, TooLarge
from guard.values import Finding, Item, Needs, Runs, Span, WholeReach, WindowReach

REPORTED = 0.001
"""Lowest score of a finding."""
_AT_ONCE = 8
"""Calls that one long text may make at the same time."""
_LONG = 16_384
"""Characters from which on reading a text is kept off the event loop."""


class Found(NamedTuple):
    """What a service found in a piece.

    Attributes:
        span: In the piece's text; None means all of it.
    """

    category: str
    score: float
    span: Span | None = None


class Service(Remote):
    """A detector that asks a service about pieces of texts.

    Attributes:
        longest: Characters that the service is asked about at once; a longer text is cut and its highest scores count.
        endpoint: Where it is asked.
    """

    def __init__(
        self, endpoint: Endpoint, version: str, options: Mapping[str, Any], categories: Sequence[str], longest: int
    ) -> None:
        """Describe the detector.

        Args:
            version: Of the protocol and the model.
            options: Of which `reach`, `after`, `most`, `context` and `longest` are read.
            categories: What it can report.
            longest: Where the options do not say.
        """
        super().__init__(endpoint.detector, version, needs_of(options), categories)
        self.endpoint = endpoint
        self.longest = int(options.get("longest", longest))

    @abstractmethod
    async def ask(self, asked: Sequence[Piece]) -> list[list[Found]]:
        """Return what the service finds in each of at most `batch` pieces, in order."""

    async def detect_async(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Return the highest score of each category of each item, and every span with its own."""
        found: list[dict[tuple[str, Span | None], float]] = [{} for _ in items]
        asked = await self._pieces(items)
        groups = [asked[start : start + self.batch] for start in range(0, len(asked), self.batch)]
        for start in range(0, len(groups), _AT_ONCE):
            for answers in await asyncio.gather(*map(self._answers, groups[start : start + _AT_ONCE])):
                for piece, answer in answers:
                    _keep_highest(found[piece.index], piece, answer)
        return [
            [
                Finding(self.name, category, score, span, item.location, item.role)
                for (category, span), score in scores.items()
                if score >= REPORTED
            ]
            for item, scores in zip(items, found, strict=True)
        ]

    async def _pieces(self, items: Sequence[Item]) -> list[Piece]:
        if sum(len(item.text) for item in items) > _LONG:
            return await asyncio.to_thread(self._cut, items)
        return self._cut(items)

    def _cut(self, items: Sequence[Item]) -> list[Piece]:
        return [piece for index, item in enumerate(items) for piece in pieces(index, item, self.longest)]

    async def _answers(self, asked: Sequence[Piece]) -> list[tuple[Piece, list[Found]]]:
        """Ask about pieces; in smaller parts, where the service says that they are too much for it."""
        try:
            answers = await self.ask(asked)
        except TooLarge:
            parts = _smaller(asked)
            if not parts:
                raise
            return [answer for part in parts for answer in await self._answers(part)]
        if len(answers) != len(asked):
            raise self.lie("results", f"{len(asked)}, one for each text", str(len(answers)))
        return list(zip(asked, answers, strict=True))

    def lie(self, field: str, expected: str, got: str) -> DetectorError:
        """Return an error on an answer that the service's format does not allow; `got` must hold nothing of its texts."""
        return DetectorError(self.name, f"{self.endpoint.host}: {field}: expected {expected}, got {got}")


def needs_of(options: Mapping[str, Any]) -> Needs:
    """Return the needs of a detector with these options."""
    window = {name: int(options[name]) for name in ("after", "most", "context") if name in options}
    reach = WholeReach() if options.get("reach") == "whole" else WindowReach(**window)
    return Needs(reach=reach, views=("canonical",), runs=Runs.ASYNC)


def _smaller(asked: Sequence[Piece]) -> list[Sequence[Piece]]:
    """Return what to ask instead: half as many pieces, or the halves of a single one; nothing where it is short already."""
    if len(asked) > 1:
        middle = len(asked) // 2
        return [asked[:middle], asked[middle:]]
    [piece] = asked
    half = len(piece.text) * 5 // 8
    return [[part] for part in piece.cut(half)] if half >= SHORTEST else []


def _keep_highest(scores: dict[tuple[str, Span | None], float], piece: Piece, answer: Sequence[Found]) -> None:
    for category, score, local in answer:
        span = piece.span(*local) if local else None
        if span is None or span.end > piece.item.judged_from:
            scores[category, span] = max(score, scores.get((category, span), 0.0))
