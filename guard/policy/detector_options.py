"""Check what a policy says about a detector against what the detector's kind declares."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from guard.errors import Problem
from guard.policy.merge import Draft, members
from guard.policy.model import DetectorConfig, Kind, Mistake, Option
from guard.policy.node import Node
from guard.policy.schema import options_record
from guard.policy.shapes import did_you_mean, listed


def build_detector(draft: Draft, kinds: Mapping[str, Kind], problems: list[Problem]) -> DetectorConfig | None:
    """Return the detector's configuration, or None after adding to `problems` what is wrong with it."""
    use = draft.fields.get("use")
    if use is None:
        problems.append(draft.node.problem("the key `use`", "none", f"one of {', '.join(sorted(kinds))}"))
        return None
    if not isinstance(use.value, str):
        return None
    kind = kinds.get(use.value)
    if kind is None:
        problems.append(use.problem(listed(sorted(kinds) or ["a kind of detector"]), hint=did_you_mean(use.value, kinds)))
        return None
    before = len(problems)
    given = replace(draft.node, value=draft.fields, keys=draft.keys)
    checked = options_record(kind.options).check(given, problems)
    options = {name: _typed(kind.options[name], node) for name, node in members(checked).items() if name in kind.options}
    files = {name: _file(draft, name, options, checked, problems) for name in options if kind.options[name].path}
    if len(problems) == before:
        problems.extend(_placed(mistake, checked) for mistake in kind.check(options))
    return DetectorConfig(draft.id, use.value, options, files) if len(problems) == before else None


def _typed(option: Option, node: Node) -> Any:  # noqa: ANN401
    return float(node.value) if option.type == "number" and isinstance(node.value, int) else node.plain


def _file(draft: Draft, name: str, options: dict[str, Any], checked: Node, problems: list[Problem]) -> str:
    """Make a path option absolute, and return the digest of the file."""
    if not isinstance(options[name], str):
        return ""
    path = Path(draft.directory_of(name), options[name]).absolute()
    options[name] = str(path)
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        node = members(checked)[name]
        problems.append(node.problem("a readable file", f"{node.shown}: {(error.strerror or str(error)).lower()}"))
        return ""


def _placed(mistake: Mistake, node: Node) -> Problem:
    """Return the problem at the place that the mistake's path leads to, as far as it leads."""
    for step in mistake.path:
        if isinstance(node.value, dict) and str(step) in node.value:
            node = node.value[str(step)]
        elif isinstance(node.value, list) and isinstance(step, int) and 0 <= step < len(node.value):
            node = node.value[step]
    return node.problem(mistake.expected, mistake.got, mistake.hint)
