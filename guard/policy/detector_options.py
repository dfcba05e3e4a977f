"""Check what a policy says about a detector against what the detector's kind declares."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from guard.errors import Problem
from guard.policy.kinds import Kind, Mistake, Option
from guard.policy.merge import Draft, items, members
from guard.policy.model import DetectorConfig, Principle
from guard.policy.node import Invalid, Node
from guard.policy.schema import options_record
from guard.policy.shapes import did_you_mean, listed
from guard.runtime.settings import RuntimeSettings


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
    files = {
        name: _file(draft, name, options, checked, problems)
        for name, value in options.items()
        if kind.options[name].path and isinstance(value, str) and (not kind.options[name].hub or is_local(value))
    }
    if len(problems) == before:
        problems.extend(_placed(mistake, checked) for mistake in kind.check(options))
    runtime = RuntimeSettings(**{name: _seconds(name, node) for name, node in _valid(members(checked).get("runtime"))})
    return DetectorConfig(draft.id, use.value, options, files, runtime) if len(problems) == before else None


def with_principles(
    config: DetectorConfig,
    draft: Draft,
    kinds: Mapping[str, Kind],
    principles: Mapping[str, Principle],
    problems: list[Problem],
) -> DetectorConfig:
    """Return the configuration with the prose of principles in place of their ids, where its kind has an option for them."""
    resolved = dict(config.options)
    for name, option in kinds[config.use].options.items():
        if not option.principles or name not in config.options:
            continue
        for node in items(draft.fields[name]):
            if node.value not in principles:
                hint = did_you_mean(str(node.value), principles)
                problems.append(node.problem("the id of a principle in `principles`", node.shown, hint))
        resolved[name] = [principles[entry].text for entry in config.options[name] if entry in principles]
    return replace(config, options=resolved)


def is_local(model: str) -> bool:
    """Return whether the name of a model is a path on this machine, and not an id of a model hub."""
    return model.startswith((".", "/", "~"))


def check_references(
    configs: Mapping[str, DetectorConfig], drafts: Mapping[str, Draft], kinds: Mapping[str, Kind]
) -> list[Problem]:
    """Return what is wrong with the detectors that other detectors name: unknown ones, and circles."""
    names = {name: kinds[config.use].refers(config.options) for name, config in configs.items()}
    problems = []
    for name, others in names.items():
        for other in others:
            if other not in drafts:
                hint = did_you_mean(other, drafts)
                problems.append(drafts[name].node.problem("the names of detectors in `detectors`", f'"{other}"', hint))
        if _reaches(name, name, names, set()):
            problems.append(drafts[name].node.problem("detectors that do not refer to themselves", f'"{name}", in a circle'))
    return problems


def _reaches(start: str, goal: str, names: Mapping[str, tuple[str, ...]], seen: set[str]) -> bool:
    for other in names.get(start, ()):
        if other == goal:
            return True
        if other not in seen:
            seen.add(other)
            if _reaches(other, goal, names, seen):
                return True
    return False


def _valid(node: Node | None) -> list[tuple[str, Node]]:
    return [(name, value) for name, value in members(node).items() if value.value is not Invalid.INVALID]


def _seconds(name: str, node: Node) -> Any:  # noqa: ANN401
    return float(node.value) if name in ("timeout", "wait", "recovery") and isinstance(node.value, int) else node.plain


def _typed(option: Option, node: Node) -> Any:  # noqa: ANN401
    return float(node.value) if option.type == "number" and isinstance(node.value, int) else node.plain


def _file(draft: Draft, name: str, options: dict[str, Any], checked: Node, problems: list[Problem]) -> str:
    """Make a path option absolute, and return the digest of the file, or of all files of the folder."""
    path = Path(draft.directory_of(name), Path(options[name]).expanduser()).absolute()
    options[name] = str(path)
    try:
        return digest_of(path)
    except OSError as error:
        node = members(checked)[name]
        problems.append(node.problem("a readable file", f"{node.shown}: {(error.strerror or str(error)).lower()}"))
        return ""


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, or of all files of a folder with their names. Raises OSError where one can't be read."""
    if not path.is_dir():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    parts = [f"{entry.relative_to(path)} {digest_of(entry)}" for entry in sorted(path.rglob("*")) if entry.is_file()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _placed(mistake: Mistake, node: Node) -> Problem:
    """Return the problem at the place that the mistake's path leads to, as far as it leads."""
    for step in mistake.path:
        if isinstance(node.value, dict) and str(step) in node.value:
            node = node.value[str(step)]
        elif isinstance(node.value, list) and isinstance(step, int) and 0 <= step < len(node.value):
            node = node.value[step]
    return node.problem(mistake.expected, mistake.got, mistake.hint)
