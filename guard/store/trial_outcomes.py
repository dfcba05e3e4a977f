"""What exchanges came to under the policies that decided about them: for a canary, beside the one in force."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sqlalchemy import func, or_, select

from guard.store.connecting import reading
from guard.store.schema import exchanges, policy_versions
from guard.values import Action

if TYPE_CHECKING:
    from guard.store.store import Store


def outcomes(
    store: Store, tenant: str | None, digest: str, beside: str, since: int = 0, until: int = 0
) -> dict[str, Counter[Action]]:
    """Return how many exchanges came to which action, by the digest of the policy that decided.

    Args:
        tenant: Whose exchanges; None for everybody's.
        digest: Of one policy.
        beside: Name of others that count too.
        since: UTC in microseconds.
        until: UTC in microseconds, itself not included; 0 where there is no end.
    """
    table, version = exchanges.c, policy_versions.c
    named = select(version.digest).where(version.name == beside)
    wanted = (
        select(table.policy, table.action, func.count())
        .where(or_(table.policy == digest, table.policy.in_(named)), table.created >= since)
        .group_by(table.policy, table.action)
        .order_by(table.policy, table.action)
    )
    if until:
        wanted = wanted.where(table.created < until)
    if tenant is not None:
        wanted = wanted.where(table.tenant == tenant)
    found: dict[str, Counter[Action]] = {}
    with reading(store.engine) as connection:
        for policy, action, count in connection.execute(wanted):
            found.setdefault(policy, Counter())[Action(action)] = int(count)
    return found
