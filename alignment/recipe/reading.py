"""Read recipes: by path, or by the name of one that is shipped."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from alignment.recipe.binding import bind, place_of
from alignment.recipe.model import Recipe, problems
from guard.errors import PolicyError, Problem, TenetError
from guard.policy.node import Node
from guard.policy.shapes import did_you_mean
from guard.policy.yaml_source import read, read_file

SHIPPED = Path(__file__).parents[1] / "recipes"


def shipped() -> dict[str, Path]:
    """Return the recipes that come with Tenet, by name."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.yaml"))}


def recipe_path(name: str) -> Path:
    """Return the file that a name stands for. Raises TenetError where there is none."""
    if "/" in name or name.endswith((".yaml", ".yml")):
        return Path(name)
    known = shipped()
    if name not in known:
        hint = did_you_mean(name, known) or f"a path contains / or ends in .yaml; shipped: {', '.join(known)}"
        raise TenetError(f"{name}: expected a path, or a shipped recipe ({hint})")
    return known[name]


def load_recipe(name: str, changes: Sequence[str] = ()) -> Recipe:
    """Return a recipe.

    Args:
        name: A path, or a shipped recipe's name.
        changes: `KEY=VALUE`, such as `steps[0].max_steps=20` or `model.path=/models/x`; values are YAML, and paths
            that begin with a dot are relative to the working directory.

    Raises:
        PolicyError: With every mistake in it.
        TenetError: Where there is none, or a change cannot be read.
    """
    path = recipe_path(name)
    document = read_file(path, str(path))
    for change in changes:
        document = _changed(document, change)
    found: list[Problem] = []
    recipe = bind(document, Recipe, path.parent.absolute(), found)
    if recipe is not None:
        found += [
            replace(place_of(document, where).problem(expected, got), path=where) for where, expected, got in problems(recipe)
        ]
    if found or recipe is None:
        raise PolicyError(found)
    if "/" in recipe.policy or recipe.policy.endswith(".yaml"):
        return msgspec.structs.replace(recipe, policy=str(path.parent.absolute() / recipe.policy))
    return recipe


def digest(recipe: Recipe) -> str:
    """Return the SHA-256 of what a recipe says, defaults included: 64 hexadecimal digits."""
    return hashlib.sha256(msgspec.json.encode(msgspec.to_builtins(recipe), order="sorted")).hexdigest()


def _changed(document: Node, change: str) -> Node:
    """Return a document with one value replaced, or added to a mapping."""
    key, equals, value = change.partition("=")
    if not equals or not key:
        raise TenetError(f"--set: expected KEY=VALUE, such as steps[0].max_steps=20, got {change!r}")
    said = read(f"value: {_absolute(value)}", f"--set {key}").value
    node = said["value"] if isinstance(said, dict) else None
    if node is None:
        raise TenetError(f"--set {key}: expected a value in YAML, got {value!r}")
    parent_path, _, last = key.rpartition(".")
    parent = place_of(document, parent_path) if parent_path else document
    if not isinstance(parent.value, dict) or (parent_path and parent is document):
        raise TenetError(f"--set {key}: expected a key of the recipe, found no such place")
    node = replace(node, path=key)
    parent.value[last] = node
    _keys(parent)[last] = node
    return document


def _absolute(value: str) -> str:
    return str(Path(value).absolute()) if value.startswith(("./", "../")) else value


def _keys(node: Node) -> dict[str, Any]:
    keys: Mapping[str, Any] = node.keys
    return keys if isinstance(keys, dict) else {}
