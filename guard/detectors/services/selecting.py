"""Follow a policy's selectors through an answer strictly: a step that leads nowhere is an error, and never an empty result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from guard.formats.selectors import Every, Selector


class Astray(Exception):
    """A selector that does not fit an answer. Says what was expected and the type that was found, and no value."""


def values(tree: Any, selector: Selector) -> list[Any]:  # noqa: ANN401
    """Return everything that `selector` names; for one without `[*]`, exactly one value.

    Raises:
        Astray: Where a name, an index or a list that it names is not there.
    """
    return list(_follow(tree, selector))


def only(tree: Any, selector: Selector) -> Any:  # noqa: ANN401
    """Return the one value that a selector without `[*]` names; raises what `values` does."""
    [value] = values(tree, selector)
    return value


def shown(value: Any) -> str:  # noqa: ANN401
    """Return the type of a JSON value, for messages."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "null")


def _follow(value: Any, steps: Selector) -> Iterator[Any]:  # noqa: ANN401
    if not steps:
        yield value
        return
    step, rest = steps[0], steps[1:]
    wanted = "an object" if isinstance(step, str) else "a list"
    if shown(value) != wanted:
        raise Astray(f"expected {wanted} to look for {_written(step)} in, got {shown(value)}")
    if step is Every.ITEM:
        for child in value:
            yield from _follow(child, rest)
    elif (step in value) if isinstance(step, str) else (step < len(value)):
        yield from _follow(value[step], rest)
    else:
        raise Astray(f"expected {_written(step)}, got none")


def _written(step: str | int | Every) -> str:
    return f"`{step}`" if isinstance(step, str) else "`[*]`" if step is Every.ITEM else f"`[{step}]`"
