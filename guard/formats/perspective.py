"""The Perspective API's wire format: `POST /v1alpha1/comments:analyze` and `comments:suggestscore`.

After its public reference (conversationai/perspectiveapi, "Methods", "Limits and errors") and its discovery document. Field names
are taken in both of the spellings that Google's JSON has, `requestedAttributes` and `requested_attributes`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from guard.errors import BadMessage
from guard.formats import strict_json
from guard.formats.openai_request import read_object
from guard.formats.shape import as_flag, as_list, as_object, as_string, wrong

ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "TOXICITY": ("toxicity", "harassment", "hate"),
    "SEVERE_TOXICITY": ("harassment/threatening", "hate", "hate/threatening"),
    "IDENTITY_ATTACK": ("hate", "hate/threatening"),
    "INSULT": ("harassment",),
    "PROFANITY": ("profanity",),
    "THREAT": ("harassment/threatening", "hate/threatening"),
    "SEXUALLY_EXPLICIT": ("sexual",),
}
"""Every attribute that is answered; its score is the highest of these categories'."""

MOST_BYTES = 20_480
"""Longest comment in UTF-8: the API's own limit."""

_EXPERIMENTAL = "_EXPERIMENTAL"
_ERROR_TYPE = "type.googleapis.com/google.commentanalyzer.v1alpha1.Error"
_STATUS = {400: "INVALID_ARGUMENT", 413: "INVALID_ARGUMENT", 415: "INVALID_ARGUMENT", 501: "UNIMPLEMENTED", 503: "UNAVAILABLE"}
_LANGUAGES = ("en",)
_UNDETERMINED = "und"
_LEAST_LATIN = 0.5
_CAPITAL = re.compile(r"(?<=[a-z])[A-Z]")
_ANALYSIS = (
    "comment",
    "context",
    "requestedAttributes",
    "spanAnnotations",
    "languages",
    "doNotStore",
    "dropUnsupportedAttributes",
    "clientToken",
    "sessionId",
    "communityId",
)
_SUGGESTION = ("comment", "context", "attributeScores", "languages", "clientToken", "sessionId", "communityId")


class RefusedComment(BadMessage):
    """A request that is answered by an error of the API's own kind.

    Attributes:
        detail: Further fields of the error's detail.
    """

    def __init__(self, message: str, error_type: str, detail: Mapping[str, Any] | None = None) -> None:
        super().__init__(message, code=error_type)
        self.detail = detail or {}


class Asked(NamedTuple):
    """An attribute that is asked for, and the score below which it is left out of the answer."""

    name: str
    threshold: float


