"""Rows of what was erased that come late: from the queues of running servers, from an import, from a client with an old token.

Whoever writes, a row that names a subject, a conversation or an exchange is noticed as it is inserted, and what was erased is
removed before the commit. Where nothing was ever erased, that costs one question for each commit.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Table, event
from sqlalchemy.sql.dml import Insert

from guard.store import schema
from guard.store.belonging import LINKS, PERSONAL, Kind, Whose, linked_tables
from guard.store.erasing import remove_at_once
from guard.store.tombstones import Digest, Thing, beside_others, erased_among, there_are_any

if TYPE_CHECKING:
    from guard.store.store import Store

log = logging.getLogger("guard")
TableRow = tuple[Table, dict[str, Any]]
_NOTED = "tenet_noted"


class LateRows:
    """Watches what is written to a store."""

    def __init__(self, store: Store) -> None:
        """Begin to watch; SQLAlchemy tells of each statement, and of each commit while it can still be added to."""
        self._store = store
        self._linked = frozenset(table.name for table in linked_tables())
        event.listen(store.engine, "begin", _forget)
        event.listen(store.engine, "before_execute", self._note)
        event.listen(store.engine, "commit", self._check)

    def _note(self, connection: Connection, statement: Any, many: Any, one: Any, _options: Any) -> None:  # noqa: ANN401
        if isinstance(statement, Insert) and getattr(statement.table, "name", "") in self._linked:
            rows: Iterable[Mapping[str, Any]] = many or [one or statement.compile().params]
            noted: dict[Thing, int] = connection.info.setdefault(_NOTED, {})
            for row in rows:
                _note_things(noted, statement.table.name, row)

    def _check(self, connection: Connection) -> None:
        noted: dict[Thing, int] = connection.info.pop(_NOTED, {})
        if not noted:
            return
        beside_others(connection)
        if not there_are_any(connection):
            return
        for (tenant, kind, value), erased in list(erased_among(connection, self._store.pseudonym, noted)):
            whose = Whose(tenant, kind, (value,), until=erased)
            count = sum(remove_at_once(connection, self._store.pseudonym, whose, "late").values())
            if count:
                log.info("%d rows came late of what was erased, and were not kept", count)


def without_erased(connection: Connection, digest: Digest, rows: Sequence[TableRow]) -> list[TableRow]:
    """Return those of the rows that name nothing that was erased, however late they say that they are: for an import.

    Args:
        rows: Of whole exchanges; what hangs on one that is left out is left out too.
    """
    noted: dict[Thing, int] = {}
    for table, row in rows:
        _note_things(noted, table.name, {**row, "created": 0})
    if not noted or not there_are_any(connection):
        return list(rows)
    erased = {thing for thing, _ in erased_among(connection, digest, noted)}
    for table, row in rows:
        if table is schema.exchanges and not erased.isdisjoint(_things(table.name, row)):
            erased.add((row["tenant"], Kind.EXCHANGE, row["id"]))
    return [(table, row) for table, row in rows if erased.isdisjoint(_things(table.name, row))]


def _forget(connection: Connection) -> None:
    connection.info.pop(_NOTED, None)


def _note_things(noted: dict[Thing, int], table: str, row: Mapping[str, Any]) -> None:
    created = row.get("created", 0)
    for thing in _things(table, row):
        noted[thing] = min(noted.get(thing, created), created)


def _things(table: str, row: Mapping[str, Any]) -> Iterator[Thing]:
    tenant = row.get("tenant", "")
    if table == schema.exchanges.name:
        yield tenant, Kind.EXCHANGE, row["id"]
    for name in PERSONAL:
        if row.get(name):
            yield tenant, Kind(name), row[name]
    for name, tables in LINKS.items():
        if schema.exchanges in tables and row.get(name):
            yield tenant, Kind.EXCHANGE, row[name]
