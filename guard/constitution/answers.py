"""What a language model answers, read strictly: one JSON object of the wanted form, or nothing.

An answer may begin with its reasoning in `<think>…</think>`, and may stand in a code fence; there must be nothing else. Errors
say what was expected and never what was answered, since that repeats what was judged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from guard.errors import TenetError


class Unreadable(TenetError):
    """An answer of a language model that is not what it was asked for."""


class Verdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a text breaks a principle.

    Attributes:
        confidence: How sure the model says it is of this verdict, in [0, 1].
        quote: The words that break the principle, as they stand in the text; may be empty.
    """

    violates: bool
    confidence: Annotated[float, msgspec.Meta(ge=0, le=1)]
    quote: str = ""


class Critique(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is wrong with an answer by a principle; `violates` is false where nothing is."""

    violates: bool
    critique: str


class Revision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An answer, rewritten."""

    revision: Annotated[str, msgspec.Meta(min_length=1)]


class Preference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which of two answers follows the principles better."""

    better: Literal["first", "second", "equal"]
    confidence: Annotated[float, msgspec.Meta(ge=0, le=1)]


Answer = TypeVar("Answer", Verdict, Critique, Revision, Preference)

_THOUGHT = re.compile(r"\s*<think>.*?</think>", re.DOTALL)
_THOUGHT_BEGUN_BY_TEMPLATE = re.compile(r"(?!\s*(?:\{|```)).*?</think>", re.DOTALL)
_FENCED = re.compile(r"\s*```(?:json)?[ \t]*\n(.*)\n?```\s*", re.DOTALL)
_DECLINING = re.compile(
    r"\s*(?:(?:i['’]?m|i am) (?:very |really |so )?(?:sorry|unable|not able)|sorry\b"
    r"|(?:i|we) (?:can['’]?t|cannot|can not|won['’]?t|will not)\b|i apologi[sz]e|as an ai\b|unfortunately,? i)",
    re.IGNORECASE,
)


def read(form: type[Answer], answer: str | Mapping[str, Any]) -> Answer:
    """Return the answer as a value of `form`.

    Args:
        form: `Verdict`, `Critique`, `Revision` or `Preference`.
        answer: What the model wrote, or the arguments of its tool call.

    Raises:
        Unreadable: For anything else than exactly one object with exactly the wanted fields.
    """
    tree = only_object(answer) if isinstance(answer, str) else answer
    try:
        return msgspec.convert(tree, form)
    except msgspec.ValidationError as error:
        wanted = ", ".join(f"`{name}`" for name in form.__struct_fields__)
        raise Unreadable(f"expected a JSON object with {wanted}, got another one") from error


def only_object(answer: str) -> dict[str, Any]:
    """Return the one JSON object that an answer consists of, its reasoning left out.

    Raises:
        Unreadable: Where there is no object, more than one, a key twice, or other words beside it.
    """
    text = without_thought(answer)
    fenced = _FENCED.fullmatch(text)
    try:
        tree = json.loads(fenced[1] if fenced else text, object_pairs_hook=_once, parse_constant=_no_constant)
    except Unreadable:
        raise
    except (ValueError, RecursionError) as error:
        if is_refusal(text):
            raise Unreadable("the model declined to answer") from error
        raise Unreadable("expected one JSON object and nothing beside it") from error
    if not isinstance(tree, dict):
        raise Unreadable("expected a JSON object, got another JSON value")
    return tree


def without_thought(answer: str) -> str:
    """Return an answer without the reasoning before it, also where the model's template had begun that already.

    Raises:
        Unreadable: Where the reasoning does not end.
    """
    thought = _THOUGHT.match(answer) or _THOUGHT_BEGUN_BY_TEMPLATE.match(answer)
    rest = answer[thought.end() :] if thought else answer
    if rest.lstrip().startswith("<think>"):
        raise Unreadable("expected an answer after the reasoning, got reasoning without an end")
    return rest.strip()


def is_refusal(answer: str) -> bool:
    """Return whether an answer begins as models begin that decline to answer."""
    return _DECLINING.match(answer) is not None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise Unreadable("expected each key once, got one twice")
    return dict(pairs)


def _no_constant(_name: str) -> Any:  # noqa: ANN401
    raise Unreadable("expected numbers that JSON knows")
