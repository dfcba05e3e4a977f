"""Which format a route speaks, and which routes carry no text.

Guarding is loose and passing is strict: every spelling of a guarded path that some server could take for it is guarded, while a
route passes only in its one plain spelling.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol
from urllib.parse import unquote

from guard.formats.base import Format
from guard.formats.mapped import MappedFormat, MappedRoute
from guard.formats.openai_chat import OpenAIChat
from guard.formats.openai_completions import OpenAICompletions
from guard.formats.openai_images import OpenAIImages
from guard.formats.openai_uploads import OpenAIUploads


class GuardedRoutes(Protocol):
    """What a policy says about routes; see `guard.policy.model.Routes`."""

    @property
    def allow(self) -> tuple[str, ...]:
        """Text-free routes, as `METHOD /path`; `*` matches one segment."""
        ...

    @property
    def mapped(self) -> tuple[MappedRoute, ...]:
        """Routes that the policy describes itself."""
        ...


BUILT_IN: dict[str, Callable[[int], Format]] = {
    "chat/completions": OpenAIChat,
    "v1/completions": OpenAICompletions,
    "openai/completions": OpenAICompletions,
    "engines/*/completions": OpenAICompletions,
    "deployments/*/completions": OpenAICompletions,
    "images/generations": OpenAIImages,
    "images/edits": OpenAIUploads,
    "images/variations": OpenAIUploads,
}
"""Formats by the segments with which their path ends, whatever stands before them; all are spoken by POST."""

_HEAD_OF = {"GET": "HEAD"}
_MOST_DECODINGS = 4
_SLASHES = re.compile(r"[/\\]+")


def for_route(method: str, path: str, routes: GuardedRoutes, depth: int = 64) -> Format | None:
    """Return the format of a route, or None where no format knows it. The policy's own routes come first.

    Args:
        method: The HTTP method.
        path: Percent-decoded or not; without the query.
        routes: The policy's routes.
        depth: How deep the route's JSON may be nested.
    """
    segments = _segments(path)
    for pattern, of_method, spoken in _table(routes.mapped, depth):
        if of_method == method.upper() and len(pattern) == len(segments) and _ends(segments, pattern):
            return spoken
    if method.upper() == "POST":
        for ending, spoken in _built_in(depth):
            if _ends(segments, ending):
                return spoken
    return None


def is_free(method: str, path: str, routes: GuardedRoutes) -> bool:
    """Return whether a route is on the policy's list of text-free ones, and spelled plainly."""
    plain = _spelled(path)
    if not path.startswith("/") or _segments(path) != tuple(segment.lower() for segment in plain):
        return False
    for allowed in routes.allow:
        of_method, _, pattern = allowed.partition(" ")
        wanted = _spelled(pattern.strip())
        if method in (of_method, _HEAD_OF.get(of_method)) and len(wanted) == len(plain) and _matches(plain, wanted):
            return True
    return False


def segments_of(path: str) -> tuple[str, ...] | None:
    """Return a path's segments in lower case; None where servers read them in different ways, as they are not spelled plainly."""
    plain = tuple(segment.lower() for segment in _spelled(path.removesuffix("/") or "/"))
    return plain if path.startswith("/") and "%" not in path and _segments(path) == plain else None


def _spelled(path: str) -> list[str]:
    """Return a path's segments as they stand."""
    return [] if path == "/" else path.split("/")[1:]


@lru_cache(maxsize=1024)
def _segments(path: str) -> tuple[str, ...]:
    """Return a path's segments in the form to which careless servers reduce it: decoded, resolved, without case."""
    for _ in range(_MOST_DECODINGS):
        if "%" not in path:
            break
        path = unquote(path)
    segments: list[str] = []
    for segment in _SLASHES.split(path.split("?", 1)[0].split("#", 1)[0]):
        name = segment.split(";", 1)[0].strip().lower()
        if name == ".." and segments:
            segments.pop()
        elif name not in ("", ".", ".."):
            segments.append(name)
    return tuple(segments)


def _ends(segments: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    return len(segments) >= len(pattern) and _matches(segments[-len(pattern) :], pattern)


def _matches(segments: tuple[str, ...] | list[str], pattern: tuple[str, ...] | list[str]) -> bool:
    return all(wanted in ("*", segment) for segment, wanted in zip(segments, pattern, strict=True))


@lru_cache(maxsize=64)
def _table(mapped: tuple[MappedRoute, ...], depth: int) -> tuple[tuple[tuple[str, ...], str, Format], ...]:
    return tuple((_segments(route.path), route.method.upper(), MappedFormat(route, depth)) for route in mapped)


@lru_cache(maxsize=64)
def _built_in(depth: int) -> tuple[tuple[tuple[str, ...], Format], ...]:
    return tuple((tuple(ending.split("/")), make(depth)) for ending, make in BUILT_IN.items())
