"""Say where a message has not the shape that its format asks for: the path, what was expected, what was found."""

from __future__ import annotations

from typing import Any

import msgspec

from guard.errors import BadMessage


def wrong(where: str, expected: str, got: Any) -> BadMessage:  # noqa: ANN401
    """Return the error for a value of the wrong kind; it names the kind found, never the value."""
    return BadMessage(f"{where}: expected {expected}, got {kind(got)}", code="invalid_type")


def kind(value: Any) -> str:  # noqa: ANN401
    """Return what a JSON value is, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "a string" if value else "an empty string"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    return "a number" if isinstance(value, int | msgspec.Raw) else type(value).__name__


def as_object(value: Any, where: str) -> dict[str, Any]:  # noqa: ANN401
    """Return `value` if it is an object. Raises BadMessage."""
    if type(value) is not dict:
        raise wrong(where, "an object", value)
    return value


def as_list(value: Any, where: str) -> list[Any]:  # noqa: ANN401
    """Return `value` if it is a list. Raises BadMessage."""
    if type(value) is not list:
        raise wrong(where, "a list", value)
    return value


def as_string(value: Any, where: str) -> str:  # noqa: ANN401
    """Return `value` if it is a string. Raises BadMessage."""
    if type(value) is not str:
        raise wrong(where, "a string", value)
    return value


def as_flag(value: Any, where: str) -> bool:  # noqa: ANN401
    """Return `value` if it is a boolean; null counts as false. Raises BadMessage."""
    if value is not None and type(value) is not bool:
        raise wrong(where, "true or false", value)
    return bool(value)


def objects(value: Any, where: str) -> list[dict[str, Any]]:  # noqa: ANN401
    """Return `value` if it is a list of objects. Raises BadMessage."""
    return [as_object(child, f"{where}[{index}]") for index, child in enumerate(as_list(value, where))]
