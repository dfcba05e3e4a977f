"""The audit of a store: append-only, and whoever changes it without the key is found out. `store.audit`.

Entries go through the writer, into its own chain, in the same commit as what they speak of; what is written elsewhere goes into
the chain of commands. From time to time each chain takes up the heads of others, so that an end that is cut off shows in them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row

from guard.store.audit_chain import SHARED, Chain
from guard.store.audit_events import Event, Note, is_word, note_of, shaped
from guard.store.audit_keys import AuditKeys, audit_keys
from guard.store.audit_others import OtherHeads
from guard.store.connecting import writing
from guard.store.pages import every
from guard.store.schema import audit
from guard.store.writing import Sink

if TYPE_CHECKING:
    from guard.store.store import Store


class Audit:
    """Notes what happened. The events and their fields are in `guard.store.audit_events`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sink = _NoteSink(self)
        self._others = OtherHeads(self)
        self._keys: AuditKeys | None = None
        self._chain: Chain | None = None
        store.writer.before_writing.append(self.prepare)
        store.writer.with_each_commit.append(self._others.take_up)
        store.writer.presence.on_gap = self._note_gap

    @property
    def keys(self) -> AuditKeys:
        """The keys that hold.

        Raises:
            StoreError: Where they cannot be had.
        """
        if self._keys is None:
            self._keys = audit_keys(self._store.id, self._store.secret)
        return self._keys

    def note(self, event: Event | str, *, by: str = "", about: str = "", tenant: str = "", **fields: object) -> bool:
        """Have an entry written some time soon; never waits.

        Args:
            by: Id of who did it: a key, or what acted by itself.
            about: Random id of what it is about.
            fields: As the event has them.

        Returns:
            Whether it was taken; what is shed is recorded as a gap.

        Raises:
            ValueError: For an event, a field or a value that the audit does not take.
        """
        return self._store.writer.put(self._sink, note_of(event, by=by, about=about, tenant=tenant, **fields))

    async def noted(self, event: Event | str, *, by: str = "", about: str = "", tenant: str = "", **fields: object) -> str:
        """Write an entry, and return its id once it is on the disk.

        Raises:
            ValueError: As `note` does.
            StoreUnavailable: Where the store does not answer.
        """
        note = note_of(event, by=by, about=about, tenant=tenant, **fields)
        return str(await self._store.writer.write(self._sink, note))

    def noted_sync(self, event: Event | str, *, by: str = "", about: str = "", tenant: str = "", **fields: object) -> str:
        """Do the same as `noted`, for callers without an event loop."""
        return str(self._store.writer.write_sync(self._sink, note_of(event, by=by, about=about, tenant=tenant, **fields)))

    def append(self, connection: Connection, notes: Sequence[Note]) -> None:
        """Write entries in a transaction of the writer: for sinks, beside the rows that the entries speak of."""
        if notes:
            self._own_chain().append(connection, notes)

    def append_elsewhere(self, connection: Connection, notes: Sequence[Note]) -> None:
        """Write entries in a transaction that is not the writer's: into the chain of commands.

        `prepare` is to be called before the transaction.

        Raises:
            StoreError: Where that chain does not end as it was signed.
        """
        Chain(SHARED, self.keys, shared=True).append(connection, notes)

    def note_command(self, event: Event | str, *, by: str = "", about: str = "", tenant: str = "", **fields: object) -> None:
        """Write an entry at once, in a transaction of its own: for commands, whoever else writes."""
        note = note_of(event, by=by or operator(), about=about, tenant=tenant, **fields)
        self.prepare()
        with writing(self._store.engine) as connection:
            self.append_elsewhere(connection, [note])

    def prepare(self) -> None:
        """Have the keys at hand, outside of a transaction.

        Raises:
            StoreError: Where they cannot be had.
        """
        self._own_chain()

    def every(self, tenant: str, *, about: str = "") -> Iterator[Row[Any]]:
        """Yield a tenant's entries, oldest first, in bounded memory; those about one thing where that is named."""
        return every(self._store.engine, audit, tenant, [audit.c.object == about] if about else [])

    @property
    def writer(self) -> str:
        """The name of the chain that this store writes."""
        return self._own_chain().writer

    def _own_chain(self) -> Chain:
        if self._chain is None:
            self._chain = Chain(self._store.writer.presence.id, self.keys)
        return self._chain

    def _note_gap(self, connection: Connection, gap: dict[str, Any]) -> None:
        fields = {name: gap[name] for name in ("writer", "kind", "lost", "complete")}
        self.append(connection, [note_of(Event.GAP, about=gap["id"], **fields)])


class _NoteSink(Sink[Note]):
    def __init__(self, audit_of_store: Audit) -> None:
        self._audit = audit_of_store

    def write(self, connection: Connection, payloads: Sequence[Note]) -> Sequence[str]:
        self._audit.append(connection, payloads)
        return [note.id for note in payloads]


def operator() -> str:
    """Return who runs a command: the number of the user of this machine; names are nobody's business here."""
    number = getattr(os, "getuid", None)
    return f"user:{number()}" if number is not None else "user"


def note_decision(tenant: str, actor: str, exchange_id: str, stage: str, decision: Any) -> Note:  # noqa: ANN401 - `guard.values.Decision`
    """Return the entry about a decision: which rules fired and what they asked for, and nothing of what was said."""
    rules = [rule for rule in dict.fromkeys(decision.rules) if is_word(rule)]
    more = len(set(decision.rules)) - len(rules[:100])
    note = partial(note_of, Event.DECISION, stage=stage, action=decision.action.word, rules=rules[:100])
    known = {"policy": decision.policy} if is_word(decision.policy) else {}
    cut = {"more": more} if more else {}
    return note(by=shaped(actor), about=shaped(exchange_id), tenant=shaped(tenant), **known, **cut)
