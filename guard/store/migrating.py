"""Bring a store's tables to the version that this program knows: a new store at once, an older one when asked."""

from __future__ import annotations

import secrets
import time
from enum import Enum
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text

from guard.errors import StoreError
from guard.store.connecting import reading, shown, writing
from guard.store.schema import meta, metadata

VERSION_TABLE = "tenet_version"
_LOCK = 0x74656E6574
"""Number of PostgreSQL's advisory lock under which a store is migrated."""


class State(Enum):
    """What a database is, as a store."""

    EMPTY = "empty"
    OLDER = "older"
    CURRENT = "current"
    NEWER = "newer"
    FOREIGN = "foreign"


def newest() -> str:
    """Return the version of the tables that this program knows."""
    return str(_scripts().get_current_head())


def version(connection: Connection) -> str:
    """Return the version of the tables in a database; empty where there are none."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return ""
    return str(connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar() or "")  # noqa: S608


def state(connection: Connection) -> State:
    """Return what a database is, as a store."""
    found = version(connection)
    if found:
        known = [script.revision for script in _scripts().walk_revisions()]
        return State.CURRENT if found == known[0] else State.OLDER if found in known else State.NEWER
    tables = set(inspect(connection).get_table_names())
    foreign = tables if connection.dialect.name == "sqlite" else tables & set(metadata.tables)
    return State.FOREIGN if foreign - {VERSION_TABLE} else State.EMPTY


def open_or_migrate(engine: Engine, *, migrate: bool = False) -> str:
    """Make sure that a database is a store of the version that this program knows.

    An empty one becomes a store.

    Args:
        migrate: Whether an older store is brought up to date.

    Returns:
        The version of which it was, where this brought it up to date; else empty.

    Raises:
        StoreError: Where it is of a newer version, of an older one and not to be migrated, or no store at all.
    """
    with reading(engine) as connection:
        found, at = state(connection), version(connection)
    where = f"the store {shown(engine.url)}"
    if found is State.NEWER:
        known = newest()
        raise StoreError(
            f"{where} was written by a newer Tenet (its version is {at}, this one knows {known}); update tenet-guard"
        )
    if found is State.FOREIGN:
        raise StoreError(f"{where}: expected a store or an empty database, got one with other tables; name another")
    if found is State.OLDER and not migrate:
        raise StoreError(f"{where} is of version {at}, and {newest()} is needed; back it up and run `guard store migrate`")
    changed = found is not State.CURRENT and upgrade(engine)
    return at if changed and found is State.OLDER else ""


def upgrade(engine: Engine, to: str = "head") -> bool:
    """Bring a store to a version, in one transaction; of two that try at once, one waits and then finds nothing left to do.

    Returns:
        Whether anything was done.
    """
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        before = version(connection)
        if state(connection) is State.NEWER:
            raise StoreError(f"the store {shown(engine.url)} was written by a newer Tenet; update tenet-guard")
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, to)
        if not before:
            rows = {"store": f"st_{secrets.token_hex(12)}", "created": str(time.time_ns() // 1000)}
            connection.execute(meta.insert(), [{"name": name, "value": value} for name, value in rows.items()])
        return before != version(connection)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())
