"""A small language for saying what a document may hold, and the check of a document against it.

A check reports every mistake and returns the document with what was wrong put out of the way, so that later steps can go on
and find the other mistakes.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from guard.errors import Problem
from guard.policy.node import Invalid, Node, Value


class Shape(Protocol):
    """What a value may be."""

    @property
    def expected(self) -> str:
        """The shape in words, for messages and documentation."""
        ...

    def check(self, node: Node, problems: list[Problem]) -> Node:
        """Return the node in its one normal form; what is wrong is added to `problems` and marked invalid."""
        ...


@dataclass(frozen=True, slots=True)
class Text:
    """A text.

    Attributes:
        expected: The shape in words.
        pattern: What it must match in full; empty for any text that is not blank.
        longest: In characters.
    """

    expected: str = "a text"
    pattern: str = ""
    longest: int = 4_000

    def check(self, node: Node, problems: list[Problem]) -> Node:
        """Refuse what is no text, and blank or overlong ones."""
        if not isinstance(node.value, str):
            hint = f'put it in quotes: "{node.shown}"' if isinstance(node.value, bool | int | float) else ""
            return refuse(node, self.expected, problems, hint=hint)
        if len(node.value) > self.longest:
            return refuse(node, f"at most {self.longest:,} characters", problems, got=f"{len(node.value):,}")
        fits = re.fullmatch(self.pattern, node.value) if self.pattern else node.value.strip()
        return node if fits else refuse(node, self.expected, problems)


@dataclass(frozen=True, slots=True)
class Word:
    """One of some words.

    Attributes:
        later: Words that are understood but not built yet, each with what to use instead.
        meanings: What the words mean, for those that need saying.
    """

    choices: tuple[str, ...]
    later: Mapping[str, str] = field(default_factory=dict)
    meanings: Mapping[str, str] = field(default_factory=dict)

    @property
    def expected(self) -> str:
        """The choices, as a sentence has them."""
        return listed(self.choices)

    def check(self, node: Node, problems: list[Problem]) -> Node:
        """Refuse any other word, and suggest the nearest."""
        if isinstance(node.value, str):
            if node.value in self.choices:
                return node
            if node.value in self.later:
                return refuse(node, self.expected, problems, hint=f"not available in this version; {self.later[node.value]}")
            return refuse(node, self.expected, problems, hint=did_you_mean(node.value, self.choices))
        return refuse(node, self.expected, problems)


@dataclass(frozen=True, slots=True)
class Number:
    """A number within bounds, both allowed."""

    minimum: float | None = None
    maximum: float | None = None
    integer: bool = False

    @property
    def expected(self) -> str:
        """The kind of number and its bounds."""
        kind = "a whole number" if self.integer else "a number"
        if self.minimum is not None and self.minimum == self.maximum:
            return _written(self.minimum)
        if self.minimum is not None and self.maximum is not None:
            return f"{kind} in [{_written(self.minimum)}, {_written(self.maximum)}]"
        if self.minimum is not None:
            return f"{kind} of at least {_written(self.minimum)}"
        return f"{kind} of at most {_written(self.maximum)}" if self.maximum is not None else kind

    def check(self, node: Node, problems: list[Problem]) -> Node:
        """Refuse what is no number or out of bounds; a text that reads as one is pointed out."""
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int if self.integer else int | float):
            quoted_number = isinstance(value, str) and re.fullmatch(r"[-+]?[0-9]*\.?[0-9]+", value)
            return refuse(node, self.expected, problems, hint=f"without quotes: {value}" if quoted_number else "")
        low = self.minimum is not None and value < self.minimum
        high = self.maximum is not None and value > self.maximum
        return refuse(node, self.expected, problems) if low or high else node


@dataclass(frozen=True, slots=True)
class Truth:
    """True or false."""

    expected: str = "true or false"

    def check(self, node: Node, problems: list[Problem]) -> Node:
        """Refuse what is neither; the words that older YAML took for truth values are pointed out."""
        if isinstance(node.value, bool):
            return node
        meant = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
        word = meant.get(node.value.lower()) if isinstance(node.value, str) else None
        return refuse(node, self.expected, problems, hint=f"{node.value} is a text in YAML 1.2; write {word}" if word else "")


@dataclass(frozen=True, slots=True)
class Anything:
    """Whatever stands there."""

    expected: str = "anything"

    def check(self, node: Node, problems: list[Problem]) -> Node:
        """Accept it."""
        return node


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list.

    Attributes:
        single: Whether one item may stand without the list around it; the normal form is a list.
        empty: Whether it may have no items.
    """

    item: Shape
    single: bool = False
    empty: bool = True

    @property
    def expected(self) -> str:
        """The items, and whether one of them will do."""
        return f"{self.item.expected}, or a list of such" if self.single else f"a list ({self.item.expected})"

    def check(self, node: Node, problems: list[Problem]) -> Node:
        """Check every item."""
        if isinstance(node.value, list):
            if not node.value and not self.empty:
                return refuse(node, self.expected, problems, got="an empty list")
            return replace(node, value=[self.item.check(item, problems) for item in node.value])
        if self.single:
            item = self.item.check(node, problems)
            return item if item.value is Invalid.INVALID else replace(node, value=[item])
        return refuse(node, self.expected, problems)


