"""Back a store up while others write to it, and restore it, into the same or into the other kind of database."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, Table, create_engine, inspect, select

from guard.errors import StoreError
from guard.store.connecting import reading, shown, writing
from guard.store.dump import Dump, write_dump
from guard.store.migrating import VERSION_TABLE, State, newest, state, upgrade, version
from guard.store.reerasing import Remembered, check_same_store, erase_again

_STEP = 1_000


def backup(engine: Engine, target: Path, *, replace: bool = False) -> dict[str, int]:
    """Write everything in a store into a file.

    Args:
        target: Ends in `.db` for a copy as a SQLite file, which only a store on SQLite can give; anything else is a dump that
            either kind of database can be filled from.
        replace: Whether a file that is there is replaced.

    Returns:
        How many rows of each table there are in it.

    Raises:
        StoreError: Where the file is there, or cannot be written.
    """
    if target.exists() and not replace:
        raise StoreError(f"{target}: is there already; name another file, or say --overwrite")
    if target.suffix == ".db":
        if engine.dialect.name != "sqlite":
            raise StoreError(f"{target}: a store on PostgreSQL is backed up into a dump; use a name such as {target.stem}.zip")
        return _copy_sqlite(engine, target)
    with reading(engine) as connection:
        return write_dump(connection, _tables(connection), version(connection), target)


def restore(source: Path, engine: Engine, erased: Remembered | None = None) -> dict[str, int]:
    """Fill an empty database from a backup, bring it up to date, and remove what was erased.

    Args:
        erased: What was erased from the store since the backup was made.

    Returns:
        How many rows of each table there are now.

    Raises:
        StoreError: Where the database is not empty, or the file is no backup, is damaged, or is of a newer Tenet; or where
            something was erased, and the store's key is not given.
    """
    filled = _filled(source, engine, erased)
    removed = erase_again(engine, erased)
    return {name: count - removed.get(name, 0) for name, count in filled.items()}


def _filled(source: Path, engine: Engine, erased: Remembered | None) -> dict[str, int]:
    with reading(engine) as connection:
        if state(connection) is not State.EMPTY and not _is_blank(connection):
            raise StoreError(f"the store {shown(engine.url)}: expected an empty database to restore into, got one with records")
    if not source.is_file():
        raise StoreError(f"{source}: there is no such file")
    if _is_sqlite(source):
        return _restore_sqlite(source, engine, erased)
    dump = Dump(source)
    with closing(dump):
        counted = _fill(engine, dump.version, {name: dump.rows_of(name) for name in dump.rows}, erased)
    if counted != dump.rows:
        raise StoreError(f"{source}: {sum(dump.rows.values())} rows were expected, {sum(counted.values())} are there")
    return counted


def _copy_sqlite(engine: Engine, target: Path) -> dict[str, int]:
    """Copy page by page with SQLite's own online backup, which sees one state of the file and stops nobody from writing."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))
        with reading(engine) as connection, closing(sqlite3.connect(partial)) as copy:
            raw: Any = connection.connection.driver_connection
            raw.backup(copy, pages=2_000)
            copy.execute("PRAGMA journal_mode=DELETE")
        partial.replace(target)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{target}: the backup could not be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return _counted(target)


def _restore_sqlite(source: Path, engine: Engine, erased: Remembered | None) -> dict[str, int]:
    other = create_engine("sqlite://", creator=lambda: sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True))
    try:
        with reading(other) as connection:
            tables = _tables(connection)
            rows = {table.name: _rows(connection, table) for table in tables.tables.values()}
            return _fill(engine, version(connection), rows, erased)
    finally:
        other.dispose()


def _fill(engine: Engine, at: str, sources: dict[str, Iterator[dict[str, Any]]], erased: Remembered | None) -> dict[str, int]:
    """Make the tables as they were in version `at`, fill them in one transaction, and bring them up to date."""
    with reading(engine) as connection:
        if state(connection) is not State.EMPTY and version(connection) != at:
            raise StoreError(
                f"the store {shown(engine.url)} is of version {version(connection)}, the backup of {at}; use a new one"
            )
    _make(engine, at)
    counted: dict[str, int] = {}
    with writing(engine) as connection:
        known = _tables(connection).tables
        for name, rows in sources.items():
            if name not in known:
                raise StoreError(f"the backup has a table {name!r} that its version {at} does not have; it was changed")
            connection.execute(known[name].delete())
            counted[name] = 0
            while step := list(islice(rows, _STEP)):
                connection.execute(known[name].insert(), step)
                counted[name] += len(step)
        check_same_store(connection, erased)
    upgrade(engine)
    return counted


def _make(engine: Engine, at: str) -> None:
    from alembic.util import CommandError

    try:
        upgrade(engine, at)
    except CommandError as error:
        raise StoreError(
            f"the backup was written by a newer Tenet (its version is {at}, this one knows {newest()}); update"
        ) from error


def _tables(connection: Connection) -> MetaData:
    """Return the store's tables as the database has them, whatever their version; columns as plain values."""
    found = MetaData()
    names = [name for name in inspect(connection).get_table_names() if name != VERSION_TABLE]
    found.reflect(connection, only=names)
    return found


def _rows(connection: Connection, table: Table) -> Iterator[dict[str, Any]]:
    ordered = select(table).order_by(*table.primary_key.columns)
    for row in connection.execute(ordered, execution_options={"yield_per": _STEP}).mappings():
        yield dict(row)


def _is_blank(connection: Connection) -> bool:
    """Return whether a store has no record of anything but itself."""
    if state(connection) is State.FOREIGN:
        return False
    own = ("meta", "secrets", "writers")
    tables = [table for name, table in _tables(connection).tables.items() if name not in own]
    return all(connection.execute(select(table).limit(1)).first() is None for table in tables)


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"


def _counted(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(f"file:{path.absolute()}?mode=ro", uri=True)) as copy:
        names = [name for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        ours = [name for name in names if name != VERSION_TABLE and not name.startswith("sqlite_")]
        return {name: copy.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in ours}  # noqa: S608
