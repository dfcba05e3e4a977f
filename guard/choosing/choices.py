"""`Choices`: which policy a request gets. The first choice whose conditions hold tells, else the default does. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from guard.choosing.when import Asked, When, left_over
from guard.errors import BadMessage
from guard.formats.registry import segments_of
from guard.values import Caller


@dataclass(frozen=True, slots=True)
class Choice:
    """One entry of a file of choices.

    Attributes:
        policy: What tells its policy from others: a shipped policy's name, or the absolute path of a file.
        written: The policy as the file names it.
    """

    when: When
    policy: str
    written: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which policy a request gets, and why.

    Attributes:
        index: Of the choice that was made; -1 for the default.
        failed: For each choice before it: the first of its conditions that does not hold.
    """

    policy: str
    written: str
    index: int = -1
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Choices:
    """What a file of choices says.

    Attributes:
        trusted: Headers, in lower case, that something in front of the server sets and no client can.
        require: What must hold of the files: `read-only`, `signed`.
    """

    choices: tuple[Choice, ...]
    default: Choice
    trusted: frozenset[str] = frozenset()
    require: frozenset[str] = frozenset()
    _by_route: bool = field(init=False, default=False)
    _read: frozenset[str] = field(init=False, default=frozenset())

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_route", any(choice.when.routes for choice in self.choices))
        object.__setattr__(self, "_read", frozenset(name for choice in self.choices for name in choice.when.headers))

    def choose(self, asked: Asked) -> Chosen:
        """Return the policy for a request: that of the first choice that holds."""
        failed: list[str] = []
        for index, choice in enumerate(self.choices):
            missed = choice.when.fails(asked)
            if not missed:
                return Chosen(choice.policy, choice.written, index, tuple(failed))
            failed.append(missed)
        return Chosen(self.default.policy, self.default.written, -1, tuple(failed))

    def asked(self, method: str, path: str, caller: Caller, headers: Sequence[tuple[bytes, bytes]]) -> Asked:
        """Return what is looked at of a request.

        Raises:
            BadMessage: Where routes matter and servers may read the path in several ways, or a trusted header has several values.
        """
        route = segments_of(path)
        if route is None and self._by_route:
            message = "the path must be spelled plainly here: no empty, encoded or dotted segments"
            raise BadMessage(message, code="ambiguous_path")
        found = values_of(headers, self._read)
        for name in self.trusted & found.keys():
            if len(found[name]) > 1:
                raise BadMessage(f"{name}: expected one header with one value, got several", code="repeated_header")
        return Asked("GET" if method.upper() == "HEAD" else method.upper(), route, caller, found)

    def without_clients(self, asked: Asked) -> Asked:
        """Return the same request without the headers that clients set."""
        kept = {name: values for name, values in asked.headers.items() if name in self.trusted}
        return Asked(asked.method, asked.route, asked.caller, kept)

    def clients(self, choice: Choice) -> frozenset[str]:
        """Return the headers that a choice looks at and clients set."""
        return frozenset(choice.when.headers) - self.trusted

    def otherwise(self, index: int) -> Iterator[Choice]:
        """Yield what may be chosen for a request that gets the choice at `index`, if it had no header that a client sets."""
        rest = self.choices[index].when.without_headers(self.clients(self.choices[index]))
        for choice in self.choices[index + 1 :]:
            if not self.clients(choice) and choice.when.meets(rest, self.trusted):
                yield choice
                if choice.when.covers(rest):
                    return
        yield self.default

    def unreachable(self) -> Iterator[int]:
        """Yield the indices of choices that are never made, as those before them leave nothing."""
        for index, choice in enumerate(self.choices):
            if not left_over(choice.when, [each.when for each in self.choices[:index]]):
                yield index

    @property
    def policies(self) -> Mapping[str, str]:
        """Every policy that may be chosen, the default first, with how the file names it."""
        return {choice.policy: choice.written for choice in (self.default, *self.choices)}


def values_of(headers: Sequence[tuple[bytes, bytes]], names: frozenset[str]) -> dict[str, frozenset[str]]:
    """Return the values of some headers in lower case; what commas separate are several, as RFC 9110 has it (section 5.3)."""
    found: dict[str, set[str]] = {}
    for name, value in headers:
        known = name.decode("latin-1").lower()
        if known in names:
            found.setdefault(known, set()).update(part.strip() for part in value.decode("latin-1").lower().split(","))
    return {name: frozenset(values) for name, values in found.items()}
