"""What a recipe may say, written from the settings themselves: a JSON Schema for editors, and tables in Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec import inspect as shapes

from alignment.recipe.binding import bare, default_of, described, expected, is_path
from alignment.recipe.model import Recipe
from alignment.training.settings import Common, Online

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_BEGINNING = """\
# Every key of a recipe

[Write a recipe](recipes.md) shows how one is written. This page is what `align recipe schema --markdown` prints;
`align recipe schema` prints the same as a JSON Schema, by which an editor completes and checks what you write.

"""
_COMMON = {Common: "every method", Online: "every online method"}
"""Settings that several methods share, and are told once."""


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a recipe; what refers to something else in the file only the loader knows."""
    return {"$schema": DIALECT, "title": "A recipe of Tenet", **msgspec.json.schema(Recipe)}


def page() -> str:
    """Return the page that has a table of the keys of each part of a recipe."""
    pages = _Pages()
    pages.add("The file", _struct(Recipe))
    return _BEGINNING + "\n\n".join("\n".join(section.lines(pages.headings)) for section in pages.sections) + "\n"


@dataclass(frozen=True, slots=True)
class _Section:
    heading: str
    kind: shapes.StructType
    fields: Sequence[shapes.Field]
    note: str = ""

    def lines(self, headings: dict[type, str]) -> Iterator[str]:
        yield f"## {self.heading}\n"
        yield f"{_summary(self.kind.cls)}{self.note}\n"
        if not self.fields:
            return
        yield "| key | what stands there | if not said | what it means |"
        yield "| :-- | :-- | :-- | :-- |"
        for each in self.fields:
            says = f"{_stands(each.type)}{_where(each.type, headings)}"
            yield f"| `{each.encode_name}` | {says} | {_usual(each)} | {described(each.type)} |"


@dataclass(slots=True)
class _Pages:
    """Collects a section for each kind of settings, in the order in which they are met."""

    sections: list[_Section] = field(default_factory=list)
    headings: dict[type, str] = field(default_factory=dict)

    def add(self, heading: str, kind: shapes.StructType, path: str = "") -> None:
        if kind.cls in self.headings:
            return
        shared = [base for base in _COMMON if issubclass(kind.cls, base) and kind.cls is not base]
        for base in shared:
            self.add(f"Steps: {_COMMON[base]}", _struct(base), path)
        self.headings[kind.cls] = heading
        told = {each.name: each for base in shared for each in _struct(base).fields}
        own = [each for each in kind.fields if not _same(told.get(each.name), each)]
        note = f" Also {' and '.join(_link(self.headings[base]) for base in shared)}." if shared else ""
        self.sections.append(_Section(heading, kind, own, note))
        for each in own:
            below = f"{path}.{each.encode_name}" if path else each.encode_name
            kinds = list(_structs(each.type))
            for inner in kinds:
                tag = f" with `{inner.tag_field}: {inner.tag}`" if len(kinds) > 1 else ""
                self.add(f"`{below}`{tag}", inner, below)


def _struct(kind: type[msgspec.Struct]) -> shapes.StructType:
    found = shapes.type_info(kind)
    assert isinstance(found, shapes.StructType)  # noqa: S101 - as a Struct went in
    return found


def _structs(kind: shapes.Type) -> Iterator[shapes.StructType]:
    kind = bare(kind)
    if isinstance(kind, shapes.StructType):
        yield kind
    elif isinstance(kind, shapes.UnionType):
        for each in kind.types:
            yield from _structs(each)
    elif isinstance(kind, shapes.VarTupleType | shapes.ListType):
        yield from _structs(kind.item_type)
    elif isinstance(kind, shapes.DictType):
        yield from _structs(kind.value_type)


def _same(one: shapes.Field | None, other: shapes.Field) -> bool:
    return one is not None and (one.type, default_of(one)) == (other.type, default_of(other))


def _summary(kind: type) -> str:
    return re.sub(r"\s+", " ", (kind.__doc__ or "").strip().split("\n\n", 1)[0])


def _usual(each: shapes.Field) -> str:
    default = default_of(each)
    if default is UNSET:
        return "required"
    if default in ("", [], {}):
        return "empty"
    kinds = list(_structs(each.type))
    if isinstance(default, dict) and len(kinds) == 1:
        usual = {inner.encode_name: default_of(inner) for inner in kinds[0].fields}
        other = {name: value for name, value in default.items() if value != usual[name]}
        return f"as there, but `{json.dumps(other)}`" if other else "as there"
    return f"`{default}`" if isinstance(default, str) else f"`{json.dumps(default)}`"


def _stands(kind: shapes.Type) -> str:
    if is_path(kind):
        several = isinstance(bare(kind), shapes.VarTupleType | shapes.ListType)
        return "a list of paths, relative to the file" if several else "a path, relative to the file"
    return expected(kind)


def _where(kind: shapes.Type, headings: dict[type, str]) -> str:
    kinds = [each for each in _structs(kind) if each.cls in headings]
    if len(kinds) == 1:
        return f": {_link(headings[kinds[0].cls])}"
    linked = [_link(headings[each.cls], f"`{each.tag_field}: {each.tag}`") for each in kinds]
    return f": {', '.join(linked)}" if linked else ""


def _link(heading: str, shown: str = "") -> str:
    anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
    return f"[{shown or heading}](#{anchor})"
