"""What a key may do: its roles, and which of them include others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

CALLER, VIEWER, REVIEWER, POLICY_AUTHOR, ADMIN = "caller", "viewer", "reviewer", "policy-author", "admin"

ROLES: Mapping[str, str] = {
    CALLER: "ask the generator, and say what its answers were worth",
    VIEWER: "read what happened",
    REVIEWER: "read what happened, and label it",
    POLICY_AUTHOR: "read what happened, and change policies",
    ADMIN: "all of it",
}
"""Every role, and what it lets somebody do."""
_INCLUDED = {REVIEWER: {VIEWER}, POLICY_AUTHOR: {VIEWER}, ADMIN: set(ROLES)}


def holds(roles: Iterable[str], needed: Iterable[str]) -> bool:
    """Return whether who has `roles` has one of the needed ones, itself or included in another."""
    held = {included for role in roles for included in (role, *_INCLUDED.get(role, ()))}
    return not held.isdisjoint(needed)
