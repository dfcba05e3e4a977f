"""Chains vouch for each other: from time to time, each takes up where the others end, so that an end that is cut off shows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, exists, select

from guard.store.audit_chain import head_values
from guard.store.audit_events import Event, Note, is_word, note_of
from guard.store.identity import now
from guard.store.schema import audit, audit_heads

if TYPE_CHECKING:
    from guard.store.audit import Audit

INTERVAL = 60.0
"""Seconds between two times that a chain takes up the heads of the others."""
_MOST = 200
_SKEW = 600_000_000
"""Microseconds by which clocks of several machines may differ."""
_SAYS_NOTHING = (Event.HEADS.value, Event.STARTED.value)


class OtherHeads:
    """What one chain knows of the others."""

    def __init__(self, audit_of_store: Audit) -> None:
        self._audit = audit_of_store
        self._due = 0.0
        self._seen: dict[str, int] = {}
        self._since = 0
        self._said: tuple[Note, int] | None = None

    def take_up(self, connection: Connection) -> None:
        """Where it is time, write an entry with the heads of chains that have moved; in the writer's transaction."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + INTERVAL
        self._settle(connection)
        began, moved = now(), self._moved(connection)
        if moved:
            note = note_of(Event.HEADS, heads=moved)
            self._audit.append(connection, [note])
            self._said = note, began

    def _settle(self, connection: Connection) -> None:
        """Remember what was taken up the last time, if that was committed."""
        if self._said is None:
            return
        note, began = self._said
        if connection.execute(select(audit.c.id).where(audit.c.id == note.id)).scalar() is not None:
            self._seen |= {writer: at[0] for writer, at in note.details["heads"].items()}
            self._since = began - _SKEW
        self._said = None

    def _moved(self, connection: Connection) -> dict[str, tuple[int, str]]:
        heads = audit_heads.c
        wanted = select(audit_heads).where(heads.id.like("head:%"), heads.created > self._since).order_by(heads.created.desc())
        rows = [row._asdict() for row in connection.execute(wanted.limit(_MOST))]
        return {row["writer"]: (row["sequence"], row["hash"]) for row in rows if self._matters(connection, row)}

    def _matters(self, connection: Connection, row: Mapping[str, Any]) -> bool:
        writer = row["writer"]
        if writer == self._audit.writer or not is_word(writer) or not self._signed(row):
            return False
        news = audit.c.event.not_in(_SAYS_NOTHING)
        wanted = select(exists().where(audit.c.writer == writer, audit.c.sequence > self._seen.get(writer, 0), news))
        return bool(connection.execute(wanted).scalar())

    def _signed(self, row: Mapping[str, Any]) -> bool:
        keys = self._audit.keys
        return keys.who_signed(row["signature"], "head", head_values(row)) in keys.keys
