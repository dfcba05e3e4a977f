"""JSON pointers (RFC 6901), and changing a tree's strings by them without touching the tree.

Two things are added to the standard. `#` stands between the pointer of a string and a pointer into the JSON which that string
holds, so a `#` inside a key is written `~2`. A trailing `~`, which no escaped key can end with, means the key itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from guard.errors import BadMessage
from guard.formats import strict_json


def escape(key: str) -> str:
    """Return `key` as a segment of a pointer."""
    if "~" in key or "/" in key or "#" in key:
        return key.replace("~", "~0").replace("/", "~1").replace("#", "~2")
    return key


def unescape(segment: str) -> str:
    """Return the key that `segment` stands for."""
    return segment.replace("~2", "#").replace("~1", "/").replace("~0", "~") if "~" in segment else segment


def key_of(pointer: str) -> str:
    """Return the pointer of the key of the entry at `pointer`."""
    return pointer + "~"


def clone(tree: Any) -> Any:  # noqa: ANN401
    """Return a copy that shares only what cannot change."""
    if type(tree) is dict:
        return {key: clone(child) for key, child in tree.items()}
    if type(tree) is list:
        return [clone(child) for child in tree]
    return tree


def replaced(tree: Any, changes: Mapping[str, str | None]) -> Any:  # noqa: ANN401
    """Return a copy of `tree` with the strings at the given pointers replaced.

    None takes an entry out of its object; in a list it leaves an empty string, so that other pointers stay true.
    A number inside a string's JSON becomes a string.

    Raises:
        BadMessage: Where a pointer means a key: a key cannot be changed.
        LookupError: Where a pointer leads nowhere.
    """
    box = [clone(tree)]
    inside: dict[str, dict[str, str | None]] = {}
    for pointer, text in changes.items():
        _refuse_key(pointer)
        outer, nested, inner = pointer.partition("#")
        if nested:
            inside.setdefault(outer, {})[inner] = text
        else:
            _put(box, "/0" + outer, text)
    for outer, inner_changes in inside.items():
        holder, place = _find(box, "/0" + outer)
        holder[place] = replaced_in_text(holder[place], inner_changes)
    return box[0]


def replaced_in_text(source: str, changes: Mapping[str, str | None]) -> str:
    """Return the JSON text `source` with the strings at the given pointers into it replaced and escaped again."""
    tree = strict_json.decode(source.encode(), strict_json.DEEPEST)
    return strict_json.encode(replaced(tree, changes)).decode()


def without(tree: Any, keys: list[str]) -> Any:  # noqa: ANN401
    """Return a copy of `tree` without the entries whose keys the pointers `keys` (of `key_of`) mean."""
    box = [clone(tree)]
    for pointer in sorted(keys, key=len, reverse=True):
        holder, place = _find(box, "/0" + pointer[:-1])
        del holder[place]
    return box[0]


def _refuse_key(pointer: str) -> None:
    if pointer.endswith("~"):
        raise BadMessage("the key of an object cannot be redacted", code="key_not_redactable")


def _put(box: list[Any], pointer: str, text: str | None) -> None:
    holder, place = _find(box, pointer)
    if text is None and type(holder) is dict:
        del holder[place]
    else:
        holder[place] = "" if text is None else text


def _find(tree: Any, pointer: str) -> tuple[Any, Any]:  # noqa: ANN401
    """Return the object or list that holds what `pointer` means, and its key or index there."""
    *path, last = pointer.split("/")[1:]
    for segment in path:
        tree = tree[_step(tree, segment)]
    place = _step(tree, last)
    tree[place]  # a pointer that leads nowhere must not add an entry
    return tree, place


def _step(holder: Any, segment: str) -> str | int:  # noqa: ANN401
    return int(segment) if type(holder) is list else unescape(segment)
