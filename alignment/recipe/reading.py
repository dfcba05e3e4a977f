"""Read recipes: by path, or by the name of one that is shipped."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from alignment.recipe.binding import bind, place_of
from alignment.recipe.existing import absent, paths
from alignment.recipe.model import Recipe, problems
from guard.errors import PolicyError, Problem, TenetError
from guard.policy.node import Node
from guard.policy.shapes import did_you_mean
from guard.policy.yaml_source import read, read_file

SHIPPED = Path(__file__).parents[1] / "recipes"
ACCELERATE = "accelerate"
"""The folder among the shipped recipes that holds configurations of accelerate."""


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


def shipped_file(name: str) -> Path:
    """Return a file that is shipped: a recipe, or `accelerate/NAME`, which configures accelerate. Raises TenetError for none."""
    folder, _, stem = name.rpartition("/")
    if folder != ACCELERATE:
        return recipe_path(name)
    known = {path.stem: path for path in sorted((SHIPPED / ACCELERATE).glob("*.yaml"))}
    if stem not in known:
        hint = did_you_mean(stem, known) or f"shipped: {', '.join(known)}"
        raise TenetError(f"{name}: expected a shipped configuration of accelerate ({hint})")
    return known[stem]


def configuration(name: str) -> Path:
    """Return a configuration of accelerate: by path, or a shipped one by name. Raises TenetError where there is none."""
    if "/" in name or name.endswith((".yaml", ".yml", ".json")):
        return Path(name)
    return shipped_file(f"{ACCELERATE}/{name}")


def purpose(path: Path) -> str:
    """Return what a shipped recipe is for: its first line, a comment."""
    with path.open(encoding="utf-8") as file:
        return file.readline().lstrip("# ").strip()


def load_recipe(name: str, changes: Sequence[str] = (), *, there: bool = False) -> Recipe:
    """Return a recipe. Its paths are relative to its file; those of a shipped one to the working directory.

    Args:
        name: A path, or a shipped recipe's name.
        changes: `KEY=VALUE`, such as `steps[0].max_steps=20` or `model.path=/models/x`; values are YAML, and paths
            that begin with a dot are relative to the working directory.
        there: Whether what it names has to be there: model, policy, data.

    Raises:
        PolicyError: With every mistake in it.
        TenetError: Where there is none, or a change cannot be read.
    """
    path = recipe_path(name)
    document = read_file(path, str(path))
    for change in changes:
        document = _changed(document, change)
    found: list[Problem] = []
    folder = folder_of(name)
    recipe = bind(document, Recipe, folder, found)
    if recipe is not None and ("/" in recipe.policy or recipe.policy.endswith(".yaml")):
        recipe = msgspec.structs.replace(recipe, policy=str(folder / recipe.policy))
    if recipe is not None:
        mistakes = [*problems(recipe), *(absent(recipe) if there else ())]
        found += [replace(place_of(document, where).problem(expected, got), path=where) for where, expected, got in mistakes]
    if found or recipe is None:
        raise PolicyError(found)
    return recipe


def folder_of(name: str) -> Path:
    """Return what the paths in a recipe are relative to: its file's folder; for a shipped one the working directory."""
    path = recipe_path(name)
    return Path.cwd() if path.parent == SHIPPED else path.parent.absolute()


def digest(recipe: Recipe, folder: Path | None = None) -> str:
    """Return the SHA-256 of what a recipe says, defaults included: 64 hexadecimal digits.

    Args:
        folder: What its paths are relative to (`folder_of`), so that the same recipe has the same digest wherever it stands.
    """
    plain = msgspec.json.decode(msgspec.json.encode(recipe))
    if folder is not None:
        for where, path in paths(recipe):
            _put(plain, where, os.path.relpath(path, folder))
    return hashlib.sha256(msgspec.json.encode(plain, order="sorted")).hexdigest()


def _put(plain: Any, where: tuple[str | int, ...], value: str) -> None:  # noqa: ANN401
    for key in where[:-1]:
        plain = plain[key]
    plain[where[-1]] = value


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
