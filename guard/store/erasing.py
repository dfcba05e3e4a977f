"""Erase somebody: a tombstone first, then every row that belongs to them, in small transactions, so that others can write.

A process that is killed leaves the tombstone; run again, it goes on. What others write of an erased thing meanwhile, or later, is
removed in the transaction that writes it (`guard.store.late`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, Table, delete, func, select, tuple_, update

from guard.errors import StoreUnavailable
from guard.store import schema
from guard.store.audit_events import shaped
from guard.store.belonging import Kind, Whose, belonging, linked_tables
from guard.store.connecting import reading, shown, translated, writing
from guard.store.tombstones import Digest, alone, bury, tombstone, tombstone_id

if TYPE_CHECKING:
    from guard.store.store import Store

_STEP = 200
_TABLES = linked_tables()
_EXCHANGES = schema.exchanges


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased, or would be.

    Attributes:
        id: Of the tombstone; empty for a trial.
        rows: How many of each table.
        repeated: Whether there was a tombstone before.
    """

    id: str
    rows: Mapping[str, int]
    repeated: bool = False


def count(engine: Engine, whose: Whose) -> dict[str, int]:
    """Return how many rows of each table belong to somebody."""
    with reading(engine) as connection:
        return {table.name: _count(connection, table, whose) for table in _TABLES}


def erase(store: Store, whose: Whose, *, actor: str = "") -> Erased:
    """Erase what belongs to somebody, and whatever will.

    Raises:
        StoreUnavailable: Where SQLite's log could not be emptied, as somebody keeps reading; the rows are removed, and running it
            again does the rest.
    """
    things = [(whose.tenant, whose.kind, value) for value in whose.values]
    mark = tombstone(store.pseudonym, things[0])
    number = tombstone_id(mark)
    before = _removed_before(store.engine, number)
    with writing(store.engine) as connection:
        alone(connection)
        bury(connection, store.pseudonym, things, actor)
        found = {table.name: _count(connection, table, whose) for table in _TABLES}  # a server may be quicker than this
    store.audit.note_command("erasure", by=actor, about=number, tenant=shaped(whose.tenant), state="begun")
    rows = Counter(dict.fromkeys((table.name for table in _TABLES), 0))
    for removed in _remove_exchanges(store, whose, actor):
        rows.update(removed)
    for table in (each for each in _TABLES if each is not _EXCHANGES):
        rows[table.name] += _remove_in_steps(store.engine, table, whose)
    rows.update(_remove_rest(store, whose, actor))
    rows = Counter({name: max(count, found[name]) for name, count in rows.items()})
    total = Counter(before or {}) + rows
    with writing(store.engine) as connection:
        connection.execute(update(schema.erasures).where(schema.erasures.c.id == number).values(removed=dict(total)))
    store.audit.note_command("erasure", by=actor, about=number, tenant=shaped(whose.tenant), state="done", rows=dict(rows))
    wipe(store.engine)
    return Erased(number, dict(rows), repeated=before is not None)


def remove_at_once(connection: Connection, digest: Digest, whose: Whose, actor: str, most: int | None = None) -> dict[str, int]:
    """Remove exchanges that belong to somebody, with all that hangs on them, in a transaction that has begun, and bury them.

    Args:
        most: How many exchanges; None for all of them, and everything else that belongs to the same.
    """
    wanted = select(_EXCHANGES.c.id).where(belonging(_EXCHANGES, whose)).limit(most)
    ids = tuple(connection.execute(wanted).scalars())
    bury(connection, digest, [(whose.tenant, Kind.EXCHANGE, each) for each in ids], actor)
    exchanges = Whose(whose.tenant, Kind.EXCHANGE, ids)
    rows = Counter({_EXCHANGES.name: 0})
    for meant in ((exchanges,) if ids else ()) + ((whose,) if most is None else ()):
        rows.update({table.name: connection.execute(delete(table).where(belonging(table, meant))).rowcount for table in _TABLES})
    return dict(rows)


def wipe(engine: Engine) -> None:
    """Have nothing of what was removed left in a SQLite file or its log: the pages are overwritten, and the log is emptied.

    PostgreSQL frees the place of removed rows; what lies there until it is used again, only who has the server's files can see.

    Raises:
        StoreUnavailable: Where the log could not be emptied, as somebody keeps reading.
    """
    if engine.dialect.name != "sqlite":
        with translated(engine.url), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(f"VACUUM {', '.join(table.name for table in _TABLES)}")
        return
    with translated(engine.url), engine.connect() as connection:
        raw = connection.connection.driver_connection
        busy = raw is not None and raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    if busy:
        raise StoreUnavailable(
            f"the store {shown(engine.url)}: the rows are removed, but their text may still be in the log beside the file, as "
            "another process keeps reading; run the same command again"
        )


def _removed_before(engine: Engine, number: str) -> dict[str, int] | None:
    with reading(engine) as connection:
        found = connection.execute(select(schema.erasures.c.removed).where(schema.erasures.c.id == number)).scalar()
    return dict(found) if found is not None else None


def _remove_exchanges(store: Store, whose: Whose, actor: str) -> Iterator[dict[str, int]]:
    while True:
        with writing(store.engine) as connection:
            alone(connection)
            removed = remove_at_once(connection, store.pseudonym, whose, actor, most=_STEP)
        yield removed
        if removed[_EXCHANGES.name] < _STEP:
            return


def _remove_rest(store: Store, whose: Whose, actor: str) -> dict[str, int]:
    """Remove what came meanwhile, an exchange together with all that hangs on it."""
    with writing(store.engine) as connection:
        alone(connection)
        return remove_at_once(connection, store.pseudonym, whose, actor)


def _remove_in_steps(engine: Engine, table: Table, whose: Whose) -> int:
    keys = tuple_(*table.primary_key.columns)
    some = select(*table.primary_key.columns).where(belonging(table, whose)).limit(_STEP)
    removed = 0
    while True:
        with writing(engine) as connection:
            gone = connection.execute(delete(table).where(keys.in_(some))).rowcount
        removed += gone
        if gone < _STEP:
            return removed


def _count(connection: Connection, table: Table, whose: Whose) -> int:
    return int(connection.execute(select(func.count()).select_from(table).where(belonging(table, whose))).scalar_one())
