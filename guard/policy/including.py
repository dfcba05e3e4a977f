"""Packs: files that policies include. Where one is found, what it may say, and its rules under other names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import guard
from guard.errors import Problem
from guard.policy.merge import items, members
from guard.policy.node import Node
from guard.policy.schema import ONLY_WITH_ACTIONS
from guard.policy.shapes import did_you_mean

_NOT_INCLUDED = ("extends", "routes", "limits", "store", "constitution")
"""Keys of a policy as a whole, which a pack leaves to whoever includes it."""

_OWN_DEFAULTS = ("message", "threshold", "severities", "on_error")
"""Defaults that hold for a file's own rules only."""


def policies_folder() -> Path:
    """Return where the policies lie that come with Tenet."""
    return Path(guard.__file__).parent.parent / "policies"


def packs() -> dict[str, Path]:
    """Return the packs that come with Tenet, by name."""
    found = sorted((policies_folder() / "packs").glob("*.yaml"))
    return {path.stem: path for path in found if not path.stem.endswith("_test")}


def pack_file(node: Node, directory: Path, root: Path, problems: list[Problem]) -> Path | None:
    """Return the file that `pack:` names, or None after saying why there is none.

    Args:
        node: The name of a shipped pack, or a path.
        directory: What a path is relative to.
        root: A resolved folder; a path must lead to a file below it, or, from a shipped file, below the shipped ones.
        problems: Grows.
    """
    name = str(node.value)
    if "/" not in name and not name.endswith(".yaml"):
        if name not in packs():
            hint = did_you_mean(name, packs()) or f"shipped: {', '.join(packs())}; a path contains `/` or ends in `.yaml`"
            problems.append(node.problem("the name of a shipped pack, or a path", hint=hint))
        return packs().get(name)
    path = (directory / name).resolve()
    shipped = policies_folder().resolve()
    inside = path.is_relative_to(root) or (directory.resolve().is_relative_to(shipped) and path.is_relative_to(shipped))
    if not inside:
        problems.append(node.problem(f"a path below the policy's folder, {root}", hint="copy the pack there"))
        return None
    if not path.is_file():
        problems.append(node.problem("a pack file that exists", hint=f"looked at {path}"))
        return None
    return path


def check_included(document: Node, problems: list[Problem]) -> None:
    """Add to `problems` what only a policy may say that nothing includes."""
    fields = members(document)
    for key in _NOT_INCLUDED:
        if key in fields:
            problems.append(document.keys[key].problem(f"no `{key}` in what is included", hint="say it in the policy itself"))
    defaults = fields.get("defaults")
    for key in members(defaults):
        if key not in _OWN_DEFAULTS and defaults is not None:
            expected = f"no `defaults.{key}` in what is included"
            problems.append(defaults.keys[key].problem(expected, hint="it holds for the whole policy: say it there"))


def fitted(written: Node, filled: Node) -> Node:
    """Return a document whose rules have no keys that their action doesn't take, where a parameter says which action it is."""
    rules = members(filled).get("rules")
    if rules is None or not isinstance(rules.value, list):
        return filled
    before = items(members(written).get("rules"))
    fitting = [_fitting(first, second) for first, second in zip(before, rules.value, strict=True)]
    return replace(filled, value={**members(filled), "rules": replace(rules, value=fitting)})


def _fitting(written: Node, filled: Node) -> Node:
    fields = members(filled)
    if "action" not in fields or members(written)["action"].value == fields["action"].value:
        return filled
    action = fields["action"].value
    unfit = {name for name, actions in ONLY_WITH_ACTIONS.items() if action not in actions}
    return replace(filled, value={name: node for name, node in fields.items() if name not in unfit})


def prefixed(document: Node, prefix: str) -> Node:
    """Return a checked document in which every rule has another id, wherever it is named."""
    fields = members(document)
    if not prefix or "rules" not in fields:
        return document
    rules = [_changed(rule, _RENAMED, prefix) for rule in items(fields["rules"])]
    return replace(document, value={**fields, "rules": replace(fields["rules"], value=rules)})


def _name(node: Node, prefix: str) -> Node:
    return replace(node, value=f"{prefix}{node.value}") if isinstance(node.value, str) else node


def _names(node: Node, prefix: str) -> Node:
    return replace(node, value=[_name(each, prefix) for each in items(node)]) if isinstance(node.value, list) else node


def _count(node: Node, prefix: str) -> Node:
    return _changed(node, {"rule": _names}, prefix)


_RENAMED: dict[str, Callable[[Node, str], Node]] = {
    "id": _name,
    "override": _name,
    "disable": _name,
    "overrides": _names,
    "count": _count,
}
"""Keys of a rule that name rules."""


def _changed(node: Node, changes: dict[str, Callable[[Node, str], Node]], prefix: str) -> Node:
    if not isinstance(node.value, dict):
        return node
    changed = {key: changes[key](each, prefix) if key in changes else each for key, each in node.value.items()}
    return replace(node, value=changed)
