"""`guard policy history`: which policies were in force, as a store has it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from guard.cli.storing import opened_store
from guard.errors import TenetError

if TYPE_CHECKING:
    from guard.store.store import Store


def show(url: str, tenant: str, limit: int, digest: str) -> None:
    """Print the changes, the latest first, or one policy as it was resolved.

    Raises:
        TenetError: Where there is no such store, or no such policy in it.
    """
    with opened_store(url) as store:
        changes = store.policies.history(tenant, limit)
        if digest:
            print(json.dumps(_source(store, tenant, digest, [change.digest for change in changes]), indent=2, ensure_ascii=False))
            return
        for change in changes:
            when = datetime.fromtimestamp(change.created / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
            after = f"  after {change.previous[:16]}" if change.previous else ""
            by = f"  by {change.actor}" if change.actor else ""
            print(f"{when}  {change.digest[:16]}  {change.kind:<8}  {change.name}{after}{by}")
        if not changes:
            print("no policy was in force yet")


def _source(store: Store, tenant: str, digest: str, known: list[str]) -> object:
    full = [each for each in dict.fromkeys(known) if each.startswith(digest)]
    if len(full) != 1:
        found = "none" if not full else f"{len(full)} that begin so"
        raise TenetError(f"--source: expected the digest of a policy that was in force, found {found}")
    return store.policies.source(tenant, full[0])
