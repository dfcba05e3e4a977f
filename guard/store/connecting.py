"""Connections to a store's database: which URLs there are, how SQLite and PostgreSQL are set up, and what their errors mean."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, exc
from sqlalchemy.engine import make_url

from guard.errors import MissingExtra, StoreError, StoreUnavailable

SQLITE_WAIT = 10.0
"""Seconds that a write waits for another process that writes to the same SQLite file."""
_POSTGRES = {
    "connect_timeout": 5,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "application_name": "tenet",
}
"""Limits after which a server that went away without a word counts as gone."""
_WRITES = "tenet_writes"
_EXPECTED = "a path, sqlite:///PATH, or postgresql+psycopg://USER@HOST/DATABASE"


class StatementRefused(StoreError):
    """A statement that the database does not take, whenever it is asked: the fault is in its values."""


def parsed(url: str) -> URL:
    """Return the URL of a store; a plain path stands for a SQLite file, `default` for the one in the user's state folder.

    Raises:
        StoreError: For anything else.
    """
    if url == "default":
        return URL.create("sqlite", database=str(default_path()))
    if "://" not in url:
        if not url.strip() or url.startswith("sqlite:"):
            raise StoreError(f"--store: expected {_EXPECTED}, got {url!r}")
        return URL.create("sqlite", database=url)
    try:
        found = make_url(url)
    except (exc.ArgumentError, ValueError):
        raise StoreError(f"--store: expected {_EXPECTED}, got something else (not shown, as it may hold a password)") from None
    if found.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return found.set(drivername="postgresql+psycopg")
    if found.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise StoreError(f"--store: expected {_EXPECTED}, got the scheme {found.drivername!r}")
    if not found.database or found.database == ":memory:" or found.query:
        raise StoreError(
            "--store: expected the path of a file (sqlite:///PATH); a store in memory would be gone with its process"
        )
    return found.set(drivername="sqlite")


def default_path() -> Path:
    """Return where `--store default` is: `tenet/store.db` in the user's state folder."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "tenet" / "store.db"


def shown(url: URL) -> str:
    """Return the URL as messages may show it: without its password."""
    return url.database or "" if url.drivername == "sqlite" else url.render_as_string(hide_password=True)


def connect(url: URL, *, create: bool = True) -> Engine:
    """Return an engine for a store's database; whether that can be reached shows at its first use.

    Args:
        create: Whether a SQLite file that is not there is made, readable for its owner alone.

    Raises:
        StoreError: Where the file is not there or cannot be made.
        MissingExtra: Where PostgreSQL's driver is not installed.
    """
    if url.drivername == "sqlite":
        _prepare_file(Path(url.database or ""), create=create)
        engine = create_engine(url, connect_args={"timeout": SQLITE_WAIT, "check_same_thread": False}, pool_timeout=SQLITE_WAIT)
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        import psycopg  # noqa: F401 - told apart here, as SQLAlchemy's own message names no extra
    except ImportError:
        raise MissingExtra("a store on PostgreSQL", "postgres") from None
    return create_engine(url, connect_args=dict(_POSTGRES), pool_pre_ping=True, pool_timeout=SQLITE_WAIT, pool_size=4)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give a connection in a transaction that only reads: one state of the store, whatever others write meanwhile."""
    with translated(engine.url), engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with connection.begin():
            yield connection


@contextmanager
def writing(engine: Engine, *, durable: bool = True) -> Iterator[Connection]:
    """Give a connection in a transaction that writes, and commit it.

    Args:
        durable: Whether the commit is on the disk when this ends; else a loss of power, not of the process, may undo it.
    """
    with translated(engine.url), engine.connect() as connection:
        connection = connection.execution_options(**{_WRITES: True})
        if engine.dialect.name == "sqlite":
            raw: Any = connection.connection.driver_connection
            raw.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        with connection.begin():
            if not durable and engine.dialect.name == "postgresql":
                connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")
            yield connection


@contextmanager
def translated(url: URL) -> Iterator[None]:
    """Turn what a database says is wrong into errors of Tenet's own, without the statement and its values."""
    try:
        yield
    except exc.DBAPIError as error:
        raise told(url, error) from error.orig
    except sqlite3.Error as error:  # from what is set up for each connection
        raise told(url, exc.OperationalError("", None, error)) from error
    except UnicodeEncodeError as error:
        raise StatementRefused(f"the store {shown(url)} takes no text with lone surrogates") from error
    except exc.TimeoutError as error:
        raise StoreUnavailable(f"the store {shown(url)}: all connections are in use") from error


def told(url: URL, error: exc.DBAPIError) -> StoreError:
    """Return the error that says what a database's own means, and what to do."""
    where = f"the store {shown(url)}"
    reason = " ".join(str(error.orig).split()) if isinstance(error.orig, sqlite3.Error) else ""
    for words, kind, meaning in _MEANINGS:
        if words in reason:
            return kind(f"{where}: {meaning}")
    if isinstance(error, exc.OperationalError | exc.InterfaceError) or error.connection_invalidated:
        state = getattr(error.orig, "sqlstate", None)
        return StoreUnavailable(f"{where} cannot be reached" + (f" (SQLSTATE {state})" if state else f"{_brief(reason)}"))
    state = getattr(error.orig, "sqlstate", None) or type(error.orig).__name__
    return StatementRefused(f"{where} refused a statement ({state})")


def _brief(reason: str) -> str:
    return f": {reason}" if reason else ""


_MEANINGS: tuple[tuple[str, type[StoreError], str], ...] = (
    (
        "file is not a database",
        StoreError,
        "the file is not a SQLite database (nor is its first page sealed by us); name another",
    ),
    ("disk image is malformed", StoreError, "the file is damaged; restore a backup (`guard store restore`)"),
    ("database is locked", StoreUnavailable, f"another process has kept it locked for more than {SQLITE_WAIT:g} s"),
    ("readonly database", StoreUnavailable, "the file, or its folder, is read-only"),
    ("disk is full", StoreUnavailable, "the disk is full"),
    ("disk I/O error", StoreUnavailable, "the disk reports an error"),
    ("unable to open database file", StoreUnavailable, "the file cannot be opened; is its folder there and writable?"),
)


def _prepare_file(path: Path, *, create: bool) -> None:
    if path.is_dir():
        raise StoreError(f"the store {path}: expected a file, got a folder")
    if path.exists():
        return
    if not create:
        raise StoreError(f"the store {path}: there is no such file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreError(f"the store {path} cannot be made: {error.strerror}") from error


def _set_up_sqlite(connection: sqlite3.Connection, _record: Any) -> None:  # noqa: ANN401
    connection.isolation_level = None  # SQLAlchemy's "begin" event says what begins a transaction, not the driver
    with closing(connection.cursor()) as cursor:
        _turn_to_wal(cursor)
        for pragma in ("secure_delete=ON", "synchronous=FULL", "trusted_schema=OFF"):
            cursor.execute(f"PRAGMA {pragma}")


def _turn_to_wal(cursor: sqlite3.Cursor) -> None:
    """Have the file write ahead. Of several that turn a new one at once, SQLite sends all but one away without any waiting."""
    give_up = time.monotonic() + SQLITE_WAIT
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(0.01)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
