"""The texts of one chat message, of a conversation's history or of an answer."""

from __future__ import annotations

from typing import Any

from guard.formats import arguments, carriers, walk
from guard.formats.base import Piece, Text
from guard.formats.walk import Speaker
from guard.values import Role

_SPOKEN = ("text", "refusal", "thinking")
"""Fields of a content part that hold words."""
_OWN = ("content", "tool_calls", "function_call")
"""Fields of a message that are read here."""
_CALLEES = ("function", "custom")
"""Fields of a call that say which tool is called, with what."""
_CALLED = ("arguments", "input")
"""Fields of a call that hold what a tool is given."""


def message_texts(message: dict[str, Any], pointer: str, speaker: Speaker) -> list[Text]:
    """Return every text of a message.

    The text parts of one content are one text, whatever stands between them, so that an image between two halves hides nothing.
    Images and sounds are among them, as pieces with a medium.

    Args:
        message: An object; fields of an unexpected type are walked like unknown ones.
        pointer: Where it stands.
        speaker: Whose words its content is; calls of tools are always of the role `tool_call`.
    """
    texts = walk.as_texts(carriers.of_message(message, pointer), speaker)
    if "content" in message:
        texts += _content_texts(message["content"], f"{pointer}/content", speaker)
    calls = message.get("tool_calls")
    if type(calls) is list:
        for index, call in enumerate(calls):
            texts += _call_texts(call, "tool_calls", f"{pointer}/tool_calls/{index}", speaker)
    elif calls is not None:
        texts += _call_texts(calls, "tool_calls", f"{pointer}/tool_calls", speaker)
    if message.get("function_call") is not None:
        texts += _call_texts(message["function_call"], "function_call", f"{pointer}/function_call", speaker)
    found: list[Piece] = []
    walk.entries(message, pointer, found, _OWN)
    return texts + walk.as_texts(found, speaker)


def _content_texts(content: Any, pointer: str, speaker: Speaker) -> list[Text]:  # noqa: ANN401
    if type(content) is str:
        return [Text((Piece(pointer, content),), *speaker)] if content else []
    spoken: list[Piece] = []
    others: list[Piece] = []
    if type(content) is list:
        for index, part in enumerate(content):
            _part(part, f"{pointer}/{index}", spoken, others)
    else:
        walk.strings(content, "content", pointer, others)
    joined = [Text(tuple(spoken), *speaker)] if spoken else []
    return joined + walk.as_texts(others, speaker)


def _part(part: Any, pointer: str, spoken: list[Piece], others: list[Piece]) -> None:  # noqa: ANN401
    """Sort the strings of one content part into what is spoken and what only stands beside it."""
    if type(part) is not dict:
        walk.strings(part, "content", pointer, spoken)
        return
    heard = {key for key in _SPOKEN if type(part.get(key)) is str}
    spoken += [Piece(f"{pointer}/{key}", part[key]) for key in _SPOKEN if key in heard and part[key]]
    walk.entries(part, pointer, others, heard)


def _call_texts(call: Any, field: str, pointer: str, speaker: Speaker) -> list[Text]:  # noqa: ANN401
    """Return the texts of a call: `{id, type, function: {name, arguments}}`, its custom form, or the old function call."""
    found: list[Piece] = []
    _call(call, field, pointer, found)
    return walk.as_texts(found, speaker._replace(role=Role.TOOL_CALL))


def _call(call: Any, field: str, pointer: str, found: list[Piece]) -> None:  # noqa: ANN401
    if type(call) is not dict:
        walk.strings(call, field, pointer, found)
        return
    for key in _CALLED:
        if key in call:
            found += arguments.pieces_of(call[key], f"{pointer}/{key}")
    for key in _CALLEES:
        if key in call:
            _call(call[key], key, f"{pointer}/{key}", found)
    walk.entries(call, pointer, found, (*_CALLED, *_CALLEES))
