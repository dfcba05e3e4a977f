"""JSON read so that no two parsers can disagree about it, and written so that every number keeps its digits.

Duplicate keys, lone surrogates, invalid UTF-8, NaN, trailing data and deep nesting are refused. Numbers with a fraction or an
exponent stay as their source text (`msgspec.Raw`), so that what is written again is what was read.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import msgspec

from guard.errors import BadMessage
from guard.formats.fields import is_name

DEEPEST = 256
"""No limit may be above this: trees are walked by recursion."""

_DECODER = msgspec.json.Decoder(float_hook=msgspec.Raw)
_SQUARE = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"{}[]")
_HALF_PAIR = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])")
_KEY_END = re.compile(rb'"[ \t\r\n]*:')
_BYTE = re.compile(r" \(byte (\d+)\)$")


def decode(body: bytes, depth: int = 64) -> Any:  # noqa: ANN401
    """Return the tree of dicts, lists, strings, integers, `msgspec.Raw` numbers, booleans and None that `body` spells.

    Args:
        body: One JSON value in UTF-8, without a byte order mark.
        depth: Levels of nesting allowed, at most `DEEPEST`.

    Raises:
        BadMessage: With the line and column where they are known, and what was found.
    """
    depth = min(depth, DEEPEST)
    if body.count(b"{") + body.count(b"[") > depth and _is_deeper(_outside_strings(body), depth):
        raise BadMessage(f"the JSON is nested deeper than {depth} levels", code="json_too_deep")
    try:
        tree = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        _refuse(body, error)
    keys = _keys(tree)
    # The pattern also finds `":` inside strings, so only a surplus has to be looked at closely.
    if len(_KEY_END.findall(body)) != keys and _outside_strings(body).count(b":") != keys:
        raise BadMessage(f"the JSON has a duplicate key: {_duplicate(body)}", code="duplicate_key")
    return tree


def encode(tree: Any) -> bytes:  # noqa: ANN401
    """Return `tree` as compact JSON in UTF-8; keys keep their order and numbers their digits."""
    return msgspec.json.encode(tree)


def _keys(tree: Any) -> int:  # noqa: ANN401
    """Return how many keys the objects of `tree` have together."""
    count = 0
    waiting = [tree]
    for node in waiting:
        if type(node) is dict:
            count += len(node)
            waiting += [child for child in node.values() if type(child) is dict or type(child) is list]
        elif type(node) is list:
            waiting += [child for child in node if type(child) is dict or type(child) is list]
    return count


def _outside_strings(text: bytes) -> bytes:
    """Return what stands outside the strings of valid JSON: a colon there is a key, a bracket a level."""
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(text.split(b'"')[::2])


def _is_deeper(outside: bytes, depth: int) -> bool:
    """Return whether balanced brackets are nested deeper than `depth`; of others the decoder says what is wrong.

    Each pass takes the innermost level away.
    """
    brackets = outside.translate(_SQUARE, _NOT_BRACKETS)
    for _ in range(depth):
        shorter = brackets.replace(b"[]", b"")
        if len(shorter) == len(brackets):
            return False
        brackets = shorter
    return bool(brackets)


def _duplicate(body: bytes) -> str:
    """Return the first repeated key, quoted if it is a field's name: others are somebody's words, which no error may repeat."""
    repeated: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                repeated.append(key)
            seen.add(key)

    json.loads(body, object_pairs_hook=look)
    return json.dumps(repeated[0]) if is_name(repeated[0]) else "one that is no field's name"


def _refuse(body: bytes, error: Exception) -> NoReturn:
    """Say what is wrong with a body that does not decode."""
    if isinstance(error, RecursionError):
        raise BadMessage("the JSON is nested too deep", code="json_too_deep") from None
    if not body.strip():
        raise BadMessage("expected JSON, got an empty body", code="invalid_json")
    if body.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise BadMessage("expected JSON in UTF-8 without a byte order mark, got a byte order mark", code="invalid_json")
    try:
        body.decode()
    except UnicodeDecodeError as bad:
        place = _place(body, bad.start)
        raise BadMessage(f"{place}: expected UTF-8, got the byte 0x{body[bad.start]:02x}", code="invalid_unicode") from None
    reason = str(error).removeprefix("JSON is malformed: ")
    at = _BYTE.search(reason)
    half = _HALF_PAIR.search(body)
    if "surrogate" in reason or (half and "truncated" in reason):
        place = _place(body, half.start() if half else int(at[1]) if at else 0)
        raise BadMessage(f"{place}: expected a pair of surrogates, got half of one", code="invalid_unicode") from None
    place = _place(body, int(at[1]) if at else len(body))
    reason = reason[: at.start()] if at else reason
    raise BadMessage(f"{place}: expected JSON, got: {reason[0].lower()}{reason[1:]}", code="invalid_json") from None


def _place(body: bytes, at: int) -> str:
    """Return `line L, column C (byte N)`, the column in bytes."""
    line = body.count(b"\n", 0, at) + 1
    column = at - body.rfind(b"\n", 0, at)
    return f"line {line}, column {column} (byte {at})"
