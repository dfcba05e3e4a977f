"""Which part of a record is its text, and which its id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from guard.errors import TenetError
from guard.formats import strict_json
from guard.formats.pointers import unescape


class Missing(Exception):
    """A record that lacks what was asked for; the message says what stands there instead."""


@dataclass(frozen=True)
class Field:
    """A place in a record.

    Attributes:
        name: A key, keys and indices joined by dots (`message.content`, `messages.0.content`), or a JSON pointer
            (`/messages/0/content`). A key that itself has dots is found too.
    """

    name: str

    def __post_init__(self) -> None:
        if not self.name or self.name.endswith((".", "/")) or self.name.startswith("."):
            raise TenetError(
                f'expected the name of a field, such as text, message.content or /messages/0/content, got "{self.name}"'
            )

    @cached_property
    def steps(self) -> tuple[str, ...]:
        """The keys and indices that lead there."""
        if self.name.startswith("/"):
            return tuple(unescape(segment) for segment in self.name[1:].split("/"))
        return tuple(self.name.split("."))

    def text(self, record: object) -> str:
        """Return the string that stands there.

        Raises:
            Missing: Where something else stands there, or nothing.
        """
        found = self._find(record)
        if not isinstance(found, str):
            raise Missing(f"expected a string at `{self.name}`, got {_kind(found)}")
        return found

    def id(self, record: object) -> bytes:
        """Return the string or number that stands there, as JSON.

        Raises:
            Missing: Where something else stands there, or nothing.
        """
        found = self._find(record)
        if isinstance(found, bool) or not isinstance(found, str | int | float | msgspec.Raw):
            raise Missing(f"expected a string or a number at `{self.name}`, got {_kind(found)}")
        return strict_json.encode(found)

    def value(self, record: object) -> object | None:
        """Return what stands there, whatever it is; None for nothing."""
        found = self._find(record)
        return None if found is _NOTHING else found

    def _find(self, record: object) -> object:
        if isinstance(record, Mapping) and self.name in record:
            return record[self.name]
        found: Any = record
        for step in self.steps:
            found = _below(found, step)
        return found


_NOTHING = object()


def _below(holder: object, step: str) -> object:
    if isinstance(holder, Mapping):
        return holder.get(step, _NOTHING)
    if isinstance(holder, list) and step.isascii() and step.isdigit() and int(step) < len(holder):
        return holder[int(step)]
    return _NOTHING


def _kind(value: object) -> str:
    if value is _NOTHING:
        return "nothing"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float | msgspec.Raw):
        return "a number"
    known = {str: "a string", dict: "an object", list: "a list", bytes: "bytes"}
    return next((words for type_, words in known.items() if isinstance(value, type_)), "something else")