@dataclass(frozen=True, slots=True)
class Field:
    """A key of a record: the shape of its value, and what it means in one line.

    Attributes:
        default: What holds where the key is absent, as it would be written; None where nothing does, or where that depends.
    """

    shape: Shape
    summary: str
    required: bool = False
    default: Any = None


@dataclass(frozen=True, slots=True)
class Record:
    """A mapping with known keys.

    Attributes:
        word: The key that a bare word stands for: with `with`, `mask` means `{with: mask}`; empty where a mapping is needed.
        later: Keys that are understood but not built yet, each with what to use instead.
        open: Whether keys that are not listed are left to a later check.
    """

    fields: Mapping[str, Field]
    word: str = ""
    later: Mapping[str, str] = field(default_factory=dict)
    open: bool = False

    @property
    def expected(self) -> str:
        """A mapping, or the word it may be cut down to."""
        return f"{self.fields[self.word].shape.expected}, or a mapping" if self.word else "a mapping"

    def check(self, node: Node, problems: list[Problem]) -> Node:
        """Check every key; unknown ones are dropped, with the nearest known one suggested."""
        if self.word and isinstance(node.value, str):
            return replace(node, value={self.word: self.fields[self.word].shape.check(node, problems)}, keys={self.word: node})
        if not isinstance(node.value, dict):
            return refuse(node, self.expected, problems)
        checked: dict[str, Node] = {}
        for key, value in node.value.items():
            if key in self.fields:
                checked[key] = self.fields[key].shape.check(value, problems)
            elif key in self.later:
                problems.append(node.keys[key].problem("a key that this version has", hint=f"not available; {self.later[key]}"))
            elif self.open:
                checked[key] = value
            else:
                hint = did_you_mean(key, self.fields) or f"known here: {', '.join(self.fields)}"
                problems.append(node.keys[key].problem("a known key", hint=hint))
        missing = [key for key, known in self.fields.items() if known.required and key not in node.value]
        problems.extend(node.problem(f"the key `{key}`", "none", self.fields[key].summary) for key in missing)
        invalid = {key: replace(node, value=Invalid.INVALID) for key in missing}
        return replace(node, value={**checked, **invalid})


@dataclass(frozen=True, slots=True)
class MapOf:
    """A mapping from names of the user's own to values of one shape."""

    name: Text
    item: Shape

    @property
    def expected(self) -> str:
        """What the names stand for."""
        return f"a mapping from names to {self.item.expected}"

    def check(self, node: Node, problems: list[Problem]) -> Node:
        """Check every name and every value."""
        if not isinstance(node.value, dict):
            return refuse(node, self.expected, problems)
        checked: Value = {
            key: self.item.check(value, problems)
            for key, value in node.value.items()
            if self.name.check(node.keys[key], problems).value is not Invalid.INVALID
        }
        return replace(node, value=checked)


@dataclass(frozen=True, slots=True)
class Either:
    """A mapping of one shape, or anything else of another."""

    plain: Shape
    mapping: Shape

    @property
    def expected(self) -> str:
        """Both, as a sentence has them."""
        return f"{self.plain.expected}, or {self.mapping.expected}"

    def check(self, node: Node, problems: list[Problem]) -> Node:
        """Check it as what it looks like."""
        if isinstance(node.value, dict):
            return self.mapping.check(node, problems)
        fits = not isinstance(node.value, list)
        return self.plain.check(node, problems) if fits else refuse(node, self.expected, problems)


def refuse(node: Node, expected: str, problems: list[Problem], *, got: str | None = None, hint: str = "") -> Node:
    """Report a mistake unless the value was already reported, and return the node marked invalid."""
    if node.value is not Invalid.INVALID:
        problems.append(node.problem(expected, got, hint))
    return replace(node, value=Invalid.INVALID)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint with the known name that is nearest to `name`, or an empty text."""
    by_lower = {word.lower(): word for word in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return f"did you mean `{by_lower[close[0]]}`?" if close else ""


def listed(words: Iterable[str]) -> str:
    """Return "a, b or c"."""
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


def excerpt(text: str, most: int) -> str:
    """Return how a text begins, on one line of at most `most` characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _written(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"
