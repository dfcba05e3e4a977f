"""OpenAI's moderation endpoint: `POST /v1/moderations`."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guard.categories import OPENAI
from guard.errors import BadMessage
from guard.formats import strict_json
from guard.formats.openai_request import read_object
from guard.formats.shape import as_object, as_string, wrong

MOST_INPUTS = 2048
"""Texts that one request may hold; each costs the answer more than a kilobyte, however short it is."""
_MODEL = "tenet"


@dataclass(frozen=True, slots=True)
class ModerationRequest:
    """What a client wants judged.

    Attributes:
        texts: One for each result: the input, each input of a list, or the joined text parts of one.
        model: The model asked for, which is named in the answer; "" where none was.
    """

    texts: tuple[str, ...]
    model: str = ""


def read_request(body: bytes, depth: int = 64) -> ModerationRequest:
    """Return the texts of a request. Raises BadMessage, for images too: they are not judged in this version."""
    tree = read_object(body, depth)
    model = tree.get("model")
    return ModerationRequest(_texts(tree.get("input")), "" if model is None else as_string(model, "model"))


def answer(
    request: ModerationRequest, scores: Sequence[Mapping[str, float]], thresholds: Mapping[str, float] | None = None
) -> bytes:
    """Return the answer.

    Args:
        scores: For each text, the highest score of each category over its windows, in [0, 1]. Categories of OpenAI's list that
            are missing score 0; others are added to it.
        thresholds: From which score a category is flagged; 0.5 where nothing is said.
    """
    return strict_json.encode(
        {
            "id": f"modr-{secrets.token_hex(12)}",
            "model": request.model or _MODEL,
            "results": [_result(of_one, thresholds or {}) for of_one in scores],
        }
    )


def _texts(given: Any) -> tuple[str, ...]:  # noqa: ANN401
    if type(given) is str:
        return (given,)
    if type(given) is not list or not given:
        raise wrong("input", "a string, a list of strings or a list of parts", given)
    if len(given) > MOST_INPUTS:
        raise BadMessage(f"input: expected at most {MOST_INPUTS} texts, got {len(given)}", code="too_many_inputs")
    if all(type(part) is str for part in given):
        return tuple(given)
    if any(type(part) in (int, list) for part in given):
        raise BadMessage("input: expected text, got token ids, which cannot be judged", code="token_ids")
    return ("".join(_part(part, f"input[{index}]") for index, part in enumerate(given)),)


def _part(part: Any, where: str) -> str:  # noqa: ANN401
    kind = as_string(as_object(part, where).get("type"), f"{where}.type")
    if kind == "image_url":
        raise BadMessage(f"{where}: images are not judged in this version; send text", code="unsupported_input")
    if kind != "text":
        raise BadMessage(f'{where}.type: expected "text", got another type', code="invalid_value")
    return as_string(part.get("text"), f"{where}.text")


def _result(scores: Mapping[str, float], thresholds: Mapping[str, float]) -> dict[str, Any]:
    names = [*OPENAI, *sorted(set(scores) - set(OPENAI))]
    exceeded = {name: name in scores and scores[name] >= thresholds.get(name, 0.5) for name in names}
    return {
        "flagged": any(exceeded.values()),
        "categories": exceeded,
        "category_scores": {name: round(float(scores.get(name, 0.0)), 6) for name in names},
        "category_applied_input_types": {name: ["text"] for name in names},
    }
