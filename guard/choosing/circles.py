"""Files of choices that name files of choices in place of policies, and where that leads back to the first."""

from __future__ import annotations

from pathlib import Path

from guard.errors import PolicyError
from guard.policy.merge import items, members
from guard.policy.yaml_source import read_file

_MOST = 100
"""How many files are followed."""


def circle_of(path: Path, choices: Path) -> tuple[Path, ...]:
    """Return the way from a file of choices over `path` on, back to the first where it leads there; empty for a policy.

    Args:
        path: What the file names.
        choices: The file.
    """
    goal = choices.resolve()
    ways: list[tuple[Path, ...]] = [(choices, path)]
    seen: set[Path] = set()
    first: tuple[Path, ...] = ()
    while ways and len(seen) < _MOST:
        way = ways.pop()
        reached = way[-1].resolve()
        if reached == goal:
            return way
        named = None if reached in seen else _named(way[-1])
        seen.add(reached)
        if named is not None:
            first = first or way
            ways.extend((*way, way[-1].parent / name) for name in named)
    return first


def _named(path: Path) -> list[str] | None:
    """Return the paths that a file of choices names; None for a policy, and for what can't be read (told elsewhere)."""
    try:
        fields = members(read_file(path, str(path)))
    except PolicyError:
        return None
    if "choices" not in fields:
        return None
    nodes = [fields.get("default"), *(members(entry).get("policy") for entry in items(fields["choices"]))]
    words = [str(node.value) for node in nodes if node is not None]
    return [word for word in words if "/" in word or word.endswith(".yaml")]
