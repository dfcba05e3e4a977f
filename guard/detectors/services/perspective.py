"""Google's Perspective, and every server that speaks its format: `use: perspective`.

Requests go to `comments:analyze` of the API's version v1alpha1, always with `doNotStore`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from guard.detectors.services import places
from guard.detectors.services.answers import Score, read
from guard.detectors.services.pieces import Piece
from guard.detectors.services.service import Found, Service
from guard.policy.kinds import Mistake
from guard.values import Span

URL = "https://commentanalyzer.googleapis.com"
PATH = "/v1alpha1/comments:analyze"
LONGEST = 5_000
"""Characters of one comment: at most 20,000 of the 20,480 bytes that the service takes."""

ATTRIBUTES: Mapping[str, str] = {
    "TOXICITY": "toxicity",
    "SEVERE_TOXICITY": "toxicity/severe",
    "IDENTITY_ATTACK": "hate",
    "INSULT": "harassment",
    "PROFANITY": "profanity",
    "THREAT": "harassment/threatening",
    "SEXUALLY_EXPLICIT": "sexual",
}
"""What the service's attributes are called here."""

_HINTS = {400: "the text's language may be one that an attribute lacks: name it in `languages`, or ask for fewer `attributes`"}
_KEY = ("x-goog-api-key", "")


class _Value(msgspec.Struct):
    value: Score


class _Stretch(msgspec.Struct):
    begin: Annotated[int, msgspec.Meta(ge=0)]
    end: Annotated[int, msgspec.Meta(ge=0)]
    score: _Value


class _Attribute(msgspec.Struct, rename="camel"):
    summary_score: _Value
    span_scores: list[_Stretch] = []


class _Answer(msgspec.Struct, rename="camel"):
    attribute_scores: dict[str, _Attribute]


class Perspective(Service):
    """Asks for the attributes of one text at a time."""

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        """Describe the detector; see `make`."""
        self._attributes = tuple(options.get("attributes", ATTRIBUTES))
        self._languages = list(options.get("languages", ()))
        self._spans = bool(options.get("spans", False))
        url, self._path = places.located(options.get("url", URL), PATH)
        own = "" if "url" in options else "PERSPECTIVE_API_KEY"
        place = places.endpoint(name, url, options.get("key_env", own), header=_KEY, hints=_HINTS)
        super().__init__(place, "perspective-1", options, categories_of(options), LONGEST)

    async def ask(self, asked: Sequence[Piece]) -> list[list[Found]]:
        """Return the score of every attribute of each piece."""
        return [await self._ask(piece) for piece in asked]

    async def _ask(self, piece: Piece) -> list[Found]:
        body = {
            "comment": {"text": piece.text, "type": "PLAIN_TEXT"},
            "requestedAttributes": {name: {} for name in self._attributes},
            "doNotStore": True,
            **({"languages": self._languages} if self._languages else {}),
            **({"spanAnnotations": True} if self._spans else {}),
        }
        answer = read(self.endpoint, await self.endpoint.post(self._path, body), _Answer)
        found: list[Found] = []
        for name in self._attributes:
            attribute = answer.attribute_scores.get(name)
            if attribute is None:
                raise self.lie("attributeScores", f"`{name}`, which was asked for", "none")
            found += self._found(ATTRIBUTES[name], attribute, piece.text)
        return found

    def _found(self, category: str, attribute: _Attribute, text: str) -> list[Found]:
        """Return the spans that the service scores; its score of the whole counts for the worst of them, if it is higher."""
        whole = attribute.summary_score.value
        # the service does not say in which units it counts characters beyond the first plane, so those spans are not believed
        if not self._spans or not attribute.span_scores or max(text) > "\uffff":
            return [Found(category, whole)]
        spans = []
        for begin, end, score in ((one.begin, one.end, one.score.value) for one in attribute.span_scores):
            if not begin < end <= len(text):
                raise self.lie("spanScores", f"spans within {len(text)} characters", f"{begin} to {end}")
            spans.append(Found(category, score, Span(begin, end)))
        worst = max(spans, key=lambda found: found.score)
        return [*spans, worst._replace(score=max(whole, worst.score))]


def make(name: str, options: Mapping[str, Any]) -> Perspective:
    """Return the detector."""
    return Perspective(name, options)


def check(options: Mapping[str, Any]) -> Sequence[Mistake]:
    """Return the mistakes in the options."""
    return places.check(options)


def categories_of(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a detector with these options can report."""
    return tuple(ATTRIBUTES[name] for name in options.get("attributes", ATTRIBUTES))
