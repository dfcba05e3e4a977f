"""Erase again what comes back with an older backup: by the tombstones of the store that it was made of, or of a later backup."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, case, func, literal, select

from guard.errors import StoreError
from guard.store import schema
from guard.store.belonging import LINKS, PERSONAL, Kind, Whose, linked_tables
from guard.store.connecting import connect, parsed, reading, writing
from guard.store.dump import Dump
from guard.store.erasing import remove_at_once, wipe
from guard.store.identity import keyed_digest
from guard.store.sealing import codec_from_environment
from guard.store.statements import insert_or_change
from guard.store.tombstones import Digest, Thing, erased_among, there_are_any

_STEP = 5_000
_TABLE = schema.erasures


@dataclass(frozen=True, slots=True)
class Remembered:
    """What was erased from a store.

    Attributes:
        store: The store's own id.
        rows: Of `schema.erasures`.
    """

    store: str
    rows: Sequence[Mapping[str, Any]]


def remembered(place: str) -> Remembered:
    """Return what was erased from a store, of which `place` is the address, or a backup.

    Raises:
        StoreError: Where there is neither.
    """
    if "://" not in place and zipfile.is_zipfile(place):
        with closing(Dump(Path(place))) as dump:
            rows = [{**row, "removed": json.loads(row["removed"])} for row in dump.rows_of(_TABLE.name)]
            return Remembered(_store_id(dump.rows_of("meta")), rows)
    engine = connect(parsed(place), create=False)
    try:
        with reading(engine) as connection:
            found = connection.execute(select(_TABLE)).mappings().all()
            return Remembered(_store_id(connection.execute(select(schema.meta)).mappings()), [dict(row) for row in found])
    finally:
        engine.dispose()


def check_same_store(connection: Connection, more: Remembered | None) -> None:
    """Raise StoreError where what was erased was erased from another store than this one."""
    if more is not None and more.store != _store_id(connection.execute(select(schema.meta)).mappings()):
        raise StoreError("--erasures-from: expected the store that the backup was made of, or a later backup, got another's")


def erase_again(engine: Engine, more: Remembered | None = None) -> dict[str, int]:
    """Remove what was erased from a store that was just restored; returns how many rows of each table.

    Args:
        more: What was erased since the backup was made.

    Raises:
        StoreError: Where something was erased, the store is encrypted, and its key is not given.
    """
    with writing(engine) as connection:
        _take_over(connection, more)
        secret = connection.execute(select(schema.secrets.c.value).where(schema.secrets.c.name == "pseudonyms")).scalar()
        if secret is None or not there_are_any(connection):
            return {}
        digest = partial(keyed_digest, bytes.fromhex(codec_from_environment().open(secret)))
        removed: Counter[str] = Counter()
        for (tenant, kind, value), erased in list(_come_back(connection, digest)):
            removed.update(remove_at_once(connection, digest, Whose(tenant, kind, (value,), until=erased), "restore"))
    wipe(engine)
    return {name: count for name, count in removed.items() if count}


def _take_over(connection: Connection, more: Remembered | None) -> None:
    if more is None or not more.rows:
        return
    old = _TABLE.c.created
    statement = insert_or_change(
        _TABLE, connection.dialect.name, lambda new: {"created": case((new.created > old, new.created), else_=old)}
    )
    connection.execute(statement, [dict(row) for row in more.rows])


def _come_back(connection: Connection, digest: Digest) -> Iterator[tuple[Thing, int]]:
    for table in linked_tables():
        for kind, column in _columns(table):
            earliest = func.min(table.c.created) if kind is not Kind.EXCHANGE else literal(0)
            values = select(table.c.tenant, table.c[column], earliest).where(table.c[column] != "")
            rows = connection.execute(values.group_by(table.c.tenant, table.c[column]))
            while some := rows.fetchmany(_STEP):
                yield from erased_among(connection, digest, {(tenant, kind, value): at for tenant, value, at in some})


def _columns(table: Table) -> Iterator[tuple[Kind, str]]:
    if table is schema.exchanges:
        yield Kind.EXCHANGE, "id"
    for name in PERSONAL:
        if name in table.c:
            yield Kind(name), name
    for name, tables in LINKS.items():
        if name in table.c and schema.exchanges in tables:
            yield Kind.EXCHANGE, name


def _store_id(rows: Any) -> str:  # noqa: ANN401 - mappings of `schema.meta`
    return next((str(row["value"]) for row in rows if row["name"] == "store"), "")
