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
    from guard.store.trial_log import TrialRecord


def outcomes(store: Store, trial: TrialRecord, tenant: str | None = None) -> dict[str, Counter[Action]]:
    """Return how many exchanges came to which action, by the digest of the policy that decided, the candidate's first.

    Counted are the candidate and every policy of the name beside which it stands, while the trial went on.

    Args:
        tenant: Whose exchanges; None for everybody's.
    """
    table, version = exchanges.c, policy_versions.c
    named = select(version.digest).where(version.name == trial.beside)
    wanted = (
        select(table.policy, table.action, func.count())
        .where(or_(table.policy == trial.digest, table.policy.in_(named)), table.created >= trial.started)
        .group_by(table.policy, table.action)
        .order_by(table.policy, table.action)
    )
    if trial.until:
        wanted = wanted.where(table.created < trial.until)
    if tenant is not None:
        wanted = wanted.where(table.tenant == tenant)
    found: dict[str, Counter[Action]] = {trial.digest: Counter()}
    with reading(store.engine) as connection:
        for policy, action, count in connection.execute(wanted):
            found.setdefault(policy, Counter())[Action(action)] = int(count)
    return found
