"""Classifiers behind Hugging Face's text-embeddings-inference, by its route `/predict`: `use: tei`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from guard import categories
from guard.detectors.classifiers.labels import all_named, check_map, named, usual
from guard.detectors.services import places
from guard.detectors.services.answers import Score, read
from guard.detectors.services.pieces import Piece
from guard.detectors.services.service import Found, Service
from guard.policy.kinds import Mistake

LONGEST = 1_000
"""Characters of one text; what is more than the model's tokens all the same is cut in two when the server says so."""

_HINTS = {
    413: "a text or a batch is more than the server takes: lower `longest` or `runtime.batch`",
    422: "the server cannot tokenise the text",
    424: "the server's model is no sequence classifier, or failed; look into the server's log",
}


class _Prediction(msgspec.Struct):
    label: str
    score: Score


class Predict(Service):
    """Asks for the labels of many texts at once; never lets the server truncate one."""

    batch = 32

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        """Describe the detector; see `make`."""
        self._labels: Mapping[str, Any] | None = options.get("labels")
        url, self._path = places.located(options["url"], "/predict")
        place = places.endpoint(name, url, options.get("key_env", ""), hints=_HINTS)
        super().__init__(place, "tei-1", options, categories_of(options), LONGEST)

    async def ask(self, asked: Sequence[Piece]) -> list[list[Found]]:
        """Return the score of every label for each piece."""
        # a flat list of two texts would be taken as one pair
        body = {"inputs": [[piece.text] for piece in asked], "raw_scores": False, "truncate": False}
        answer = read(self.endpoint, await self.endpoint.post(self._path, body), list[list[_Prediction]])
        return [self._found(predictions) for predictions in answer]

    def _found(self, predictions: Sequence[_Prediction]) -> list[Found]:
        told = {one.label for one in predictions}
        for missing in (label for label, value in (self._labels or {}).items() if label not in told and named(value)):
            raise self.lie("label", f"`{missing}`, which `labels` maps", "none")
        if not predictions:
            raise self.lie("the answer", "labels for each text", "none")
        return [Found(category, one.score) for one in predictions for category in self._meaning(one.label)]

    def _meaning(self, label: str) -> Sequence[str]:
        meaning = usual(label) if self._labels is None else named(self._labels[label]) if label in self._labels else None
        if meaning is None:
            raise self.lie("label", "one of `labels`", "another; map every label of the model, harmless ones to null")
        return meaning


def make(name: str, options: Mapping[str, Any]) -> Predict:
    """Return the detector."""
    return Predict(name, options)


def check(options: Mapping[str, Any]) -> Sequence[Mistake]:
    """Return the mistakes in the options."""
    return [*places.check(options), *(check_map("labels", options["labels"]) if "labels" in options else ())]


def categories_of(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a detector with these options can report; where labels speak for themselves, any of Tenet's categories."""
    return all_named(options["labels"]) if "labels" in options else tuple(sorted(categories.KNOWN))
