"""Which roles a route needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from guard.roles import ADMIN, CALLER, POLICY_AUTHOR, REVIEWER, VIEWER

PREFIX = "/guard/"
_OPEN = frozenset(("/healthz", "/readyz"))


class Need(NamedTuple):
    """What a route asks of who calls it.

    Attributes:
        roles: One of them, or one that includes it; none for a route that is open to all.
        own: Whether it is one of the guard's own, which needs a key as soon as the store has any.
        token: Whether an exchange's own token (`x-guard-feedback-token`) does in place of a key. The route checks it.
    """

    roles: tuple[str, ...]
    own: bool = False
    token: bool = False


class _Route(NamedTuple):
    methods: tuple[str, ...]
    path: str
    need: Need

    def fits(self, method: str, path: str) -> bool:
        return method in self.methods and (path == self.path or path.startswith(self.path + "/"))


_READ = ("GET", "HEAD")
ROUTES: Sequence[_Route] = (
    _Route(_READ, "/guard/exchanges", Need((VIEWER,), own=True)),
    _Route(("POST",), "/guard/feedback", Need((CALLER, REVIEWER), own=True, token=True)),
    _Route(_READ, "/guard/feedback", Need((VIEWER,), own=True)),
    _Route(("POST",), "/guard/policy/reload", Need((POLICY_AUTHOR,), own=True)),
    _Route(_READ, "/guard/console", Need((VIEWER,), own=True)),
)
"""The guard's own routes, with all that is below them; the first that fits counts. One that is not here is for admins."""
_ELSE_OWN = Need((ADMIN,), own=True)
_GENERATION = Need((CALLER,))
_NOTHING = Need(())


def need_of(method: str, path: str) -> Need:
    """Return what a route needs."""
    if not path.startswith(PREFIX):
        return _NOTHING if path in _OPEN else _GENERATION
    return next((route.need for route in ROUTES if route.fits(method, path)), _ELSE_OWN)
