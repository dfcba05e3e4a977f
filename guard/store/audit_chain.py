"""One writer's chain of the audit: every entry is signed together with the one before it, and the last one once more as a head.

A head is written in the transaction of its entry, so that a missing end of a chain shows at once. What was written is never read
back to go on from it, except by chains that several processes write in turn (`SHARED`), which go on from a head that is signed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Text, insert, select, type_coerce

from guard.errors import StoreError
from guard.store.audit_events import Event, Note, note_of, written
from guard.store.audit_keys import AuditKey, AuditKeys
from guard.store.identity import now
from guard.store.schema import audit, audit_heads
from guard.store.statements import insert_or_change

SHARED = "commands"
"""The chain of commands: each continues where the last one ended; it has the name of the key after it."""
GENESIS = ""
_LOCK = 0x61756469
"""Number of PostgreSQL's advisory lock under which commands write to their chain."""
_STEP = 500

ENTRY = tuple(
    type_coerce(audit.c[name], Text).label(name) if name == "details" else audit.c[name]
    for name in ("writer", "sequence", "id", "created", "tenant", "event", "actor", "object", "details", "previous", "hash")
)
"""The columns of an entry, as they were written."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain, or a place in it."""

    sequence: int = 0
    hash: str = GENESIS


def entry_mac(key: AuditKey, row: Mapping[str, Any] | Row[Any]) -> str:
    """Return the hash that an entry must have."""
    values = row._mapping if isinstance(row, Row) else row
    return key.mac("entry", [values[column.name] for column in ENTRY[:-1]])


def signed_row(key: AuditKey, kind: str, writer: str, head: Head) -> dict[str, Any]:
    """Return a row of `audit_heads`: kind `head` for the end of a chain, `base` for where it begins since it was pruned."""
    row = {"id": f"{kind}:{writer}", "writer": writer, "sequence": head.sequence, "hash": head.hash, "created": now()}
    return {**row, "heads": {}, "signature": key.mac(kind, head_values(row))}


def head_values(row: Mapping[str, Any]) -> list[Any]:
    """Return what a head's signature covers."""
    return [row[name] for name in ("id", "writer", "sequence", "hash", "created")]


def put_head(connection: Connection, row: Mapping[str, Any]) -> None:
    """Write a row of `audit_heads` in place of the one before."""
    names = ("writer", "sequence", "hash", "heads", "signature", "created")
    statement = insert_or_change(audit_heads, connection.dialect.name, lambda new: {name: new[name] for name in names})
    connection.execute(statement, dict(row))


