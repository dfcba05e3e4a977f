"""Selectors of strings in JSON, as policies write them: `inputs`, `messages[*].text`, `$.a["odd key"][0]`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any

from guard.errors import PolicyError, Problem
from guard.formats.pointers import escape

_STEP = re.compile(
    r"""\.?(?P<name>[A-Za-z_$][\w$-]*) | \[(?P<index>[0-9]{1,3})\] | (?P<every>\[\*\]) | \["(?P<quoted>[^"\\]+)"\]""", re.VERBOSE
)


class Every(Enum):
    """The step `[*]`: every item of a list."""

    ITEM = "[*]"


Selector = tuple[str | int | Every, ...]


def parse(source: str) -> Selector:
    """Return the steps of a selector; `$` and `$.` in front mean the document, as does an empty one.

    Raises:
        PolicyError: With the column at which it stops making sense.
    """
    at = 2 if source.startswith("$.") else 1 if source.startswith(("$[", "$")) and source[1:2] in ("", "[") else 0
    steps: list[str | int | Every] = []
    while at < len(source):
        match = _STEP.match(source, at)
        if match is None or (match["name"] and bool(steps) != (match[0][0] == ".")):
            expected = 'a name, .name, [0], [*] or ["name"]'
            raise PolicyError([Problem("selector", 1, at + 1, source[:80], expected, f'"{source[at : at + 20]}"')])
        steps.append(_read(match))
        at = match.end()
    return tuple(steps)


def select(tree: Any, selector: Selector) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    """Return the pointer and the value of everything that `selector` names in `tree`."""
    return _follow(tree, selector, "")


def build(selector: Selector, text: str) -> Any:  # noqa: ANN401
    """Return the smallest document in which `selector` names `text`."""
    tree: Any = text
    for step in reversed(selector):
        before = [None] * step if isinstance(step, int) else []
        tree = {step: tree} if isinstance(step, str) else [*before, tree]
    return tree


def _read(match: re.Match[str]) -> str | int | Every:
    if match["every"]:
        return Every.ITEM
    return int(match["index"]) if match["index"] else match["name"] or match["quoted"]


def _follow(value: Any, steps: Sequence[str | int | Every], pointer: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    if not steps:
        yield pointer, value
        return
    step, rest = steps[0], steps[1:]
    if step is Every.ITEM:
        for index, child in enumerate(value if type(value) is list else ()):
            yield from _follow(child, rest, f"{pointer}/{index}")
    elif isinstance(step, int):
        if type(value) is list and step < len(value):
            yield from _follow(value[step], rest, f"{pointer}/{step}")
    elif isinstance(step, str) and type(value) is dict and step in value:
        yield from _follow(value[step], rest, f"{pointer}/{escape(step)}")
