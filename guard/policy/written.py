"""A YAML document as it is written: every entry with the comments that belong to it, and texts in their own quotes.

What a parser drops and a formatter has to keep. The text has been read by `yaml_source` before, so it is sound: one document
whose keys are words, without tags and merge keys.
"""

from __future__ import annotations

import re
from bisect import bisect
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ruamel.yaml import YAML


@dataclass(slots=True, eq=False)
class Value:
    """A value and how it is written.

    Attributes:
        kind: `scalar`, `alias`, `mapping` or `sequence`.
        start: Index of its first character.
        end: One past its last character; of little use for collections in block style.
        column: Of its first character, from 0.
        lines: For a scalar: its lines without their indentation; for a text in block style those below its header.
        header: For a text in block style, such as `|-`.
        flow: Whether a collection stands in braces or brackets.
        anchor: Such as `&name`.
        entries: Of a collection.
        foot: Comments after the last entry; an empty text is a blank line.
        owner: The entry whose value it is; None at the root.
    """

    kind: str
    start: int
    end: int
    column: int
    lines: tuple[str, ...] = ()
    header: str = ""
    flow: bool = False
    anchor: str = ""
    entries: list[Entry] = field(default_factory=list)
    foot: list[str] = field(default_factory=list)
    owner: Entry | None = None

    @property
    def block(self) -> bool:
        """Whether it is a collection in block style."""
        return bool(self.kind in ("mapping", "sequence") and not self.flow)


@dataclass(slots=True, eq=False)
class Entry:
    """A key with its value, or an item of a list.

    Attributes:
        key: As it is written; None for an item.
        rows: The lines of the text, from 0, on which it begins or ends: a comment after it there is its own.
        lead: Comments above it; an empty text is a blank line.
        note: The comment after it, on its line.
    """

    parent: Value
    value: Value
    start: int
    column: int
    key: str | None = None
    name: str = ""
    rows: set[int] = field(default_factory=set)
    lead: list[str] = field(default_factory=list)
    note: str = ""


@dataclass(slots=True)
class Document:
    """A document whose root is a mapping; `head` are the comments before its first key."""

    root: Value
    head: list[str]
    aliases: bool


class Comment(NamedTuple):
    """A comment in a text, with its line and column, from 1; `alone` where nothing else stands on its line."""

    line: int
    column: int
    text: str
    alone: bool


def comments(text: str) -> list[Comment]:
    """Return every comment of a text that has been read before, in order; its lines end with a line feed."""
    reading = _Reading(text)
    for event in YAML(typ="safe", pure=True).parse(text):
        reading.take(event)
    return [reading.comment(start, said) for start, said in reading.loose() if said]


def written(text: str) -> Document:
    """Return the document in a text whose lines end with a line feed."""
    reading = _Reading(text)
    for event in YAML(typ="safe", pure=True).parse(text):
        reading.take(event)
    assert reading.root is not None  # noqa: S101 - an empty document has been refused
    reading.place_comments()
    return Document(reading.root, reading.head, reading.aliases)


_BLOCK_TEXT = re.compile(r"((?:&\S+\s+)?)([|>][-+0-9]*)")
_COMMENT = re.compile(r"#[^\n]*|\n")


