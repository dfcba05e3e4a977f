"""Conditions of a choice: by route, method, tenant, key, role and header. Which hold, and what one says of another. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product

from guard.values import Caller

Segments = tuple[str, ...]
ANY, REST = "*", "**"
"""In a route: one segment, whatever it is; at its end: all that comes after, nothing included."""
MOST_WAYS = 10_000
"""Combinations of a choice's values that are looked at when it is asked whether others leave anything to it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What choices read of a request.

    Attributes:
        method: In capitals; `GET` for `HEAD`.
        route: The path's segments in lower case; None where servers may read the path in different ways.
        headers: The values of each header in lower case, by its name in lower case.
    """

    method: str
    route: Segments | None
    caller: Caller = Caller()
    headers: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class When:
    """Conditions, of which all must hold; each lists values, of which one must be the request's.

    Attributes:
        words: By what is looked at: `method`, `tenant`, `key`, `role`. What is not there may be anything.
        routes: Patterns of segments in lower case; empty for any route.
        headers: Values in lower case, by the header's name.
    """

    words: Mapping[str, frozenset[str]] = field(default_factory=dict)
    routes: frozenset[Segments] = frozenset()
    headers: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def fails(self, asked: Asked) -> str:
        """Return the first condition that does not hold; empty where all do."""
        if self.routes and (asked.route is None or not any(fits(pattern, asked.route) for pattern in self.routes)):
            return "route"
        found = {
            "method": {asked.method},
            "tenant": {asked.caller.tenant},
            "key": {asked.caller.key},
            "role": asked.caller.roles,
        }
        missed = [name for name, wanted in self.words.items() if wanted.isdisjoint(found[name])]
        missed += [f"headers.{name}" for name, wanted in self.headers.items() if wanted.isdisjoint(asked.headers.get(name, ()))]
        return missed[0] if missed else ""

    def without_headers(self, names: frozenset[str]) -> When:
        """Return the same conditions, but for those on these headers."""
        return When(self.words, self.routes, {name: values for name, values in self.headers.items() if name not in names})

    def covers(self, other: When) -> bool:
        """Return whether it holds for every request for which `other` holds."""
        return (
            all(name in other.words and wanted >= other.words[name] for name, wanted in self.words.items())
            and all(name in other.headers and wanted >= other.headers[name] for name, wanted in self.headers.items())
            and (not self.routes or (bool(other.routes) and all(self._takes(pattern) for pattern in other.routes)))
        )

    def meets(self, other: When, single: frozenset[str] = frozenset()) -> bool:
        """Return whether there may be a request for which both hold.

        Args:
            single: Headers of which a request has one value at most.
        """
        apart = [
            *((self.words[name], other.words[name]) for name in self.words.keys() & other.words.keys() if name != "role"),
            *((self.headers[name], other.headers[name]) for name in self.headers.keys() & other.headers.keys() & single),
        ]
        return not any(own.isdisjoint(its) for own, its in apart) and (
            not self.routes or not other.routes or any(meet(own, its) for own in self.routes for its in other.routes)
        )

    def ways(self) -> Iterator[When]:
        """Yield the conditions one by one, each with a single value; there may be very many."""
        words = [[(name, value) for value in sorted(values)] for name, values in self.words.items()]
        headers = [[(name, value) for value in sorted(values)] for name, values in self.headers.items()]
        routes = [frozenset({pattern}) for pattern in sorted(self.routes)] or [frozenset()]
        for route in routes:
            for one in product(*words):
                for other in product(*headers):
                    yield When(
                        {name: frozenset({value}) for name, value in one},
                        route,
                        {name: frozenset({value}) for name, value in other},
                    )

    @property
    def count(self) -> int:
        """How many `ways` there are."""
        number = len(self.routes) or 1
        for values in (*self.words.values(), *self.headers.values()):
            number *= len(values)
        return number

    def _takes(self, pattern: Segments) -> bool:
        return any(takes(own, pattern) for own in self.routes)


def left_over(when: When, before: list[When]) -> bool:
    """Return whether a choice is ever made that stands after others; yes, where that would take too long to tell."""
    if any(each.covers(when) for each in before):
        return False
    if when.count == 1 or when.count > MOST_WAYS:
        return True
    near = [each for each in before if each.meets(when)]
    return not all(any(each.covers(way) for each in near) for way in when.ways())


def fits(pattern: Segments, route: Segments) -> bool:
    """Return whether a route is one of those that a pattern stands for; in a route, asterisks are letters like others."""
    fixed, whole = _parts(pattern)
    if len(route) < len(fixed) or (whole and len(route) > len(fixed)):
        return False
    return all(own in (ANY, segment) for own, segment in zip(fixed, route, strict=False))


def takes(pattern: Segments, other: Segments) -> bool:
    """Return whether every route of the pattern `other` is one of `pattern`."""
    fixed, whole, its, its_whole = *_parts(pattern), *_parts(other)
    if whole and (not its_whole or len(its) != len(fixed)):
        return False
    if len(its) < len(fixed):
        return False
    return all(own in (ANY, seen) for own, seen in zip(fixed, its, strict=False))


def meet(pattern: Segments, other: Segments) -> bool:
    """Return whether a route may be one of both patterns."""
    fixed, whole, its, its_whole = *_parts(pattern), *_parts(other)
    if (whole and len(its) > len(fixed)) or (its_whole and len(fixed) > len(its)):
        return False
    return all(ANY in (own, seen) or own == seen for own, seen in zip(fixed, its, strict=False))


def _parts(pattern: Segments) -> tuple[Segments, bool]:
    """Return the segments of a pattern, and whether nothing may come after them."""
    return (pattern[:-1], False) if pattern[-1:] == (REST,) else (pattern, True)
