"""Events of OpenAI-shaped streams: read into parts, one for each choice, and written again.

An event is split where it speaks of several choices, or where its envelope carries words of its own, which then travel in a part
that belongs to no choice. Keys outside the vocabulary, sounds, token ids, and log probabilities that do not spell the event's
text are left out: a stream cannot hold them until they are judged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from guard.formats import carriers, logprobs, strict_json, walk
from guard.formats.base import Delta, Part, Piece
from guard.formats.pointers import clone, replaced, without
from guard.formats.shape import as_object, as_string, objects, wrong
from guard.formats.sse import event
from guard.formats.walk import Speaker
from guard.media import Media
from guard.values import Role

_HERE = "/choices/0"
"""A part holds one choice, so this is where it stands."""
_CALLS = ("tool_calls", "function_call")
_SPOKEN_PART = re.compile(r"content/[0-9]+/(?:text|refusal|thinking)")
"""The parts of a content continue one text, as in a message that is complete."""
SPELLED_IN_NUMBERS = ("token_ids", "prompt_token_ids")
"""Fields of a choice that say its text again, in a vocabulary's numbers."""
_ENVELOPE_OF_A_CHOICE = frozenset(("index", "delta", "text", "logprobs"))


class Body(NamedTuple):
    """Where a stream's choices carry their text.

    Attributes:
        field: `delta`, or "" where it is the choice itself.
        spelled: The strings there that log probabilities may spell.
    """

    field: str
    spelled: tuple[str, ...]

    @property
    def pointer(self) -> str:
        """Where the strings of a part stand."""
        return f"{_HERE}/{self.field}" if self.field else _HERE

    def of(self, choice: dict[str, Any]) -> dict[str, Any]:
        """Return the object that carries the text of `choice`."""
        inner = choice.get(self.field) if self.field else choice
        return inner if type(inner) is dict else {}


def read_parts(tree: dict[str, Any], raw: bytes | None, body: Body) -> list[Part]:
    """Return what an event says, in the order of its choices; what belongs to none comes last.

    Args:
        tree: The event's JSON.
        raw: Its bytes, or None where they may not be sent as they are.
        body: Where the format carries its text.

    Raises:
        BadMessage: Where the event has not the shape of its format.
    """
    choices = [] if tree.get("choices") is None else objects(tree["choices"], "choices")
    envelope, kept = _envelope(tree)
    if not choices:
        return [_beside(envelope, kept, raw if kept is tree else None)]
    loud = {piece.pointer.split("/")[1] for piece in envelope}
    quiet = {key: value for key, value in kept.items() if key not in loud and key != "choices"} if loud else kept
    parts = []
    for position, choice in enumerate(choices):
        single = len(choices) == 1 and not loud and kept is tree
        last = position == len(choices) - 1
        parts.append(_part(choice, position, tree if single else _with(quiet, usage=last), raw if single else None, body))
    if loud:
        beside = {**_with(kept, usage="usage" in loud), "choices": []}
        parts.append(_beside(envelope, beside, None))
    return parts


def write_part(part: Part, texts: Mapping[str, str | None]) -> bytes:
    """Return the event of `part`, with the strings at the given pointers replaced; see `Format.write_part`."""
    if not texts and part.raw is not None:
        return part.raw
    tree = replaced(part.tree, texts) if texts else clone(part.tree)
    for choice in tree.get("choices") or []:
        if texts and choice.get("logprobs") is not None:
            choice["logprobs"] = None
        if not part.ends and choice.get("finish_reason"):
            choice["finish_reason"] = None
            tree.pop("usage", None)
        if type(choice.get("delta")) is dict:
            _drop_emptied_calls(choice["delta"], part, texts)
    return event(strict_json.encode(tree))


def _envelope(tree: dict[str, Any]) -> tuple[list[Piece], dict[str, Any]]:
    """Return the strings of an event that stand outside its choices, and the event without keys that nobody knows."""
    found: list[Piece] = []
    walk.entries(tree, "", found, ("choices",))
    keys = [piece.pointer for piece in found if piece.key]
    return (found, tree) if not keys else _envelope(without(tree, keys))


def _with(envelope: dict[str, Any], *, usage: bool) -> dict[str, Any]:
    """Return an envelope for one of several parts; token counts go with the last, so that nobody counts them twice."""
    return {key: value for key, value in envelope.items() if usage or key != "usage"}


def _part(choice: dict[str, Any], position: int, envelope: dict[str, Any], raw: bytes | None, body: Body) -> Part:
    _check(choice, position, body)
    kept, found = _judged(choice, body)
    if kept is not choice:
        raw = None
    if raw is None:
        envelope = {**envelope, "choices": [kept]}
    inner = body.of(kept)
    deltas = tuple([_delta(piece, inner, body) for piece in found if not piece.medium])
    ends = bool(kept.get("finish_reason"))
    bare = bool(deltas) and not ends and envelope.get("usage") is None and _is_bare(kept, inner, deltas, body)
    index = kept.get("index")
    once = (f"{body.pointer}/role",) if "role" in inner else ()
    number = position if index is None else index
    carried = [*carriers.of_message(inner, body.pointer), *found]
    return Part(number, deltas, ends, envelope, raw, bare, once, _media(carried, number))


