"""The one layout of a policy file: order of keys, indentation, what stands on one line. Comments stay with their entries."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import dropwhile

from guard.policy.shapes import ListOf, MapOf, Record, Shape
from guard.policy.written import Entry, Value, written

WIDTH = 120
"""Columns that braces and brackets may reach; longer ones are written out, one entry a line."""

STEP = 2
"""Columns of one level."""


def laid_out(text: str, shape: Shape) -> str:
    """Return a document in its canonical layout; that it says the same is for the caller to check.

    Args:
        text: What has been read by `yaml_source` before; its lines end with a line feed.
        shape: What it is read as; its records give the order of their keys. A document with aliases keeps its own order.
    """
    document = written(text)
    if not document.aliases:
        _put_in_order(document.root, shape)
    return "\n".join([*document.head, *_collection(document.root, 0)]) + "\n"


def _put_in_order(value: Value, shape: Shape) -> None:
    """Sort the keys of every record; one that it does not list stands last, or before the last one where the record is open."""
    if isinstance(shape, ListOf):
        for entry in value.entries if value.kind == "sequence" else ():
            _put_in_order(entry.value, shape.item)
    elif isinstance(shape, MapOf):
        for entry in value.entries:
            _put_in_order(entry.value, shape.item)
    elif isinstance(shape, Record) and value.kind == "mapping":
        rank = {name: float(index) for index, name in enumerate(shape.fields)}
        unlisted = len(rank) - (1.5 if shape.open else 0.0)
        value.entries.sort(key=lambda entry: rank.get(entry.name, unlisted))
        for entry in value.entries:
            if entry.name in rank:
                _put_in_order(entry.value, shape.fields[entry.name].shape)


def _collection(value: Value, indent: int) -> Iterator[str]:
    """Yield a collection with one entry a line; the first one has no blank line above it."""
    for index, entry in enumerate(value.entries):
        lines = _member(entry, indent) if value.kind == "mapping" else _item(entry, indent)
        yield from lines if index else dropwhile(lambda line: not line, lines)
    yield from _comments(value.foot, indent)


def _member(entry: Entry, indent: int) -> Iterator[str]:
    yield from _above(entry, indent)
    yield from _put(f"{entry.key}:", entry, indent)


def _item(entry: Entry, indent: int) -> Iterator[str]:
    value = entry.value
    if value.anchor or not value.entries or _flat(value, WIDTH - indent - STEP) is not None:
        yield from _above(entry, indent)
        yield from _put("-", entry, indent)
        return
    lines = list(_collection(value, indent + STEP))
    first = next(index for index, line in enumerate(lines) if line and not line.lstrip().startswith("#"))
    noted = [entry.note] if entry.note else []
    yield from _comments([*entry.lead, *noted, *(line.strip() for line in lines[:first])], indent)
    yield f"{' ' * indent}- {lines[first][indent + STEP :]}"
    yield from lines[first + 1 :]


def _above(entry: Entry, indent: int) -> Iterator[str]:
    """Yield the comments above an entry, and those between empty braces, which have no other place to stand."""
    yield from _comments(entry.lead, indent)
    if not entry.value.entries:
        yield from _comments(entry.value.foot, indent)


def _put(before: str, entry: Entry, indent: int) -> Iterator[str]:
    """Yield a key or a dash with its value."""
    value = entry.value
    start = " " * indent + before
    note = f"  {entry.note}" if entry.note else ""
    inner = " " * (indent + STEP)
    if value.header:
        header = re.sub("[1-9]", str(STEP), value.header)
        yield " ".join(filter(None, (start, value.anchor, header))) + note
        yield from (f"{inner}{line}" if line else "" for line in value.lines)
    elif value.kind in ("scalar", "alias"):
        first, *rest = value.lines
        lines = [f"{start} {first}" if first else start, *(f"{inner}{line}" if line else "" for line in rest)]
        lines[-1] += note
        yield from lines
    elif (flat := _flat(value, WIDTH - len(start) - 1)) is not None:
        yield f"{start} {flat}{note}"
    else:
        yield " ".join(filter(None, (start, value.anchor))) + note
        yield from _collection(value, indent + STEP)


def _flat(value: Value, room: int) -> str | None:
    """Return a value as it stands on one line; None where it does not, because of its style, a comment or its length."""
    if value.kind in ("scalar", "alias"):
        return value.lines[0] if len(value.lines) == 1 and not value.header else None
    if not value.flow or (value.entries and any(value.foot)):
        return None
    parts = []
    for entry in value.entries:
        inner = None if entry.note or any(entry.lead) or any(entry.value.foot) else _flat(entry.value, room)
        if inner is None:
            return None
        parts.append(inner if entry.key is None else f"{entry.key}: {inner}")
    opened, closed = "{}" if value.kind == "mapping" else "[]"
    flat = " ".join(filter(None, (value.anchor, f"{opened}{', '.join(parts)}{closed}")))
    return flat if len(flat) <= room or not value.entries else None


def _comments(lines: Iterable[str], indent: int) -> Iterator[str]:
    yield from (f"{' ' * indent}{line}" if line else "" for line in lines)
