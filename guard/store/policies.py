"""Which policies have decided, and since when: every version that was in force, so that a digest in a record can be looked up."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, select

from guard.policy.digest import canonical
from guard.policy.model import Policy
from guard.store.audit_events import Event, Note, note_of
from guard.store.connecting import reading
from guard.store.identity import new_id, now
from guard.store.schema import policy_changes, policy_versions
from guard.store.statements import insert_new
from guard.store.writing import Sink

if TYPE_CHECKING:
    from guard.store.store import Store


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """That a policy was put in force, or that another role of it changed.

    Attributes:
        previous: Digest of the one before; empty where there was none.
        kind: in-force; chosen, where some requests get it and others another one; shadow, canary or dropped.
    """

    digest: str
    name: str
    previous: str
    kind: str
    actor: str
    reason: str
    created: int


class Policies:
    """The policies of a store. Every call names the tenant."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sink = _PolicySink(store)

    def put_in_force(
        self,
        tenant: str,
        policy: Policy,
        versions: Mapping[str, str],
        *,
        actor: str = "",
        kind: str = "in-force",
        reason: str = "",
    ) -> None:
        """Record that a policy decides from now on; the same one as before changes nothing. Never waits.

        Args:
            versions: The versions of its detectors, by name.
            actor: Id of who did it; empty for the start of a server.
        """
        source = json.dumps(canonical(policy, versions), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        version = {"tenant": tenant, "digest": policy.digest, "name": policy.name, "source": source, "created": now()}
        details = {"name": policy.name, **({"file": policy.sources[-1]} if policy.sources else {})}
        known = {"id": new_id("pc"), "tenant": tenant, "digest": policy.digest, "kind": kind, "actor": actor, "reason": reason}
        change = {**known, "details": details}
        self._store.writer.put(self._sink, {"version": {**version, "detectors": dict(versions)}, "change": change}, len(source))

    def source(self, tenant: str, digest: str) -> Any:  # noqa: ANN401 - plain JSON values
        """Return the resolved policy of this digest as plain JSON values; None where the tenant never had it."""
        wanted = select(policy_versions.c.source).where(policy_versions.c.tenant == tenant, policy_versions.c.digest == digest)
        with reading(self._store.engine) as connection:
            found = connection.execute(wanted).scalar()
        return None if found is None else json.loads(found)

    def history(self, tenant: str, limit: int = 100) -> tuple[PolicyChange, ...]:
        """Return the latest changes, newest first."""
        change, version = policy_changes.c, policy_versions.c
        wanted = (
            select(change.digest, version.name, *(change[name] for name in ("previous", "kind", "actor", "reason", "created")))
            .join(policy_versions, (version.tenant == change.tenant) & (version.digest == change.digest))
            .where(change.tenant == tenant)
            .order_by(change.created.desc(), change.id)
            .limit(limit)
        )
        with reading(self._store.engine) as connection:
            return tuple(PolicyChange(*row) for row in connection.execute(wanted))


class _PolicySink(Sink[dict[str, Any]]):
    def __init__(self, store: Store) -> None:
        self._audit = store.audit
        self._insert = insert_new(policy_versions, store.engine.dialect.name)

    def write(self, connection: Connection, payloads: Sequence[dict[str, Any]]) -> Sequence[None]:
        for each in payloads:
            change = each["change"]
            connection.execute(self._insert, each["version"])
            mine = [policy_changes.c.tenant == change["tenant"], policy_changes.c.kind == change["kind"]]
            if change["kind"] == "chosen":  # there may be several at once, each for other requests
                mine.append(policy_changes.c.reason == change["reason"])
            latest = select(policy_changes.c.digest).where(*mine).order_by(policy_changes.c.created.desc()).limit(1)
            previous = connection.execute(latest).scalar() or ""
            if previous != change["digest"]:
                connection.execute(insert(policy_changes), {**change, "previous": previous, "created": now()})
                self._audit.append(connection, [_changed(change, previous)])
        return [None] * len(payloads)


def _changed(change: Mapping[str, Any], previous: str) -> Note:
    before = {"previous": previous} if previous else {}
    return note_of(
        Event.POLICY_CHANGED,
        by=change["actor"] or "server",
        about=change["digest"],
        tenant=change["tenant"],
        kind=change["kind"],
        **before,
    )
