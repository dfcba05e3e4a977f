"""Lint policy files: mistakes and remarks with their places, exceptions taken out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from guard.errors import PolicyError, Problem, TenetError
from guard.policy.exceptions import Exemption, exemptions
from guard.policy.kinds import Kind
from guard.policy.lint import lint
from guard.policy.load import load, loads
from guard.policy.merge import items, members, word
from guard.policy.model import Policy
from guard.policy.node import Node
from guard.policy.remarks import CODES, Level, Remark
from guard.policy.shapes import did_you_mean
from guard.policy.written import comments
from guard.policy.yaml_source import read_bytes

MISTAKE = "L000"


@dataclass(frozen=True, slots=True)
class Placed:
    """A remark and its place.

    Attributes:
        line: From 1, as is `column`; 0 where the whole file is meant.
        excepted: The reason of the exception that takes it out; empty where none does.
    """

    remark: Remark
    where: str
    line: int = 0
    column: int = 0
    excepted: str = ""

    @property
    def place(self) -> str:
        """File, line and column."""
        return f"{self.where}:{self.line}:{self.column}" if self.line else self.where

    def __str__(self) -> str:
        return f"{self.place}: {self.remark}"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which codes are looked at: those that begin with one of `select` (all where it is empty) and with none of `ignore`."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for code in (*self.select, *self.ignore):
            if not code or not any(known.startswith(code) for known in CODES):
                hint = did_you_mean(code, CODES)
                raise TenetError(f"expected a code of lint, or how some begin, got {code!r}{f' ({hint})' if hint else ''}")

    def holds(self, code: str) -> bool:
        """Return whether a code is looked at; a mistake always is."""
        if code == MISTAKE:
            return True
        return (not self.select or code.startswith(self.select)) and not (self.ignore and code.startswith(self.ignore))


def lint_file(name: str, path: Path, kinds: Mapping[str, Kind], chosen: Chosen) -> list[Placed]:
    """Return what there is to say about a policy, in the order of its files and lines.

    Args:
        name: A shipped policy's name, or a path, as the user gave it.
        path: Where it is.
        kinds: What may stand behind `use:`.
        chosen: Which codes are looked at.
    """
    try:
        policy = load(name, kinds)
    except PolicyError as error:
        return [_mistake(problem) for problem in error.problems]
    named = {str(path.absolute()): name if name.endswith(".yaml") else _short(path.absolute())}
    return _placed(policy, [_source(Path(source), named) for source in policy.sources], kinds, chosen)


def lint_bytes(data: bytes, where: str, kinds: Mapping[str, Kind], chosen: Chosen) -> list[Placed]:
    """Return the same for the bytes of a policy that stands in no file; paths in it are relative to the working directory."""
    try:
        document = read_bytes(data, where)
        policy = loads(data.decode("utf-8-sig"), kinds, where)
    except PolicyError as error:
        return [_mistake(problem) for problem in error.problems]
    sources = [_source(Path(source), {}) for source in policy.sources]
    return _placed(replace(policy, sources=()), [*sources, _Source(document, data)], kinds, chosen)


@dataclass(slots=True)
class _Source:
    """A file of a policy, and which of its exceptions were needed."""

    document: Node
    data: bytes
    needed: set[int] = field(default_factory=set)
    exemptions: list[Exemption] = field(init=False)

    def __post_init__(self) -> None:
        self.exemptions = exemptions(comments(self.data.decode("utf-8-sig").replace("\r\n", "\n")))

    def place(self, code: str, subject: str) -> tuple[Node, int] | None:
        """Return where a subject stands and its last line; None where this file does not have it."""
        about = CODES[code].about
        fields = members(self.document)
        if about in ("rules", "principles"):
            for node in reversed(items(fields.get(about))):
                if subject in (word(members(node), key) for key in ("id", "override")):
                    return node, _last_line(node)
            for node in items(fields.get("include")) if about == "rules" else ():
                prefix = word(members(node), "prefix")
                if prefix and subject.startswith(prefix):
                    return node, _last_line(node)
        elif about == "detectors":
            declared = members(fields.get(about)).get(subject)
            if declared is not None:
                return fields[about].keys[subject], _last_line(declared)
        else:
            section, _, key = about.partition(".")
            keys = fields[section].keys if key and section in fields else {}
            found = keys.get(key) or (self.document.keys.get(section) if not key else None)
            return (found, found.line) if found else None
        return None

    def excepted(self, code: str, first: int, last: int) -> str:
        """Return the reason of the exception to a remark on these lines; empty where there is none."""
        for index, exemption in enumerate(self.exemptions):
            if not exemption.fault and code in exemption.codes and any(first <= line <= last for line in exemption.covers):
                self.needed.add(index)
                return exemption.reason
        return ""


def _source(path: Path, named: Mapping[str, str]) -> _Source:
    data = path.read_bytes()
    return _Source(read_bytes(data, named.get(str(path), _short(path))), data)


def _short(path: Path) -> str:
    """Return a path as it is from the working directory, where it is below that."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _placed(policy: Policy, sources: Sequence[_Source], kinds: Mapping[str, Kind], chosen: Chosen) -> list[Placed]:
    own = sources[-1]
    found = [_place(remark, sources) for remark in lint(policy, kinds) if chosen.holds(remark.code)]
    found += [placed for placed in _about_exceptions(own, chosen) if chosen.holds(placed.remark.code)]
    order = {source.document.where: index for index, source in enumerate(reversed(sources))}
    return sorted(found, key=lambda placed: (order[placed.where], placed.line, placed.column, placed.remark.code))


def _place(remark: Remark, sources: Sequence[_Source]) -> Placed:
    """Return a remark with the place of its subject: in the last file that has a say in it."""
    for source in reversed(sources):
        place = source.place(remark.code, remark.subject)
        if place is not None:
            node, last = place
            return Placed(remark, node.where, node.line, node.column, source.excepted(remark.code, node.line, last))
    own = sources[-1]
    first = next(iter(own.document.keys.values()))
    return Placed(remark, first.where, first.line, first.column, own.excepted(remark.code, first.line, first.line))


def _about_exceptions(source: _Source, chosen: Chosen) -> Iterator[Placed]:
    for index, exemption in enumerate(source.exemptions):
        code, said, hint = exemption.fault, exemption.said, "write `# noqa: CODE reason`"
        if not code and index not in source.needed and all(map(chosen.holds, exemption.codes)):
            code, said, hint = "L092", f"nothing needs the exception to {', '.join(exemption.codes)}", "leave it out"
        if code:
            yield Placed(Remark(Level.WARNING, code, "", said, hint), source.document.where, exemption.line, exemption.column)


def _last_line(node: Node) -> int:
    """Return the last line on which a value of a node begins."""
    below: Iterable[Node] = ()
    if isinstance(node.value, dict):
        below = node.value.values()
    elif isinstance(node.value, list):
        below = node.value
    return max([node.line, *(_last_line(each) for each in below)])


def _mistake(problem: Problem) -> Placed:
    message = f"expected {problem.expected}, got {problem.got}"
    return Placed(Remark(Level.ERROR, MISTAKE, problem.path, message, problem.hint), problem.where, problem.line, problem.column)
