"""`guard store …`: look after a store."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from guard.errors import StoreError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from guard.store.store import Store

store_app = typer.Typer(
    help="Look after what happened: migrate, back up, restore, prune, change the key of a store.", no_args_is_help=True
)

StoreOption = Annotated[
    str,
    typer.Option(
        "--store",
        metavar="URL",
        envvar="TENET_STORE",
        help="The store: a path, sqlite:///PATH, postgresql+psycopg://USER@HOST/DATABASE, or default, a file of yours.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@store_app.command()
def migrate(store: StoreOption = "default") -> None:
    """Bring a store up to the version of its tables that this Tenet knows, or make a new one."""
    from guard.store.migrating import newest, open_or_migrate

    with _database(store, create=True) as engine:
        before = open_or_migrate(engine, migrate=True)
        if before:
            _note(engine, "migrate", before=before, after=newest())
    print(f"the store is of version {newest()}")


@store_app.command()
def backup(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A file; ends in .db for a copy as a SQLite file, else a dump.")],
    store: StoreOption = "default",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")] = False,
    json_output: JsonOption = False,
) -> None:
    """Write everything in a store into a file, while it is in use."""
    from guard.store.backup import backup as write

    with _database(store) as engine:
        _check(engine)
        written = write(engine, out, replace=overwrite)
        _note(engine, "backup", rows=written)
    _print(written, f"written to {out}", json_output=json_output)


@store_app.command()
def restore(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A file that `guard store backup` wrote.")],
    store: StoreOption = "default",
    erasures_from: Annotated[
        str,
        typer.Option(
            metavar="STORE", help="The store that the backup was made of, or a later backup: what was erased there stays erased."
        ),
    ] = "",
    json_output: JsonOption = False,
) -> None:
    """Fill an empty database from a backup, of this or of the other kind of database."""
    from guard.store.backup import restore as read
    from guard.store.reerasing import remembered

    erased = remembered(erasures_from) if erasures_from else None
    with _database(store, create=True) as engine:
        filled = read(source, engine, erased)
        _note(engine, "restore", rows=filled)
    _print(filled, f"restored from {source}", json_output=json_output)
    if erased is None:
        print("people who were erased after the backup was made are there again, unless --erasures-from is said", file=sys.stderr)


@store_app.command()
def prune(
    older_than: Annotated[str, typer.Option("--older-than", metavar="AGE", help="Such as 30d, 12h or 8w.")],
    store: StoreOption = "default",
    texts: Annotated[bool, typer.Option("--texts", help="Only the texts of exchanges; what was decided stays.")] = False,
    audit: Annotated[bool, typer.Option("--audit", help="The audit's entries of that age too; what is left verifies.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    json_output: JsonOption = False,
) -> None:
    """Remove exchanges that are older, with all that hangs on them, and older feedback, labels and pairs."""
    from guard.store.audit_pruning import prune_audit
    from guard.store.identity import now
    from guard.store.pruning import age
    from guard.store.pruning import prune as remove

    before = now() - age(older_than)
    with opened_store(store) as opened:
        said: dict[str, Any] = {"before": before, "what": "texts" if texts else "all"}
        if not dry_run:
            opened.audit.note_command("prune", state="begun", **said)
        old = {"audit": prune_audit(opened, before, trial=dry_run)} if audit else {}
        rows = {**old, **remove(opened.engine, before, texts_only=texts, trial=dry_run).rows}
        if not dry_run:
            opened.audit.note_command("prune", state="done", rows=rows, **said)
    _print(rows, "would be removed" if dry_run else "removed", json_output=json_output)


@store_app.command()
def rotate(store: StoreOption = "default", json_output: JsonOption = False) -> None:
    """Seal every text again with the first key in TENET_STORE_KEY; the others still open what was sealed with them."""
    from guard.store.rotating import rotate as seal_again

    with opened_store(store) as opened:
        if not opened.codec.encrypts:
            raise StoreError("TENET_STORE_KEY: expected the new key, then a comma and the old one, got nothing")
        opened.audit.note_command("rotate", state="begun")
        sealed = seal_again(opened.engine, opened.codec)
        opened.audit.note_command("rotate", state="done", rows=sealed)
    _print(sealed, "sealed with the first key", json_output=json_output)


@store_app.command()
def key() -> None:
    """Print a new key for TENET_STORE_KEY."""
    try:
        from cryptography.fernet import Fernet
    except ImportError:
        from guard.errors import MissingExtra

        raise MissingExtra("a key", "crypto") from None
    print(Fernet.generate_key().decode())


@store_app.command()
def info(store: StoreOption = "default", json_output: JsonOption = False) -> None:
    """Say what is in a store, and of which times it is not complete."""
    from guard.store.overview import gaps, overview

    with _database(store) as engine:
        _check(engine)
        counted, missing = overview(engine), gaps(engine)
    if json_output:
        print(json.dumps({"rows": counted, "gaps": missing}))
        return
    _print(counted, "there", json_output=False)
    for gap in missing:
        more = "" if gap["complete"] else ", or more"
        print(f"gap ({gap['kind']}): {gap['lost']} records{more}, between {gap['since']} and {gap['until']}")


@contextmanager
def opened_store(url: str) -> Iterator[Store]:
    """Open a store that is there, and close it."""
    from guard.store import open_store

    opened = open_store(url, create=False)
    try:
        yield opened
    finally:
        opened.close()


def _note(engine: Engine, event: str, *, rows: Mapping[str, int] | None = None, **words: str) -> None:
    """Note in the audit what was done; a store can be saved without its key, or while it takes nothing: then it says so."""
    from guard.store.sealing import codec_from_environment
    from guard.store.store import Store

    try:
        store = Store(engine, codec_from_environment())
        store.audit.note_command(event, **words) if rows is None else store.audit.note_command(event, rows=rows)
    except StoreError as error:
        print(f"done, but not noted in the audit: {error}", file=sys.stderr)


@contextmanager
def _database(url: str, *, create: bool = False) -> Iterator[Engine]:
    from guard.store.connecting import connect, parsed

    engine = connect(parsed(url), create=create)
    try:
        yield engine
    finally:
        engine.dispose()


def _check(engine: Engine) -> None:
    from guard.store.connecting import reading, shown
    from guard.store.migrating import State, open_or_migrate, state

    with reading(engine) as connection:
        if state(connection) is State.EMPTY:
            raise StoreError(f"the store {shown(engine.url)}: there is nothing in this database")
    open_or_migrate(engine)


def _print(rows: Mapping[str, int], what: str, *, json_output: bool) -> None:
    if json_output:
        json.dump(dict(rows), sys.stdout)
        print()
        return
    for name, count in rows.items():
        if count:
            print(f"{name:16} {count:>10,}")
    print(f"{sum(rows.values()):,} rows {what}")
