"""A document's values, each with its place in the file, so that any later mistake can be pointed at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from guard.errors import Problem


class Invalid(Enum):
    """Stands for a value that was found wrong and reported, so that nothing later stumbles over it."""

    INVALID = "invalid"


Scalar = None | bool | int | float | str
Value = Scalar | Invalid | dict[str, "Node"] | list["Node"]


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A value of a document and its place.

    Attributes:
        where: The file, as the user named it.
        line: 1-based, as is `column`.
        path: Such as `rules[3].threshold`.
        keys: For a mapping: where each key stands.
        text_at: For a text that stands in the file as it reads: line and column of its first character.
        size: How many nodes it holds, itself included and aliases written out.
    """

    value: Value
    where: str
    line: int
    column: int
    path: str = ""
    keys: Mapping[str, Node] = field(default_factory=dict)
    text_at: tuple[int, int] | None = None
    size: int = 1

    @property
    def shown(self) -> str:
        """The value, quoted and shortened, as messages show it."""
        if isinstance(self.value, dict):
            return "a mapping"
        if isinstance(self.value, list):
            return "a list"
        return quoted(self.value)

    @property
    def plain(self) -> Any:  # noqa: ANN401
        """The value as plain Python values."""
        if isinstance(self.value, dict):
            return {key: node.plain for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain for node in self.value]
        return self.value

    def problem(self, expected: str, got: str | None = None, hint: str = "") -> Problem:
        """Return a mistake at this place."""
        return Problem(self.where, self.line, self.column, self.path, expected, self.shown if got is None else got, hint)


def quoted(value: object) -> str:
    """Return a scalar as JSON would write it, shortened to 60 characters; "nothing" for null."""
    if value is None:
        return "nothing"
    written = json.dumps(value, ensure_ascii=False) if isinstance(value, str | bool | int | float) else str(value)
    return written if len(written) <= 60 else f"{written[:56]}…" + ('"' if isinstance(value, str) else "")
