"""Load a policy: read its file, those that it extends and the packs that it includes, check, merge, build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from guard.errors import PolicyError, Problem
from guard.policy.build import build
from guard.policy.digest import digest
from guard.policy.including import check_included, fitted, pack_file, packs, policies_folder, prefixed
from guard.policy.kinds import Kind
from guard.policy.merge import Layer, items, members, merge, word
from guard.policy.model import Policy
from guard.policy.node import Node
from guard.policy.parameters import declared, filled_in, values_of
from guard.policy.schema import POLICY
from guard.policy.shapes import did_you_mean
from guard.policy.yaml_source import read, read_file

MAX_CHAIN = 8
"""How many files may extend or include one another in a row."""
MAX_FILES = 200
"""How many files, one counted as often as it is included with other values, may make up a policy."""


def load(source: str | Path, kinds: Mapping[str, Kind]) -> Policy:
    """Return the policy in a file, with its bases merged in.

    Args:
        source: The name of a shipped policy or pack, or a path: a text that contains `/` or ends in `.yaml`, or a `Path`. A pack
            by itself has the defaults of its parameters.
        kinds: What may stand behind `use:`.

    Raises:
        PolicyError: With every mistake that could be found, in this file and in those that it extends.
    """
    path = _resolve(source, Path()) or packs().get(str(source))
    if path is None:
        raise PolicyError([_unknown(str(source), Node(None, str(source), 0, 0))])
    where = str(source) if isinstance(source, Path) or _is_path(source) else str(path)
    reading = _Reading(path.parent.resolve())
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
    reading = _Reading((directory or Path()).resolve())
    reading.add_text(text, name, directory or Path())
    return _finish(reading, kinds, name)


def shipped() -> dict[str, Path]:
    """Return the policies that come with Tenet, by name."""
    return {path.stem: path for path in sorted(policies_folder().glob("*.yaml")) if not path.stem.endswith("_test")}


@dataclass(frozen=True, slots=True)
class _Taken:
    """How a file is taken in: as a pack, with which values and under which prefix."""

    key: str
    given: Node | None = None
    prefix: str = ""
    included: bool = True


@dataclass(slots=True)
class _Reading:
    """The files read so far, bases and packs before what builds upon them.

    Attributes:
        root: Below which included files must lie.
    """

    root: Path
    problems: list[Problem] = field(default_factory=list)
    layers: dict[str, Layer] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)

    def add_file(self, path: Path, where: str, chain: tuple[str, ...], taken: _Taken | None = None) -> None:
        key = str(path.resolve())
        try:
            document = read_file(path, where)
        except PolicyError as error:
            self.problems.extend(error.problems)
            return
        self._add(document, taken or _Taken(key, included=False), path.parent, (*chain, key))
        if str(path.absolute()) not in self.sources:
            self.sources.append(str(path.absolute()))

    def add_text(self, text: str, where: str, directory: Path) -> None:
        try:
            document = read(text, where)
        except PolicyError as error:
            self.problems.extend(error.problems)
            return
        self._add(document, _Taken(where, included=False), directory, (where,))

    def _add(self, document: Node, taken: _Taken, directory: Path, chain: tuple[str, ...]) -> None:
        parameters = declared(document, self.problems)
        values = values_of(parameters or {}, taken.given, self.problems)
        if parameters is not None:
            document = fitted(document, filled_in(document, values, self.problems))
        checked = POLICY.check(document, self.problems)
        if taken.included:
            check_included(checked, self.problems)
        layer = Layer(taken.key, directory, prefixed(checked, taken.prefix), included=taken.included)
        bases: set[str] = set()
        for node in items(layer.fields.get("extends")) if not taken.included else ():
            bases |= _with_its_own(self._base(node, directory, chain))
        for node in items(layer.fields.get("include")):
            bases |= _with_its_own(self._pack(members(node), directory, chain, taken.prefix))
        self.layers[taken.key] = replace(layer, inherits=frozenset(bases))

    def _pack(self, fields: dict[str, Node], directory: Path, chain: tuple[str, ...], outer: str) -> Layer | None:
        """Read what an entry of `include` names, unless it has been read with the same values and prefix."""
        node = fields.get("pack")
        if node is None or not isinstance(node.value, str):
            return None
        path = pack_file(node, directory, self.root, self.problems)
        if path is None:
            return None
        given, prefix = fields.get("with"), outer + word(fields, "prefix")
        key = f"{path.resolve()}#{prefix}#{given.plain if given is not None and isinstance(given.value, dict) else {}}"
        if str(path.resolve()) in chain or len(chain) >= MAX_CHAIN:
            self._too_far(node, str(path.resolve()), chain, "include")
            return None
        if len(self.layers) >= MAX_FILES:
            self.problems.append(node.problem(f"at most {MAX_FILES} files in a policy", "more"))
            return None
        if key not in self.layers:
            self.add_file(path, _shown(path), chain, _Taken(key, given, prefix))
        return self.layers.get(key)

    def _too_far(self, node: Node, key: str, chain: tuple[str, ...], verb: str) -> None:
        expected = f"a file that does not {verb} this one" if key in chain else f"at most {MAX_CHAIN} files in a row"
        self.problems.append(node.problem(expected, " → ".join(Path(each).name for each in (*chain, key))))

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
            self._too_far(node, key, chain, "extend")
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


def _with_its_own(layer: Layer | None) -> set[str]:
    return set() if layer is None else {layer.key, *layer.inherits}


def _shown(path: Path) -> str:
    """Return how messages name a file: relative to the working directory where it lies below that."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


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
