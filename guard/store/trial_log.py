"""Which policies are on trial, and were: the store is where servers look what to do, and where commands say it.

A trial stands beside the policy of one name, so that servers of different policies may share a store. It begins with a row of the
kind `shadow` or `canary`, and ends with `dropped` or `promoted`, or when another one of its kind begins.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from guard.policy.digest import canonical
from guard.policy.model import Policy
from guard.store.audit_events import Event, note_of
from guard.store.connecting import reading, writing
from guard.store.identity import new_id, now
from guard.store.schema import policy_changes, policy_versions
from guard.store.statements import insert_new

if TYPE_CHECKING:
    from guard.store.store import Store

SHADOW, CANARY = "shadow", "canary"
DROPPED, PROMOTED, REPLACED = "dropped", "promoted", "replaced"
_TENANT = ""
"""Trials are of servers, not of tenants."""


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """One trial.

    Attributes:
        kind: shadow or canary.
        digest: Of the candidate.
        name: Of the candidate.
        source: Where it is loaded from: the name of a shipped policy, or an absolute path.
        percent: Of the traffic.
        beside: Name of the policy beside which it stands.
        actor: Who began it.
        started: UTC in microseconds.
        ended: dropped, promoted or replaced; empty while it goes on.
        until: When it ended; 0 while it goes on.
        reason: Why it ended.
    """

    kind: str
    digest: str
    name: str
    source: str
    percent: float
    beside: str
    actor: str
    started: int
    ended: str = ""
    until: int = 0
    reason: str = ""


class TrialLog:
    """The trials of a store."""

    def __init__(self, store: Store) -> None:
        """Take an open store."""
        self._store = store

    def begin(self, trial: TrialRecord, policy: Policy, versions: Mapping[str, str]) -> None:
        """Record that a trial begins, in the audit too; on the disk when this returns.

        Args:
            policy: The candidate, with its digest.
            versions: The versions of its detectors, by name.
        """
        source = json.dumps(canonical(policy, versions), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        details = {"name": trial.name, "source": trial.source, "percent": trial.percent, "beside": trial.beside}
        version = {"tenant": _TENANT, "digest": trial.digest, "name": trial.name, "source": source, "detectors": dict(versions)}
        self._write(trial.kind, trial.digest, trial.actor, details, "", version)

    def end(self, trial: TrialRecord, how: str, *, actor: str = "", reason: str = "") -> None:
        """Record that a trial is `dropped` or `promoted`, in the audit too."""
        self._write(how, trial.digest, actor, {"name": trial.name, "beside": trial.beside}, reason)

    def running(self, beside: str | None = None) -> tuple[TrialRecord, ...]:
        """Return the trials that go on, beside the policy of one name or all of them."""
        return tuple(each for each in self.every() if not each.ended and beside in (None, each.beside))

    def every(self) -> tuple[TrialRecord, ...]:
        """Return all trials, the latest first."""
        change = policy_changes.c
        wanted = (
            select(change.kind, change.digest, change.actor, change.reason, change.details, change.created)
            .where(change.tenant == _TENANT, change.kind.in_((SHADOW, CANARY, DROPPED, PROMOTED)))
            .order_by(change.created, change.id)
        )
        with reading(self._store.engine) as connection:
            rows = [dict(row) for row in connection.execute(wanted).mappings()]
        return tuple(reversed(trials_of(rows)))

    def in_force(self, beside: str = "") -> tuple[str, str] | None:
        """Return the name and the file of the policy that was last put in force; None where there is none.

        Args:
            beside: Its name, where it has to have that one. The file is empty where it was not recorded.
        """
        change, version = policy_changes.c, policy_versions.c
        wanted = (
            select(version.name, change.details)
            .join(policy_versions, (version.tenant == change.tenant) & (version.digest == change.digest))
            .where(change.tenant == _TENANT, change.kind == "in-force")
            .order_by(change.created.desc(), change.id)
        )
        with reading(self._store.engine) as connection:
            for name, details in connection.execute(wanted):
                known = details.get("name", name)
                if beside in ("", known):
                    return known, details.get("file", "")
        return None

    def _write(
        self,
        kind: str,
        digest: str,
        actor: str,
        details: Mapping[str, Any],
        reason: str,
        version: Mapping[str, Any] | None = None,
    ) -> None:
        audit, at = self._store.audit, now()
        row = {"id": new_id("pc"), "tenant": _TENANT, "digest": digest, "kind": kind, "actor": actor, "reason": reason}
        audit.prepare()
        with writing(self._store.engine) as connection:
            if version is not None:
                connection.execute(insert_new(policy_versions, self._store.engine.dialect.name), {**version, "created": at})
            connection.execute(insert(policy_changes), {**row, "previous": "", "details": dict(details), "created": at})
            note = note_of(Event.POLICY_CHANGED, by=actor or "server", about=digest, tenant=_TENANT, kind=kind)
            audit.append_elsewhere(connection, [note])


def trials_of(rows: Iterable[Mapping[str, Any]]) -> list[TrialRecord]:
    """Return the trials that rows of `policy_changes` tell of, oldest first as the rows are."""
    found: list[TrialRecord] = []
    for row in rows:
        beside, begins = row["details"].get("beside", ""), row["kind"] in (SHADOW, CANARY)
        for index, trial in enumerate(found):
            same = trial.digest == row["digest"] or (begins and trial.kind == row["kind"])
            if not trial.ended and trial.beside == beside and same:
                how = REPLACED if begins else row["kind"]
                found[index] = replace(trial, ended=how, until=row["created"], reason=row["reason"])
        if begins:
            found.append(_begun(row))
    return found


def _begun(row: Mapping[str, Any]) -> TrialRecord:
    details = row["details"]
    return TrialRecord(
        row["kind"],
        row["digest"],
        details.get("name", ""),
        details.get("source", ""),
        float(details.get("percent", 100)),
        details.get("beside", ""),
        row["actor"],
        row["created"],
    )
