"""OpenAI's moderation endpoint, and every server that speaks its format: `use: openai`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from guard.categories import OPENAI
from guard.detectors.classifiers.labels import all_named, check_map, named
from guard.detectors.services import places
from guard.detectors.services.answers import Score, read
from guard.detectors.services.pieces import Piece
from guard.detectors.services.service import Found, Service
from guard.policy.kinds import Mistake

URL = "https://api.openai.com/v1"
MODEL = "omni-moderation-latest"
LONGEST = 8_000
"""Characters of one input; OpenAI names no limit in characters, and advises short ones."""


class _Result(msgspec.Struct):
    category_scores: dict[str, Score | None]


class _Answer(msgspec.Struct):
    results: list[_Result]


class Moderation(Service):
    """Asks for the scores of many texts at once. Its names of categories are Tenet's."""

    batch = 32

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        """Describe the detector; see `make`."""
        self._model = options.get("model", MODEL)
        self._meanings = meanings(options)
        url, self._path = places.located(options.get("url", URL), "/v1/moderations")
        own = "" if "url" in options else "OPENAI_API_KEY"
        place = places.endpoint(name, url, options.get("key_env", own))
        super().__init__(place, f"openai-1 {self._model}", options, categories_of(options), LONGEST)

    async def ask(self, asked: Sequence[Piece]) -> list[list[Found]]:
        """Return the score of every category of each piece."""
        body = {"model": self._model, "input": [piece.text for piece in asked]}
        answer = read(self.endpoint, await self.endpoint.post(self._path, body), _Answer)
        return [self._found(index, result.category_scores) for index, result in enumerate(answer.results)]

    def _found(self, index: int, scores: Mapping[str, float | None]) -> list[Found]:
        """Return the findings of one result; a category that is not told would never be found, so it is an error."""
        found = []
        for label, names in self._meanings.items():
            score = scores.get(label)
            if score is None and names:
                raise self.lie(f"results[{index}].category_scores", f"a number for `{label}`", "none")
            found += [Found(name, score or 0.0) for name in names]
        return found


def meanings(options: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the categories of each name that an answer must hold a score for."""
    given = options.get("labels") or dict(zip(OPENAI, OPENAI, strict=True))
    return {label: named(value) for label, value in given.items()}


def make(name: str, options: Mapping[str, Any]) -> Moderation:
    """Return the detector."""
    return Moderation(name, options)


def check(options: Mapping[str, Any]) -> Sequence[Mistake]:
    """Return the mistakes in the options."""
    return [*places.check(options), *(check_map("labels", options["labels"]) if "labels" in options else ())]


def categories_of(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a detector with these options can report."""
    return all_named(options["labels"]) if "labels" in options else OPENAI
