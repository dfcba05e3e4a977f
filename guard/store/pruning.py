"""Forget what is old: exchanges and all that hangs on them, in small transactions, so that others can write meanwhile."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Engine, Select, Table, delete, func, or_, select

from guard.errors import StoreError
from guard.store import schema
from guard.store.connecting import reading, writing

_STEP = 500
_WITH_EXCHANGE = (schema.texts, schema.findings, schema.fired, schema.differences)
_LOOSE = schema.differences
"""Has rows that are written after their exchange, and may be there without it."""
_BY_AGE = (schema.feedback, schema.labels, schema.pairs)
_UNITS = {"h": 3_600, "d": 86_400, "w": 7 * 86_400}


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows of each table were removed, or would be."""

    rows: dict[str, int]

    @property
    def total(self) -> int:
        """The rows of all tables."""
        return sum(self.rows.values())


def age(text: str) -> int:
    """Return an age such as `30d`, `12h` or `8w` in microseconds.

    Raises:
        StoreError: For anything else.
    """
    found = re.fullmatch(r"([0-9]{1,6})([hdw])", text.strip())
    if found is None or int(found[1]) == 0:
        raise StoreError(f"--older-than: expected a number of hours, days or weeks, such as 30d, got {text[:40]!r}")
    return int(found[1]) * _UNITS[found[2]] * 1_000_000


def prune(engine: Engine, before: int, *, texts_only: bool = False, trial: bool = False) -> Pruned:
    """Remove what is older: exchanges with texts, findings and differences, and feedback, labels and pairs.

    The audit and the policies stay.

    Args:
        before: UTC in microseconds.
        texts_only: Whether only the texts of exchanges go, and what was decided stays.
        trial: Whether rows are only counted.
    """
    if trial:
        with reading(engine) as connection:
            return Pruned(_counted(connection, before, texts_only=texts_only))
    removed = {schema.texts.name: _remove_by_age(engine, schema.texts, before)} if texts_only else _remove_all(engine, before)
    if engine.dialect.name == "sqlite":
        shrink(engine)
    return Pruned(removed)


def shrink(engine: Engine) -> None:
    """Write what SQLite has in its log into the file, and empty the log, so that nothing that was removed is left in it."""
    with engine.connect() as connection:
        raw = connection.connection.driver_connection
        if raw is not None:
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _remove_all(engine: Engine, before: int) -> dict[str, int]:
    removed: dict[str, int] = dict.fromkeys((table.name for table in (schema.exchanges, *_WITH_EXCHANGE)), 0)
    oldest = select(schema.exchanges.c.id).where(schema.exchanges.c.created < before).order_by(schema.exchanges.c.created)
    while True:
        with writing(engine) as connection:
            ids = list(connection.execute(oldest.limit(_STEP)).scalars())
            for table in _WITH_EXCHANGE if ids else ():
                removed[table.name] += connection.execute(delete(table).where(table.c.exchange_id.in_(ids))).rowcount
            if ids:
                gone = connection.execute(delete(schema.exchanges).where(schema.exchanges.c.id.in_(ids)))
                removed[schema.exchanges.name] += gone.rowcount
        if len(ids) < _STEP:
            break
    removed[_LOOSE.name] += _remove_by_age(engine, _LOOSE, before)
    return {**removed, **{table.name: _remove_by_age(engine, table, before) for table in _BY_AGE}}


def _remove_by_age(engine: Engine, table: Table, before: int) -> int:
    keys = list(table.primary_key.columns)
    first = keys[0]
    wanted = select(first).where(table.c.created < before).limit(_STEP)
    removed = 0
    while True:
        with writing(engine) as connection:
            ids = list(connection.execute(wanted).scalars())
            if ids:
                old = delete(table).where(first.in_(ids), table.c.created < before)
                removed += connection.execute(old).rowcount
        if len(ids) < _STEP:
            return removed


def _counted(connection: Connection, before: int, *, texts_only: bool) -> dict[str, int]:
    if texts_only:
        return {schema.texts.name: _count_by_age(connection, schema.texts, before)}
    old = select(schema.exchanges.c.id).where(schema.exchanges.c.created < before)
    hanging = {
        table.name: connection.execute(select(func.count()).select_from(table).where(_goes(table, old, before))).scalar_one()
        for table in _WITH_EXCHANGE
    }
    return {
        schema.exchanges.name: _count_by_age(connection, schema.exchanges, before),
        **hanging,
        **{table.name: _count_by_age(connection, table, before) for table in _BY_AGE},
    }


def _goes(table: Table, old: Select[tuple[str]], before: int) -> ColumnElement[bool]:
    """Return the condition on a table's rows that they go with what is old."""
    with_exchange = table.c.exchange_id.in_(old)
    return or_(with_exchange, table.c.created < before) if table is _LOOSE else with_exchange


def _count_by_age(connection: Connection, table: Table, before: int) -> int:
    return int(connection.execute(select(func.count()).select_from(table).where(table.c.created < before)).scalar_one())