@dataclass(frozen=True, slots=True)
class Analysis:
    """What `comments:analyze` is asked.

    Attributes:
        spans: Whether each sentence is to be scored too.
        languages: As the client named them; empty where it did not.
        detected: What the text seems to be written in.
    """

    text: str
    attributes: tuple[Asked, ...]
    spans: bool
    languages: tuple[str, ...]
    detected: tuple[str, ...]
    client_token: str = ""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What `comments:suggestscore` tells: the scores that somebody holds to be right, in [0, 1] by attribute."""

    text: str
    scores: Mapping[str, float]
    languages: tuple[str, ...]
    detected: tuple[str, ...]
    client_token: str = ""
    community: str = ""


class Scored(NamedTuple):
    """A stretch of the comment, half-open in code points, and its score by category."""

    begin: int
    end: int
    scores: Mapping[str, float]


def read_analysis(body: bytes, depth: int = 64) -> Analysis:
    """Return what a request asks. Raises BadMessage."""
    tree = _known(read_object(body, depth), _ANALYSIS)
    text, languages, detected = _comment(tree)
    drop = as_flag(tree.get("dropUnsupportedAttributes"), "dropUnsupportedAttributes")
    attributes = _attributes(tree.get("requestedAttributes"), drop=drop)
    if not set(languages or detected) <= set(_LANGUAGES):
        if not drop:
            raise _unsupported(attributes[0].name, languages, detected)
        attributes = ()
    as_flag(tree.get("doNotStore"), "doNotStore")
    return Analysis(
        text,
        attributes,
        as_flag(tree.get("spanAnnotations"), "spanAnnotations"),
        languages,
        detected,
        _optional(tree, "clientToken"),
    )


def read_suggestion(body: bytes, depth: int = 64) -> Suggestion:
    """Return what a request tells. Raises BadMessage."""
    tree = _known(read_object(body, depth), _SUGGESTION)
    text, languages, detected = _comment(tree)
    given = as_object(tree.get("attributeScores"), "attributeScores")
    if not given:
        raise RefusedComment("Missing attribute_scores", "INVALID_REQUEST")
    scores = {_attribute(name): _suggested(value, f"attributeScores.{name}") for name, value in given.items()}
    return Suggestion(text, scores, languages, detected, _optional(tree, "clientToken"), _optional(tree, "communityId"))


def analysis_answer(asked: Analysis, whole: Scored, sentences: Sequence[Scored]) -> bytes:
    """Return the answer of `comments:analyze`.

    Args:
        whole: The comment with its scores in [0, 1].
        sentences: Its sentences, where `asked.spans`; else the whole comment stands as its one span.
    """
    scores = {}
    for attribute in asked.attributes:
        spans = [
            {"begin": part.begin, "end": part.end, "score": _probability(value)}
            for part in sentences or (whole,)
            if (value := score_of(attribute.name, part.scores)) >= attribute.threshold
        ]
        value = score_of(attribute.name, whole.scores)
        if value >= attribute.threshold:
            scores[attribute.name] = {"spanScores": spans, "summaryScore": _probability(value)}
    answer: dict[str, Any] = {"attributeScores": scores} if scores else {}
    answer |= {"languages": list(asked.languages or asked.detected), "detectedLanguages": list(asked.detected)}
    return strict_json.encode(answer | ({"clientToken": asked.client_token} if asked.client_token else {}))


def suggestion_answer(told: Suggestion) -> bytes:
    """Return the answer of `comments:suggestscore`."""
    answer: dict[str, Any] = {"detectedLanguages": list(told.detected)}
    if told.languages:
        answer["requestedLanguages"] = list(told.languages)
    return strict_json.encode(answer | ({"clientToken": told.client_token} if told.client_token else {}))


def error_answer(error: BadMessage | str, status: int = 400) -> bytes:
    """Return an error as Google's services write it; a detail says which kind it is."""
    if isinstance(error, BadMessage):
        status = error.status
    described: dict[str, Any] = {"code": status, "message": str(error), "status": _STATUS.get(status, "INTERNAL")}
    if isinstance(error, RefusedComment):
        described["details"] = [{"@type": _ERROR_TYPE, "errorType": error.code, **error.detail}]
    elif isinstance(error, BadMessage):
        described["details"] = [{"@type": _ERROR_TYPE, "errorType": "INVALID_REQUEST"}]
    return strict_json.encode({"error": described})


def score_of(attribute: str, scores: Mapping[str, float]) -> float:
    """Return an attribute's score in [0, 1]."""
    return max(scores.get(name, 0.0) for name in ATTRIBUTES[attribute.removesuffix(_EXPERIMENTAL)])


def _comment(tree: Mapping[str, Any]) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Return a request's text, the languages it names and those of the text."""
    comment = _known(as_object(tree.get("comment"), "comment"), ("text", "type"))
    if comment.get("type") not in (None, "PLAIN_TEXT", "TEXT_TYPE_UNSPECIFIED"):
        raise RefusedComment("Currently, only 'PLAIN_TEXT' comments are supported", "INVALID_REQUEST")
    given = comment.get("text")
    text = "" if given is None else as_string(given, "comment.text")
    if not text.strip():
        raise RefusedComment("Comment must be non-empty.", "COMMENT_EMPTY")
    if len(text.encode()) > MOST_BYTES:
        raise RefusedComment("Comment text too long.", "COMMENT_TOO_LONG")
    languages = tree.get("languages")
    named = [] if languages is None else as_list(languages, "languages")
    return text, tuple(as_string(name, f"languages[{index}]") for index, name in enumerate(named)), _detected(text)


