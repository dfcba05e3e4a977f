"""Read settings from a YAML document: every mistake at once, each with its place, what was expected, what was found.

The settings are `msgspec` Structs; what they expect is read from their types and bounds, so nothing is said twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import NODEFAULT, UNSET, Struct
from msgspec import inspect as shapes

from guard.errors import Problem
from guard.policy.node import Node
from guard.policy.shapes import did_you_mean, listed

S = TypeVar("S", bound=Struct)
_WRONG = object()


def bind(node: Node, kind: type[S], folder: Path, problems: list[Problem]) -> S | None:
    """Return the settings that a document says; None, with the mistakes added to `problems`, where it has some.

    Args:
        folder: What paths are relative to.
    """
    before = len(problems)
    value = _Binder(folder, problems).value(node, shapes.type_info(kind))
    return None if len(problems) > before else value


class _Binder:
    """Binds one document."""

    def __init__(self, folder: Path, problems: list[Problem]) -> None:
        self._folder = folder
        self._problems = problems

    def value(self, node: Node, kind: shapes.Type, *, path: bool = False) -> Any:  # noqa: ANN401
        """Return what a node says, as `kind` has it."""
        if isinstance(kind, shapes.Metadata):
            return self.value(node, kind.type, path=path or bool((kind.extra or {}).get("path")))
        if isinstance(kind, shapes.UnionType):
            return self._one_of(node, kind, path=path)
        if isinstance(kind, shapes.StructType):
            return self._struct(node, kind)
        if isinstance(kind, shapes.VarTupleType | shapes.ListType):
            return self._list(node, kind, path=path)
        if isinstance(kind, shapes.DictType):
            return self._mapping(node, kind, path=path)
        return self._scalar(node, kind, path=path)

    def _refuse(self, node: Node, expected: str, got: str | None = None, hint: str = "") -> Any:  # noqa: ANN401
        self._problems.append(node.problem(expected, got, hint))
        return _WRONG

    def _one_of(self, node: Node, kind: shapes.UnionType, *, path: bool) -> Any:  # noqa: ANN401
        if node.value is None and any(isinstance(each, shapes.NoneType) for each in kind.types):
            return None
        structs = [each for each in map(bare, kind.types) if isinstance(each, shapes.StructType)]
        if len(structs) > 1:
            return self._tagged(node, structs)
        fitting = next((each for each in kind.types if _fits(node, bare(each))), None)
        if fitting is None:
            return self._refuse(node, expected(kind))
        return self.value(node, fitting, path=path)

    def _tagged(self, node: Node, structs: Sequence[shapes.StructType]) -> Any:  # noqa: ANN401
        field = structs[0].tag_field or "type"
        tags = {str(each.tag): each for each in structs}
        if not isinstance(node.value, dict):
            return self._refuse(node, f"a mapping with `{field}`: {listed(tags)}")
        said = node.value.get(field)
        if said is None:
            return self._refuse(node, f"the key `{field}`: {listed(tags)}", "none")
        if said.value not in tags:
            return self._refuse(said, listed(tags), hint=did_you_mean(str(said.value), tags))
        return self._struct(node, tags[str(said.value)], tag=field)

    def _struct(self, node: Node, kind: shapes.StructType, tag: str = "") -> Any:  # noqa: ANN401
        if not isinstance(node.value, dict):
            return self._refuse(node, "a mapping")
        fields = {field.encode_name: field for field in kind.fields}
        found: dict[str, Any] = {}
        for key, value in node.value.items():
            if key == tag or (key == kind.tag_field and not tag):
                continue
            if key not in fields:
                hint = did_you_mean(key, fields) or f"known here: {', '.join(fields)}"
                self._refuse(node.keys[key], "a known key", hint=hint)
                continue
            found[fields[key].name] = self.value(value, fields[key].type)
        for field in kind.fields:
            if field.required and field.encode_name not in node.value:
                self._refuse(node, f"the key `{field.encode_name}`", "none", described(field.type))
        if any(value is _WRONG for value in found.values()) or any(f.required and f.name not in found for f in kind.fields):
            return _WRONG
        return kind.cls(**found)

    def _list(self, node: Node, kind: shapes.VarTupleType | shapes.ListType, *, path: bool) -> Any:  # noqa: ANN401
        if not isinstance(node.value, list):
            return self._refuse(node, expected(kind))
        if kind.min_length and len(node.value) < kind.min_length:
            return self._refuse(node, f"at least {kind.min_length} of {expected(kind.item_type)}", str(len(node.value)))
        values = [self.value(item, kind.item_type, path=path) for item in node.value]
        return _WRONG if any(value is _WRONG for value in values) else tuple(values)

    def _mapping(self, node: Node, kind: shapes.DictType, *, path: bool) -> Any:  # noqa: ANN401
        if not isinstance(node.value, dict):
            return self._refuse(node, "a mapping")
        values = {key: self.value(value, kind.value_type, path=path) for key, value in node.value.items()}
        return _WRONG if any(value is _WRONG for value in values.values()) else values

    def _scalar(self, node: Node, kind: shapes.Type, *, path: bool) -> Any:  # noqa: ANN401
        value = node.value
        if not _fits(node, kind):
            hint = (
                f'put it in quotes: "{node.shown}"' if isinstance(kind, shapes.StrType) and isinstance(value, int | float) else ""
            )
            if isinstance(kind, shapes.LiteralType | shapes.EnumType):
                hint = did_you_mean(str(value), _words(kind))
            return self._refuse(node, expected(kind), hint=hint)
        if isinstance(kind, shapes.EnumType):
            return kind.cls(value)
        if isinstance(kind, shapes.FloatType):
            value = float(value)  # type: ignore[arg-type]
        fault = _out_of_bounds(value, kind)
        if fault:
            return self._refuse(node, fault)
        if path and isinstance(value, str) and value:
            return str(self._folder / value)
        return value


def expected(kind: shapes.Type) -> str:
    """Return in words what a type takes."""
    kind = bare(kind)
    if isinstance(kind, shapes.LiteralType | shapes.EnumType):
        return listed(_words(kind))
    if isinstance(kind, shapes.IntType | shapes.FloatType):
        return _numbers(kind)
    if isinstance(kind, shapes.UnionType):
        return " or ".join(dict.fromkeys(expected(each) for each in kind.types))
    if isinstance(kind, shapes.VarTupleType | shapes.ListType):
        return f"a list ({expected(kind.item_type)})"
    words = {
        shapes.BoolType: "true or false",
        shapes.NoneType: "null",
        shapes.StructType: "a mapping",
        shapes.DictType: "a mapping",
    }
    return next((word for known, word in words.items() if isinstance(kind, known)), "a text")


def default_of(field: shapes.Field) -> Any:  # noqa: ANN401
    """Return what holds where a field is not said, as plain values; `msgspec.UNSET` where nothing does."""
    if field.default is not NODEFAULT:
        return msgspec.to_builtins(field.default)
    if field.default_factory is not NODEFAULT:
        return msgspec.to_builtins(field.default_factory())
    return UNSET


def _words(kind: shapes.LiteralType | shapes.EnumType) -> list[str]:
    return [str(value) for value in (kind.values if isinstance(kind, shapes.LiteralType) else [each.value for each in kind.cls])]


def described(kind: shapes.Type) -> str:
    """Return what a field means."""
    schema = kind.extra_json_schema if isinstance(kind, shapes.Metadata) else None
    return str((schema or {}).get("description", ""))


def is_path(kind: shapes.Type) -> bool:
    """Return whether a type takes a path, or several."""
    if isinstance(kind, shapes.Metadata):
        return bool((kind.extra or {}).get("path")) or is_path(kind.type)
    return isinstance(kind, shapes.VarTupleType | shapes.ListType) and is_path(kind.item_type)


def bare(kind: shapes.Type) -> shapes.Type:
    """Return a type without what is said about it."""
    return bare(kind.type) if isinstance(kind, shapes.Metadata) else kind


def _fits(node: Node, kind: shapes.Type) -> bool:
    value = node.value
    match kind:
        case shapes.BoolType():
            return isinstance(value, bool)
        case shapes.IntType():
            return isinstance(value, int) and not isinstance(value, bool)
        case shapes.FloatType():
            return isinstance(value, int | float) and not isinstance(value, bool)
        case shapes.StrType():
            return isinstance(value, str)
        case shapes.LiteralType():
            return value in kind.values and not isinstance(value, bool)
        case shapes.EnumType():
            return isinstance(value, str) and value in _words(kind)
        case shapes.NoneType():
            return value is None
        case shapes.StructType() | shapes.DictType():
            return isinstance(value, dict)
        case shapes.VarTupleType() | shapes.ListType():
            return isinstance(value, list)
        case _:
            return True


def _out_of_bounds(value: Any, kind: shapes.Type) -> str:  # noqa: ANN401
    if isinstance(kind, shapes.IntType | shapes.FloatType):
        low = (kind.ge is not None and value < kind.ge) or (kind.gt is not None and value <= kind.gt)
        high = (kind.le is not None and value > kind.le) or (kind.lt is not None and value >= kind.lt)
        return _numbers(kind) if low or high or value != value else ""
    if isinstance(kind, shapes.StrType):
        import re

        if kind.min_length and len(value) < kind.min_length:
            return "a text that is not empty"
        if kind.pattern and not re.search(kind.pattern, value):
            return f"a text of the form {kind.pattern}"
    return ""


def _numbers(kind: shapes.IntType | shapes.FloatType) -> str:
    word = "a whole number" if isinstance(kind, shapes.IntType) else "a number"
    low = f"[{kind.ge:,}" if kind.ge is not None else f"({kind.gt:,}" if kind.gt is not None else ""
    high = f"{kind.le:,}]" if kind.le is not None else f"{kind.lt:,})" if kind.lt is not None else ""
    if low and high:
        return f"{word} in {low}, {high}"
    if low:
        return f"{word} {'of at least' if kind.ge is not None else 'above'} {low[1:]}"
    return f"{word} {'of at most' if kind.le is not None else 'below'} {high[:-1]}" if high else word


def place_of(node: Node, path: str) -> Node:
    """Return the node at a path such as `asking.temperature` or `steps[1].data`, or the nearest one around it."""
    import re

    for key in re.findall(r"[^.\[\]]+", path):
        value = node.value
        if isinstance(value, dict) and key in value:
            node = value[key]
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            node = value[int(key)]
        else:
            break
    return node