class Chain:
    """The chain of one writer; used by one thread at a time."""

    def __init__(self, writer: str, keys: AuditKeys, *, shared: bool = False) -> None:
        """Begin a chain, or continue one that is shared."""
        self.writer = f"{writer}/{keys.first.id}" if shared else writer
        self.keys = keys
        self._shared = shared
        self._parts = 1
        self._settled = Head()
        self._attempt = Head()
        self._transaction: object = None

    def append(self, connection: Connection, notes: Sequence[Note]) -> None:
        """Write entries in a transaction of somebody else. What a transaction that was not committed wrote does not count."""
        if not notes:
            return
        first = [] if connection.get_transaction() is self._transaction else self._begin(connection)
        for note in first:
            note.created = min(note.created, notes[0].created)
        again = _there_already(connection, [note.id for note in notes if note.tried])
        rows = [self._row(note) for note in (*first, *notes) if note.id not in again]
        if rows:
            connection.execute(insert(audit), rows)
            put_head(connection, signed_row(self.keys.first, "head", self.writer, self._attempt))

    def _begin(self, connection: Connection) -> list[Note]:
        """Find out where the chain ends in this transaction; returns what is to be said before anything else."""
        self._transaction = connection.get_transaction()
        said: list[Note] = []
        if self._shared:
            self._settled = self._attempt = self._read_shared(connection)
        else:
            there = _last(connection, self.writer)
            if there == self._attempt:
                self._settled = self._attempt
            elif there != self._settled:
                self._settled = self._attempt if _has(connection, self.writer, self._attempt) else self._settled
                said.append(self._leave_broken())
            self._attempt = self._settled
        if self._settled.sequence == 0:
            said.insert(0, note_of(Event.STARTED, key=self.keys.first.id))
        return said

    def _read_shared(self, connection: Connection) -> Head:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        there = _last(connection, self.writer)
        wanted = select(audit_heads).where(audit_heads.c.id == f"head:{self.writer}")
        row = connection.execute(wanted).one_or_none()
        if row is None and there.sequence == 0:
            return there
        if row is None or Head(row.sequence, row.hash) != there or not self._signed(row._asdict()):
            raise StoreError(
                "the audit of commands does not end where it was signed, or was signed with another key; "
                "run `guard audit verify` to see what was changed, with the TENET_AUDIT_KEY that is in use"
            )
        return there

    def _signed(self, row: Mapping[str, Any]) -> bool:
        return self.keys.who_signed(row["signature"], "head", head_values(row)) in self.keys.keys

    def _leave_broken(self) -> Note:
        """Go on under another name, as somebody wrote into this chain, or took something from it."""
        left, at = self.writer, self._settled
        self._parts += 1
        self.writer = f"{left.partition('/')[0]}/{self._parts}"
        self._settled = self._attempt = Head()
        return note_of(Event.BROKEN, writer=left, sequence=at.sequence, hash=at.hash or "none")

    def _row(self, note: Note) -> dict[str, Any]:
        note.tried = True
        sequence = self._attempt.sequence + 1
        row: dict[str, Any] = {
            "writer": self.writer,
            "sequence": sequence,
            "id": note.id,
            "created": note.created,
            "tenant": note.tenant,
            "event": note.event.value,
            "actor": note.actor,
            "object": note.object,
            "details": written(note.details),
            "previous": self._attempt.hash,
        }
        row["hash"] = entry_mac(self.keys.first, row)
        self._attempt = Head(sequence, row["hash"])
        return {**row, "details": note.details}


def entries(connection: Connection, writer: str, after: int | None = None, until: int | None = None) -> Iterator[Row[Any]]:
    """Yield the entries of a chain in their order, some at a time; all of them, or those after and up to a sequence."""
    mine = select(*ENTRY).where(audit.c.writer == writer).order_by(audit.c.sequence).limit(_STEP)
    if until is not None:
        mine = mine.where(audit.c.sequence <= until)
    while True:
        rows = connection.execute(mine if after is None else mine.where(audit.c.sequence > after)).all()
        yield from rows
        if len(rows) < _STEP:
            return
        after = rows[-1].sequence


def writers(connection: Connection) -> Iterator[str]:
    """Yield the writer of every chain of which there are entries."""
    last: str | None = None
    while True:
        wanted = select(audit.c.writer).order_by(audit.c.writer).limit(1)
        last = connection.execute(wanted if last is None else wanted.where(audit.c.writer > last)).scalar()
        if last is None:
            return
        yield last


def _last(connection: Connection, writer: str) -> Head:
    wanted = select(audit.c.sequence, audit.c.hash).where(audit.c.writer == writer).order_by(audit.c.sequence.desc()).limit(1)
    row = connection.execute(wanted).one_or_none()
    return Head() if row is None else Head(row.sequence, row.hash)


def _has(connection: Connection, writer: str, head: Head) -> bool:
    wanted = select(audit.c.hash).where(audit.c.writer == writer, audit.c.sequence == head.sequence)
    return connection.execute(wanted).scalar() == head.hash


def _there_already(connection: Connection, ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(ids), _STEP):
        found |= set(connection.execute(select(audit.c.id).where(audit.c.id.in_(ids[start : start + _STEP]))).scalars())
    return found
