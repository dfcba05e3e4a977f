"""See that what a recipe names is there, before any work is done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec import inspect as shapes

from alignment.recipe.binding import bare, is_path
from alignment.recipe.model import CRITIQUE, Recipe
from alignment.training.settings import Problem
from guard.errors import PolicyError
from guard.policy.shapes import did_you_mean

Place = tuple[str | int, ...]
"""Keys and indices that lead to a value."""


def absent(recipe: Recipe) -> list[Problem]:
    """Return what a recipe names and is not there: path, what was expected, what was found."""
    wanted = "a file or folder that is there"
    found = [(_written(where), wanted, f"{path}, and nothing is there") for where, path in paths(recipe) if not _there(path)]
    for index, step in enumerate(recipe.steps):
        if step.data and not step.data.startswith(CRITIQUE) and step.data not in recipe.data and not _there(step.data):
            known = [*recipe.data, *((f"{CRITIQUE}sft", f"{CRITIQUE}pairs") if recipe.critique else ())]
            names = f"a set under `data` ({', '.join(known)})" if known else "a set under `data` (there is none)"
            hint = did_you_mean(step.data, known)
            expected = f"{names}, or a folder that `align data` wrote" + (f"; {hint}" if hint else "")
            found.append((f"steps[{index}].data", expected, step.data))
    return found + list(_policy(recipe.policy))


def paths(value: Any, where: Place = (), *, named: bool = False) -> Iterator[tuple[Place, str]]:  # noqa: ANN401
    """Yield every path that settings name, with its place in them.

    Args:
        where: The place of `value`.
        named: Whether a text here is a path.
    """
    if isinstance(value, Struct):
        kind = shapes.type_info(type(value))
        for field in kind.fields if isinstance(kind, shapes.StructType) else ():
            yield from paths(getattr(value, field.name), (*where, field.encode_name), named=_names(field.type))
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from paths(each, (*where, key))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, each in enumerate(value):
            yield from paths(each, (*where, index), named=named)
    elif named and isinstance(value, str) and value:
        yield where, value


def _written(where: Place) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in where).removeprefix(".")


def _there(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # such as a name that is too long
        return False


def _names(kind: shapes.Type) -> bool:
    """Return whether a field's texts are paths, be they in a list or in null's place."""
    if is_path(kind):
        return True
    plain = bare(kind)
    return isinstance(plain, shapes.UnionType) and any(_names(each) for each in plain.types)


def _policy(name: str) -> Iterator[Problem]:
    from guard.detectors.registry import kinds
    from guard.policy.load import load

    try:
        load(name, kinds())
    except PolicyError as error:
        yield "policy", "a policy that can be used", "; ".join(map(str, error.problems))