def _check(choice: dict[str, Any], position: int, body: Body) -> None:
    where = f"choices[{position}]"
    index = choice.get("index")
    if index is not None and (type(index) is not int or index < 0):
        raise wrong(f"{where}.index", "a whole number", index)
    if body.field and choice.get(body.field) is not None:
        delta = as_object(choice[body.field], f"{where}.{body.field}")
        if any(delta.get(field) for field in _CALLS):
            _check_calls(delta, f"{where}.{body.field}")


def _check_calls(delta: dict[str, Any], where: str) -> None:
    calls = objects(delta.get("tool_calls") or [], f"{where}.tool_calls")
    for call in calls:
        if call.get("index") is not None and type(call["index"]) is not int:
            raise wrong(f"{where}.tool_calls.index", "a whole number", call["index"])
    for function in [*(call.get("function") for call in calls), delta.get("function_call")]:
        if function is not None:
            for field in ("name", "arguments"):
                if as_object(function, f"{where}.function").get(field) is not None:
                    as_string(function[field], f"{where}.function.{field}")


def _judged(choice: dict[str, Any], body: Body) -> tuple[dict[str, Any], list[Piece]]:
    """Return the choice without what a stream cannot hold, and the strings in it."""
    found: list[Piece] = []
    walk.entries(choice, _HERE, found, ("logprobs",))
    keys = [piece.pointer for piece in found if piece.key]
    if keys:
        bare = without({"choices": [choice]}, keys)["choices"][0]
        return _judged(bare, body)
    inner = body.of(choice)
    spoken = {field: inner[field] if type(inner.get(field)) is str else "" for field in body.spelled}
    if not logprobs.faithful(choice.get("logprobs"), spoken):
        return _judged({**choice, "logprobs": None}, body)
    numbers = [field for field in SPELLED_IN_NUMBERS if choice.get(field) is not None]
    if numbers:
        return _judged({**choice, **dict.fromkeys(numbers)}, body)
    sound = inner.get("audio")
    if type(sound) is dict and sound.get("data") is not None:
        silent = {key: value for key, value in sound.items() if key != "data"}
        return _judged({**choice, body.field: {**inner, "audio": silent}}, body)
    return choice, found


def _beside(found: Sequence[Piece], tree: dict[str, Any], raw: bytes | None) -> Part:
    """Return the part of what belongs to no choice."""
    deltas = [Delta(piece.pointer[1:], Role.ASSISTANT, piece.text, piece.pointer) for piece in found if not piece.medium]
    return Part(None, tuple(deltas), False, tree, raw, bare=False, media=_media(found, None))


def _media(found: Sequence[Piece], choice: int | None) -> tuple[Media, ...]:
    named: dict[str, Piece] = {}
    for piece in found:
        if piece.medium:
            named.setdefault(piece.pointer, piece)
    return tuple([walk.medium_of(piece, Speaker(Role.ASSISTANT, choice)) for piece in named.values()])


def _delta(piece: Piece, inner: dict[str, Any], body: Body) -> Delta:
    below = body.pointer + "/"
    if not piece.pointer.startswith(below):
        return Delta(piece.pointer[1:], Role.ASSISTANT, piece.text, piece.pointer)
    track = piece.pointer[len(below) :]
    field, _, rest = track.partition("/")
    if _SPOKEN_PART.fullmatch(track):
        track = "content"
    if field not in _CALLS or not body.field:
        return Delta(track, Role.ASSISTANT, piece.text, piece.pointer)
    if field == "tool_calls":
        position, _, rest = rest.partition("/")
        index = inner[field][int(position)].get("index")
        track = f"{field}/{position if index is None else index}/{rest}"
    return Delta(track, Role.TOOL_CALL, piece.text, piece.pointer, whole=True)


def _is_bare(choice: dict[str, Any], inner: dict[str, Any], deltas: Sequence[Delta], body: Body) -> bool:
    """Return whether a choice says nothing beyond the strings that stand directly in it."""
    direct = {f"{body.pointer}/{key}" for key, value in inner.items() if value not in (None, "")}
    if not body.field:
        direct -= {f"{_HERE}/{key}" for key in _ENVELOPE_OF_A_CHOICE - {"text"}}
    beside = any(value not in (None, "", {}) for key, value in choice.items() if key not in _ENVELOPE_OF_A_CHOICE)
    return not beside and direct <= {delta.pointer for delta in deltas}


def _drop_emptied_calls(delta: dict[str, Any], part: Part, texts: Mapping[str, str | None]) -> None:
    """Take calls out whose every string was taken out, with their ids: nobody is to see that they were made."""
    gone = {entry.pointer for entry in part.deltas if entry.whole and texts.get(entry.pointer, "") is None}
    held = {entry.pointer for entry in part.deltas if entry.whole} - gone
    calls = delta.get("tool_calls") or []
    kept = []
    for position, call in enumerate(calls):
        prefix = f"{_HERE}/delta/tool_calls/{position}/"
        if any(pointer.startswith(prefix) for pointer in held) or not any(pointer.startswith(prefix) for pointer in gone):
            kept.append(call)
    if len(kept) < len(calls):
        delta["tool_calls"] = kept
        if not kept:
            del delta["tool_calls"]
    if gone and delta.get("function_call") == {}:
        del delta["function_call"]
