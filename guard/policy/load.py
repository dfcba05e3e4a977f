"""Load a policy: read its file and those that it extends, check, merge, build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import guard
from guard.errors import PolicyError, Problem
from guard.policy.build import build
from guard.policy.digest import digest
from guard.policy.merge import Layer, items, merge, word
from guard.policy.model import Kind, Policy
from guard.policy.node import Node
from guard.policy.schema import POLICY
from guard.policy.shapes import did_you_mean
from guard.policy.yaml_source import read, read_file

MAX_CHAIN = 8
"""How many files may extend one another in a row."""


def load(source: str | Path, kinds: Mapping[str, Kind]) -> Policy:
    """Return the policy in a file, with its bases merged in.

    Args:
        source: A shipped policy's name, or a path: a text that contains `/` or ends in `.yaml`, or a `Path`.
        kinds: What may stand behind `use:`.

    Raises:
        PolicyError: With every mistake that could be found, in this file and in those that it extends.
    """
    path = _resolve(source, Path())
    if path is None:
        raise PolicyError([_unknown(str(source), Node(None, str(source), 0, 0))])
    where = str(source) if isinstance(source, Path) or _is_path(source) else str(path)
    reading = _Reading()
    reading.add_file(path, where, ())
    return _finish(reading, kinds, path.stem)


def loads(text: str, kinds: Mapping[str, Kind], name: str = "<policy>", directory: Path | None = None) -> Policy:
    """Return the policy in a text.

    Args:
        text: The YAML.
        kinds: What may stand behind `use:`.
        name: How messages name the text, and the policy's name where it gives none.
        directory: What paths in it are relative to; the working directory where absent.

    Raises:
        PolicyError: As `load`.
    """
    reading = _Reading()
    reading.add_text(text, name, directory or Path())
    return _finish(reading, kinds, name)


def shipped() -> dict[str, Path]:
    """Return the policies that come with Tenet, by name."""
    folder = Path(guard.__file__).parent.parent / "policies"
    return {path.stem: path for path in sorted(folder.glob("*.yaml")) if not path.stem.endswith("_test")}


@dataclass(slots=True)
class _Reading:
    """The files read so far, bases before what extends them."""

    problems: list[Problem] = field(default_factory=list)
    layers: dict[str, Layer] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)

    def add_file(self, path: Path, where: str, chain: tuple[str, ...]) -> None:
        key = str(path.resolve())
        try:
            document = read_file(path, where)
        except PolicyError as error:
            self.problems.extend(error.problems)
            return
        self._add(document, key, path.parent, (*chain, key))
        self.sources.append(str(path.absolute()))

    def add_text(self, text: str, where: str, directory: Path) -> None:
        try:
            document = read(text, where)
        except PolicyError as error:
            self.problems.extend(error.problems)
            return
        self._add(document, where, directory, (where,))

    def _add(self, document: Node, key: str, directory: Path, chain: tuple[str, ...]) -> None:
        checked = POLICY.check(document, self.problems)
        layer = Layer(key, directory, checked)
        bases: set[str] = set()
        for node in items(layer.fields.get("extends")):
            base = self._base(node, directory, chain)
            if base is not None:
                bases |= {base.key, *base.inherits}
        self.layers[key] = replace(layer, inherits=frozenset(bases))

    def _base(self, node: Node, directory: Path, chain: tuple[str, ...]) -> Layer | None:
        """Read what an entry of `extends` names, unless it has been read."""
        if not isinstance(node.value, str):
            return None
        path = _resolve(node.value, directory)
        if path is None:
            self.problems.append(_unknown(node.value, node))
            return None
        key = str(path.resolve())
        if key in chain or len(chain) >= MAX_CHAIN:
            expected = "a policy that does not extend this one" if key in chain else f"at most {MAX_CHAIN} policies in a row"
            self.problems.append(node.problem(expected, " → ".join(Path(each).name for each in (*chain, key))))
            return None
        if key not in self.layers:
            if not path.is_file():
                self.problems.append(node.problem("a policy file that exists", hint=f"looked at {path}"))
                return None
            self.add_file(path, str(path), chain)
        return self.layers.get(key)


def _finish(reading: _Reading, kinds: Mapping[str, Kind], fallback: str) -> Policy:
    layers = list(reading.layers.values())
    policy = build(merge(layers, reading.problems), kinds, reading.problems)
    if reading.problems:
        raise PolicyError(
            sorted(dict.fromkeys(reading.problems), key=lambda problem: (problem.where, problem.line, problem.column))
        )
    named = replace(policy, name=word(layers[-1].fields, "name") or fallback, sources=tuple(reading.sources))
    return replace(named, digest=digest(named, {}))


def _is_path(source: str) -> bool:
    return "/" in source or source.endswith(".yaml")


def _resolve(source: str | Path, directory: Path) -> Path | None:
    """Return the file that `source` names, whether or not it exists; None for a bare name that is not shipped."""
    if isinstance(source, Path) or _is_path(source):
        return directory / source
    return shipped().get(source)


def _unknown(name: str, node: Node) -> Problem:
    hint = did_you_mean(name, shipped()) or f"shipped: {', '.join(shipped())}; a path contains `/` or ends in `.yaml`"
    return node.problem("the name of a shipped policy, or a path", f'"{name}"', hint)
