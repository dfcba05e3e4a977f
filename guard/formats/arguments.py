"""The arguments of a tool call: JSON inside a string, judged leaf by leaf.

A leaf is a string, a number as its source text, or a key. Arguments that are no strict JSON are one text as they stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from guard.errors import BadMessage
from guard.formats import strict_json
from guard.formats.base import Piece
from guard.formats.pointers import escape, key_of, replaced_in_text


def split(text: str) -> tuple[Piece, ...]:
    """Return the leaves of `text`, their pointers being relative to it; one piece at `""` where it does not parse."""
    parsed, tree = _parse(text)
    if not parsed:
        return (Piece("", text),) if text else ()
    found: list[Piece] = []
    _leaves(tree, "", found)
    return tuple(found)


def join(text: str, changes: Mapping[str, str]) -> str:
    """Return `text` with the leaves at the given pointers replaced and escaped; a replaced number becomes a string.

    Raises:
        BadMessage: Where a key would have to change.
    """
    parsed, _ = _parse(text)
    if not parsed:
        return changes.get("", text)
    return replaced_in_text(text, changes)


def pieces_of(value: Any, pointer: str) -> list[Piece]:  # noqa: ANN401
    """Return the leaves of the arguments that stand at `pointer`, a string of JSON or JSON itself, with their pointers."""
    found: list[Piece] = []
    if type(value) is not str:
        _leaves(value, pointer, found)
        return found
    parsed, tree = _parse(value)
    if not parsed:
        return [Piece(pointer, value)] if value else []
    _leaves(tree, pointer + "#", found)
    return found


def _parse(text: str) -> tuple[bool, Any]:
    try:
        return True, strict_json.decode(text.encode(errors="surrogatepass"))
    except BadMessage:
        return False, None


def _leaves(value: Any, pointer: str, found: list[Piece]) -> None:  # noqa: ANN401
    if type(value) is str:
        if value:
            found.append(Piece(pointer, value))
    elif type(value) is dict:
        for key, child in value.items():
            where = f"{pointer}/{escape(key)}"
            if key:
                found.append(Piece(key_of(where), key, key=True))
            _leaves(child, where, found)
    elif type(value) is list:
        for index, child in enumerate(value):
            _leaves(child, f"{pointer}/{index}", found)
    elif type(value) is int:
        found.append(Piece(pointer, str(value)))
    elif type(value) is msgspec.Raw:
        found.append(Piece(pointer, bytes(value).decode()))