def _detected(text: str) -> tuple[str, ...]:
    """Return English for a text whose letters are mostly Latin, else that nobody knows: the model reads English only."""
    letters = [sign for sign in text if sign.isalpha()]
    latin = sum(sign < "\u0250" for sign in letters)
    return _LANGUAGES if latin >= _LEAST_LATIN * len(letters) else (_UNDETERMINED,)


def _attributes(given: Any, *, drop: bool) -> tuple[Asked, ...]:  # noqa: ANN401
    if given is None or given == {}:
        raise RefusedComment("Missing requested_attributes", "NO_REQUESTED_ATTRIBUTES")
    asked = as_object(given, "requestedAttributes")
    known = {name: value for name, value in asked.items() if not drop or _is_attribute(name)}
    return tuple(Asked(_attribute(name), _threshold(name, value)) for name, value in known.items())


def _threshold(name: str, options: Any) -> float:  # noqa: ANN401
    where = f"requestedAttributes.{name}"
    known = _known(as_object(options, where), ("scoreType", "scoreThreshold"))
    kind = known.get("scoreType")
    if kind not in (None, "PROBABILITY", "SCORE_TYPE_UNSPECIFIED"):
        raise RefusedComment(f"Requested score type {kind!s:.40} is not supported by attribute {name}", "INVALID_REQUEST")
    threshold = known.get("scoreThreshold")
    return 0.0 if threshold is None else _share(threshold, f"{where}.scoreThreshold")


def _suggested(given: Any, where: str) -> float:  # noqa: ANN401
    """Return the score that is suggested for the whole comment, or the highest of its spans."""
    told = _known(as_object(given, where), ("summaryScore", "spanScores"))
    if told.get("summaryScore") is not None:
        return _score(told["summaryScore"], f"{where}.summaryScore")
    spans = as_list(told.get("spanScores"), f"{where}.spanScores")
    if not spans:
        raise wrong(f"{where}.spanScores", "a summaryScore, or spans with scores", spans)
    return max(
        _score(as_object(span, f"{where}.spanScores[{index}]").get("score"), f"{where}.spanScores[{index}].score")
        for index, span in enumerate(spans)
    )


def _score(given: Any, where: str) -> float:  # noqa: ANN401
    return _share(as_object(given, where).get("value"), f"{where}.value")


def _share(given: Any, where: str) -> float:  # noqa: ANN401
    number = float(bytes(given)) if isinstance(given, msgspec.Raw) else given
    if type(number) not in (int, float) or not math.isfinite(number) or not 0 <= number <= 1:
        raise wrong(where, "a number from 0 to 1", given)
    return float(number)


def _is_attribute(name: str) -> bool:
    return name.removesuffix(_EXPERIMENTAL) in ATTRIBUTES


def _attribute(name: str) -> str:
    if not _is_attribute(name):
        raise RefusedComment(f"Unknown requested attribute: {name[:60]}", "INVALID_REQUEST")
    return name


def _unsupported(attribute: str, languages: Sequence[str], detected: Sequence[str]) -> RefusedComment:
    named = ", ".join(languages or detected)
    about = {"detectedLanguages": list(detected), "requestedLanguages": list(languages), "attribute": attribute}
    return RefusedComment(
        f"Attribute {attribute} does not support request languages: {named[:80]}",
        "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE",
        {"languageNotSupportedByAttributeError": {name: value for name, value in about.items() if value}},
    )


def _optional(tree: Mapping[str, Any], name: str) -> str:
    value = tree.get(name)
    return "" if value is None else as_string(value, name)


def _known(tree: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return an object's fields by the names of `names`, whichever spelling they have; one that is not known is refused."""
    spelled = {spelling: name for name in names for spelling in (name, _CAPITAL.sub(lambda sign: "_" + sign[0], name).lower())}
    for name in tree:
        if name not in spelled:
            raise RefusedComment(
                f'Invalid JSON payload received. Unknown name "{name[:60]}": Cannot find field.', "INVALID_REQUEST"
            )
    return {spelled[name]: value for name, value in tree.items()}


def _probability(value: float) -> dict[str, Any]:
    return {"value": round(float(value), 8), "type": "PROBABILITY"}