class _Reading:
    """The tree so far, and which characters belong to its values."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.root: Value | None = None
        self.head: list[str] = []
        self.aliases = False
        self._open: list[Value] = []
        self._keys: list[Any] = []
        self._taken: list[tuple[int, int]] = []
        self._entries: list[Entry] = []
        self._lines = text.removesuffix("\n").split("\n")
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def take(self, event: Any) -> None:  # noqa: ANN401 - ruamel's event classes are untyped
        kind = type(event).__name__.removesuffix("Event")
        if kind in ("MappingEnd", "SequenceEnd"):
            done = self._open.pop()
            self._keys.pop()
            done.end = event.end_mark.index
            if done.flow and done.owner is not None:
                done.owner.rows.add(self._row(done.end - 1))
        elif kind == "Scalar" and self._open and self._open[-1].kind == "mapping" and self._keys[-1] is None:
            self._keys[-1] = event
            self._taken.append((event.start_mark.index, event.end_mark.index))
        elif kind in ("Scalar", "Alias", "MappingStart", "SequenceStart"):
            self._add(self._value(event, kind))

    def _value(self, event: Any, kind: str) -> Value:  # noqa: ANN401
        start, end = event.start_mark.index, event.end_mark.index
        value = Value(kind.removesuffix("Start").lower(), start, end, event.start_mark.column)
        if kind == "Scalar" and event.style in ("|", ">"):
            self._take_block_text(value)
        elif kind in ("Scalar", "Alias"):
            first, *rest = self.text[start:end].split("\n")
            value.lines = (first, *(line.lstrip(" \t") for line in rest))
            self.aliases |= kind == "Alias"
            self._taken.append((start, end))
        else:
            value.flow = bool(event.flow_style)
            value.anchor = f"&{event.anchor}" if event.anchor else ""
            self._taken.append((start, start + len(value.anchor)))
        return value

    def _add(self, value: Value) -> None:
        if not self._open:
            self.root = value
        else:
            self._add_entry(self._open[-1], value)
        if value.kind in ("mapping", "sequence"):
            self._open.append(value)
            self._keys.append(None)

    def _add_entry(self, parent: Value, value: Value) -> None:
        key, self._keys[-1] = self._keys[-1], None
        place = key.start_mark if key else None
        entry = Entry(parent, value, place.index if place else value.start, place.column if place else value.column)
        if key:
            entry.key = self.text[key.start_mark.index : key.end_mark.index]
            entry.name = str(key.value)
            entry.rows.add(self._row(key.start_mark.index))
        elif parent.block:
            entry.column = parent.column
        if not value.block or value.anchor:
            entry.rows.add(self._row(value.start))
        if value.kind in ("scalar", "alias") and not value.header:
            entry.rows.add(self._row(value.end))
        value.owner = entry
        parent.entries.append(entry)
        self._entries.append(entry)

    def _take_block_text(self, value: Value) -> None:
        """Read a text in block style from its lines: the parser's end lies beyond the comments that follow."""
        match = _BLOCK_TEXT.match(self.text, value.start)
        assert match is not None  # noqa: S101 - the parser has said that it is one
        value.anchor, value.header = match[1].strip(), match[2]
        self._taken.append((value.start, match.end()))
        first = self._row(value.start) + 1
        lines = self._lines[first : self._row(value.end) + 1]
        outside = self._open[-1].column if self._open else 0
        told = re.search(r"[1-9]", value.header)
        filled = next((line for line in lines if line.strip(" ")), "")
        indent = outside + int(told[0]) if told else max(outside + 1, len(filled) - len(filled.lstrip(" ")))
        content: list[str] = []
        for line in lines:
            if len(line) - len(line.lstrip(" ")) < indent and line.strip(" "):
                break
            content.append(line[indent:])
        while content and not content[-1] and "+" not in value.header:
            content.pop()
        value.lines = tuple(content)
        value.end = self._starts[first + len(content)] if first + len(content) < len(self._starts) else len(self.text)
        if content:
            self._taken.append((self._starts[first], value.end))

    def _row(self, index: int) -> int:
        return bisect(self._starts, index) - 1

    def place_comments(self) -> None:
        """Give every comment, and every blank line, to the entry that it belongs to."""
        starts = [entry.start for entry in self._entries]
        blank = -1
        for start, text in self.loose():
            following = bisect(starts, start)
            if 0 <= blank != following:
                self._above(blank).append("")
                blank = -1
            if not text:
                blank = following
                continue
            before = self._entries[following - 1] if following else None
            if before is None or not self._noted(before, start, text):
                target = self._target(start, before, following)
                target.extend(["", text] if blank >= 0 else [text])
                blank = -1
        if 0 <= blank < len(self._entries):
            self._above(blank).append("")

    def _noted(self, before: Entry, start: int, text: str) -> bool:
        """Take a comment that stands on a line of the entry before it, or behind what closes that; return whether it does."""
        row = self._row(start)
        noted = _closed(before, start)
        if row not in noted.rows or not self.text[self._starts[row] : start].strip(" \t"):
            return False
        if noted.note:
            noted.lead.append(text)
        else:
            noted.note = text
        return True

    def _above(self, following: int) -> list[str]:
        return self._entries[following].lead if 0 < following < len(self._entries) else self.head

    def comment(self, start: int, text: str) -> Comment:
        row = self._row(start)
        line = self._starts[row]
        return Comment(row + 1, start - line + 1, text, not self.text[line:start].strip(" \t"))

    def loose(self) -> list[tuple[int, str]]:
        """Return comments and blank lines outside of values, in order."""
        found = []
        position = 0
        for start, end in [*sorted(self._taken), (len(self.text), len(self.text))]:
            for match in _COMMENT.finditer(self.text, position, max(position, start)):
                line = self._starts[self._row(match.start())]
                if match[0] != "\n":
                    found.append((match.start(), match[0].rstrip()))
                elif not self.text[line : match.start()].strip(" \t"):
                    found.append((match.start(), ""))
            position = max(position, end)
        return found

    def _target(self, index: int, before: Entry | None, following: int) -> list[str]:
        """Return the comments that one on a line of its own joins: those above the next entry, or at the foot of a collection."""
        if before is None:
            return self.head
        column = index - self._starts[self._row(index)]
        after = self._entries[following] if following < len(self._entries) else None
        for collection in _around(before, after):
            if collection.flow:
                if collection.start <= index < collection.end:
                    return collection.foot
            elif column >= collection.column and (after is None or column > after.column):
                return collection.foot
        if after is not None:
            return after.lead
        assert self.root is not None  # noqa: S101 - there is an entry
        return self.root.foot


def _closed(entry: Entry, index: int) -> Entry:
    """Return the entry, or the one around it whose braces or brackets have been closed before `index`."""
    while entry.parent.flow and entry.parent.end <= index and entry.parent.owner is not None:
        entry = entry.parent.owner
    return entry


def _around(before: Entry, after: Entry | None) -> list[Value]:
    """Return the collections that end between two entries, the innermost first."""
    kept = set()
    above = after.parent if after else None
    while above is not None:
        kept.add(id(above))
        above = above.owner.parent if above.owner else None
    found: list[Value] = []
    value: Value | None = (
        before.value if not before.value.entries and before.value.kind in ("mapping", "sequence") else before.parent
    )
    while value is not None and id(value) not in kept:
        found.append(value)
        value = value.owner.parent if value.owner else None
    return found
