"""Read a file of choices and all the policies that it names; every mistake, in whichever file, is told at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from guard.choosing.choices import Choice, Choices
from guard.choosing.circles import circle_of
from guard.choosing.schema import CHOICES, MOST_CHOICES
from guard.choosing.when import REST, Segments, When
from guard.errors import PolicyError, Problem
from guard.formats.registry import segments_of
from guard.policy.kinds import Kind
from guard.policy.load import load, shipped
from guard.policy.merge import items, members
from guard.policy.model import Policy
from guard.policy.node import Node, quoted
from guard.policy.shapes import did_you_mean
from guard.policy.strictness import looser
from guard.policy.yaml_source import read_file

_WORDS = ("method", "tenant", "key", "role")
_WHOLE_KEY = "tg_"
"""How a key begins that has to stay with its owner; its id begins with `gk_`."""
_NOT_READ = frozenset(("authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "x-guard-key"))
"""Headers that hold secrets, which no file of choices is to have."""
_MOST_REASONS = 3


@dataclass(frozen=True, slots=True)
class Read:
    """A file of choices with its policies, by what tells them apart (`Choice.policy`)."""

    path: Path
    choices: Choices
    policies: Mapping[str, Policy]


def read_choices(path: Path, kinds: Mapping[str, Kind]) -> Read:
    """Return what a file of choices says, and its policies.

    Args:
        path: The file; paths in it are relative to its folder.
        kinds: What may stand behind `use:` in the policies.

    Raises:
        PolicyError: With every mistake in this file, in the policies that it names, and in what they extend or include.
    """
    reading = _Reading(path, kinds)
    choices = reading.choices(read_file(path, str(path)))
    if choices is not None:
        reading.check_reach(choices)
        reading.check_headers(choices)
    if choices is None or reading.problems:
        problems = dict.fromkeys(reading.problems)
        raise PolicyError(sorted(problems, key=lambda problem: (problem.where, problem.line, problem.column)))
    return Read(path, choices, reading.policies)


@dataclass(slots=True)
class _Reading:
    """What was read so far."""

    path: Path
    kinds: Mapping[str, Kind]
    problems: list[Problem] = field(default_factory=list)
    policies: dict[str, Policy] = field(default_factory=dict)
    nodes: list[Mapping[str, Node]] = field(default_factory=list)  # of the choices that were read
    tried: set[str] = field(default_factory=set)

    def choices(self, document: Node) -> Choices | None:
        checked = CHOICES.check(document, self.problems)
        fields = members(checked)
        entries = items(fields.get("choices"))
        if len(entries) > MOST_CHOICES:
            self.problems.append(fields["choices"].problem(f"at most {MOST_CHOICES:,} choices", f"{len(entries):,}"))
            return None
        trusted = frozenset(str(node.value).lower() for node in items(fields.get("trusted_headers")))
        self._check_trusted(items(fields.get("trusted_headers")))
        read = [choice for entry in entries if (choice := self._choice(entry)) is not None]
        default = self._policy(fields.get("default"))
        if default is None:
            return None
        require = frozenset(str(node.value) for node in items(fields.get("require")))
        return Choices(tuple(read), Choice(When(), *default), trusted, require)

    def check_reach(self, choices: Choices) -> None:
        """Report choices that are never made."""
        for index in choices.unreachable():
            node = self.nodes[index]["when"]
            hint = "put it before them, or leave it out"
            self.problems.append(node.problem("conditions that those before it leave something to", "nothing left", hint))

    def check_headers(self, choices: Choices) -> None:
        """Report choices by which a client could loosen its policy with a header."""
        for index, choice in enumerate(choices.choices):
            names = choices.clients(choice)
            others = {other.policy: other for other in choices.otherwise(index)} if names else {}
            for other in others.values():
                how = self._looser(choice, other)
                if how:
                    self.problems.append(self._loosening(index, sorted(names), other, how))

    def _looser(self, choice: Choice, other: Choice) -> list[str]:
        """Return in which ways a choice's policy is looser than another's, as far as both could be loaded."""
        policy, than = self.policies.get(choice.policy), self.policies.get(other.policy)
        return list(looser(policy, than)) if policy is not None and than is not None else []

    def _loosening(self, index: int, names: list[str], other: Choice, how: list[str]) -> Problem:
        which = "header " + " and ".join(f"`{name}`" for name in names)
        told = "; ".join(how[:_MOST_REASONS]) + (f"; and {len(how) - _MOST_REASONS} more" if len(how) > _MOST_REASONS else "")
        expected = f"a policy as strict as {quoted(other.written)}, which a client gets without the {which}"
        node = self.nodes[index]["policy"]
        hint = "extend that one, narrow `when`, or list a header under `trusted_headers` that no client can set"
        return node.problem(expected, f"{node.shown}: {told}", hint)

    def _check_trusted(self, nodes: list[Node]) -> None:
        for node in nodes:
            self._check_header(node)

    def _check_header(self, node: Node) -> None:
        if str(node.value).lower() in _NOT_READ:
            hint = "choose by `tenant`, `key` or `role`, which are checked before"
            self.problems.append(node.problem("a header that holds no secret", hint=hint))

    def _choice(self, entry: Node) -> Choice | None:
        """Return a choice; None where it holds a mistake, other than that its policy can't be loaded."""
        fields = members(entry)
        when = self._when(fields["when"]) if "when" in fields else None
        policy = self._policy(fields.get("policy"))
        if when is None or policy is None or any(problem.path.startswith(f"{entry.path}.when") for problem in self.problems):
            return None
        self.nodes.append(fields)
        return Choice(when, *policy)

    def _when(self, node: Node) -> When:
        fields = members(node)
        if isinstance(node.value, dict) and not node.value and not node.keys:
            hint = "the policy of all other requests is the `default`"
            self.problems.append(node.problem("at least one condition", "none, which would be a second default", hint))
        for header in (fields["headers"].keys if "headers" in fields else {}).values():
            self._check_header(header)
        for key in items(fields.get("key")):
            if isinstance(key.value, str) and key.value.startswith(_WHOLE_KEY):
                hint = "its id begins with gk_; see `guard keys list`, and revoke this one, as it has been written down"
                self.problems.append(key.problem("the id of a key", "a key itself", hint))
        routes = frozenset(self._routes(items(fields.get("route"))))
        words = {name: _values(fields[name]) for name in _WORDS if name in fields}
        return When(words, routes, _headers(fields.get("headers")))

    def _routes(self, nodes: list[Node]) -> Iterator[Segments]:
        for node in nodes:
            if not isinstance(node.value, str):
                continue
            segments = segments_of(node.value)
            if segments is None:
                self.problems.append(node.problem("a path that is spelled plainly", hint="no empty and no dotted segments"))
            elif any("*" in segment and segment not in ("*", REST) for segment in segments) or REST in segments[:-1]:
                hint = "`*` is a whole segment, `**` stands at the end"
                self.problems.append(node.problem("asterisks that stand for whole segments", hint=hint))
            else:
                yield segments

    def _policy(self, node: Node | None) -> tuple[str, str] | None:
        """Return what tells a policy from others, and how it is named; it is loaded where it has not been."""
        if node is None or not isinstance(node.value, str):
            return None
        name = node.value
        if "/" not in name and not name.endswith(".yaml"):
            if name not in shipped():
                hint = did_you_mean(name, shipped()) or f"shipped: {', '.join(shipped())}; a path contains `/` or ends in `.yaml`"
                self.problems.append(node.problem("the name of a shipped policy, or a path", hint=hint))
                return name, name
            return self._loaded(name, name, node)
        path = self.path.parent / name
        circle = circle_of(path, self.path)
        if not path.is_file():
            self.problems.append(node.problem("a policy file that exists", hint=f"looked at {path}"))
        elif circle:
            got = f"{node.shown}, a file of choices ({' → '.join(each.name for each in circle)})"
            self.problems.append(node.problem("a policy", got, "name a policy, or give these choices here"))
        else:
            return self._loaded(str(path.resolve()), path, node)
        return str(path.resolve()), name

    def _loaded(self, key: str, source: str | Path, node: Node) -> tuple[str, str]:
        if key not in self.tried:
            self.tried.add(key)
            try:
                self.policies[key] = load(source, self.kinds)
            except PolicyError as error:
                self._not_loaded(error, node)
        return key, str(node.value)

    def _not_loaded(self, error: PolicyError, node: Node) -> None:
        """Report why a policy can't be loaded; one that builds upon this very file is told at the place that names it."""
        own = [problem for problem in error.problems if Path(problem.where).resolve() == self.path.resolve()]
        if own:
            expected = f"a policy that neither extends nor includes {self.path.name}"
            self.problems.append(node.problem(expected, f"{node.shown}, which leads back to it"))
        self.problems.extend(problem for problem in error.problems if problem not in own)


def _values(node: Node) -> frozenset[str]:
    return frozenset(str(each.value) for each in items(node))


def _headers(node: Node | None) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for name, values in members(node).items():
        found[name.lower()] = found.get(name.lower(), frozenset()) | {value.lower() for value in _values(values)}
    return found
