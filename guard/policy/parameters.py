"""Parameters of a file: what they may be, and their values put in the places of `$(name)`, before the file has any meaning.

`$(name)` alone stands for the value as it is; a list of texts in a list stands for its items. Within a text it stands for the
value as text. `$$(` is a dollar and a bracket. A file that declares no parameters is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from guard.errors import Problem
from guard.policy.merge import Fields, members, word
from guard.policy.node import Invalid, Node, quoted
from guard.policy.schema import PARAMETERS
from guard.policy.shapes import ListOf, Number, Shape, Text, Truth, Word, did_you_mean, listed

_PLACE = re.compile(r"\$(\$?)\(([^()\s]*)\)")
_ANY_TEXT = Text("a text", r"(?s).*", 4_000)
_NONE = "parameters"


def declared(document: Node, problems: list[Problem]) -> Mapping[str, Node] | None:
    """Return the declarations of a document's parameters by name, checked; None where it declares none."""
    written = members(document).get(_NONE)
    if written is None:
        return None
    checked = members(PARAMETERS.check(written, problems))
    return {name: node for name, node in checked.items() if isinstance(node.value, dict)}


def values_of(declarations: Mapping[str, Node], given: Node | None, problems: list[Problem]) -> Fields:
    """Return the value of each parameter: what is given, else the default.

    Args:
        given: The mapping under `with`; mistakes in it are told there.
        problems: Grows.
    """
    values: Fields = {}
    for name, node in declarations.items():
        shape = _shape(members(node))
        default = members(node).get("default")
        if shape is not None and default is not None:
            checked = shape.check(default, problems)
            values[name] = checked
    for name, node in members(given).items():
        if name not in declarations:
            hint = did_you_mean(name, declarations) or f"it has {listed(declarations)}" if declarations else "it has none"
            key = given.keys[name] if given is not None else node
            problems.append(key.problem("a parameter of this pack", quoted(name), hint))
            continue
        shape = _shape(members(declarations[name]))
        if shape is not None:
            values[name] = shape.check(node, problems)
    return values


def filled_in(document: Node, values: Fields, problems: list[Problem]) -> Node:
    """Return the document with values in place of parameters; an unknown one is reported where it stands."""
    fields = members(document)
    filled = {key: node if key == _NONE else _filled(node, values, problems) for key, node in fields.items()}
    return replace(document, value=filled)


def _filled(node: Node, values: Fields, problems: list[Problem]) -> Node:
    if isinstance(node.value, dict):
        return replace(node, value={key: _filled(each, values, problems) for key, each in node.value.items()})
    if isinstance(node.value, list):
        return replace(node, value=[item for each in node.value for item in _items(each, values, problems)])
    if not isinstance(node.value, str) or "$" not in node.value:
        return node
    alone = _PLACE.fullmatch(node.value)
    if alone and not alone[1]:
        known = _value(alone[2], node, values, problems)
        return replace(node, value=known.value, text_at=None)
    return _embedded(node, values, problems)


def _items(node: Node, values: Fields, problems: list[Problem]) -> Iterator[Node]:
    """Yield what an item of a list becomes: one item, or those of a parameter that is a list."""
    filled = _filled(node, values, problems)
    if isinstance(node.value, str) and isinstance(filled.value, list):
        yield from (replace(node, value=each.value, text_at=None) for each in filled.value)
    else:
        yield filled


def _embedded(node: Node, values: Fields, problems: list[Problem]) -> Node:
    def instead(match: re.Match[str]) -> str:
        if match[1]:
            return match[0][1:]
        value = _value(match[2], node, values, problems).value
        if isinstance(value, dict | list):
            problems.append(node.problem("a parameter that is no list, within a text", f"$({match[2]})"))
            return ""
        return (
            "" if isinstance(value, Invalid) or value is None else str(value).lower() if isinstance(value, bool) else str(value)
        )

    text = _PLACE.sub(instead, str(node.value))
    return node if text == node.value else replace(node, value=text, text_at=None)


def _value(name: str, node: Node, values: Fields, problems: list[Problem]) -> Node:
    if name in values:
        return values[name]
    hint = did_you_mean(name, values) or "`$$(` stands for a dollar and a bracket"
    problems.append(node.problem("a parameter that this file declares", f"$({name[:40]})", hint))
    return replace(node, value=Invalid.INVALID)


def _shape(fields: Fields) -> Shape | None:
    """Return what a parameter's values may be; None where its type is wrong."""
    kind = word(fields, "type")
    minimum, maximum = (_number(fields, key) for key in ("minimum", "maximum"))
    choices = fields.get("choices")
    if choices is not None and isinstance(choices.value, list):
        one = Word(tuple(str(each.value) for each in choices.value))
        return ListOf(one) if kind == "strings" else one
    shapes: Mapping[str, Shape] = {
        "number": Number(minimum, maximum),
        "integer": Number(minimum, maximum, integer=True),
        "string": _ANY_TEXT,
        "boolean": Truth(),
        "strings": ListOf(_ANY_TEXT),
    }
    return shapes.get(kind)


def _number(fields: Fields, key: str) -> float | None:
    value = fields[key].value if key in fields else None
    return value if isinstance(value, int | float) else None
