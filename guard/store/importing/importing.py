"""`import_file`: read all of a file first, so that nothing of a broken one is taken; then write it, batch by batch.

Each batch is one transaction with the count of what is done, so that after a kill the same command goes on behind the last one.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select, update

from guard.errors import StoreError
from guard.store import schema
from guard.store.audit import operator
from guard.store.audit_events import Event, Note, note_of, shaped
from guard.store.connecting import reading, writing
from guard.store.exporting.contexts import batched
from guard.store.exporting.sweeping import Sweeper
from guard.store.identity import now
from guard.store.importing.drafts import BadRecord
from guard.store.importing.formats import Format, format_of
from guard.store.importing.reading import BadRow, read_rows
from guard.store.importing.rows import Rows, TableRow, by_table
from guard.store.late import without_erased
from guard.store.statements import insert_new

if TYPE_CHECKING:
    from guard.store.store import Store

BATCH = 500
MOST_SHOWN = 20
"""Mistakes that are told, of all that are counted."""
_TABLE = schema.imports


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be imported, and how.

    Attributes:
        licence: Of records that do not state one.
        redact: Whether secrets and personal data are taken out.
        skip_bad: Whether records that cannot be taken are left out; else one of them stops all.
        dry_run: Whether the file is only read.
        actor: Who asks.
    """

    file: Path
    format: str = "auto"
    tenant: str = ""
    licence: str = ""
    redact: bool = False
    skip_bad: bool = False
    dry_run: bool = False
    actor: str = ""


@dataclass(slots=True)
class Imported:
    """What came of it.

    Attributes:
        digest: SHA-256 of the file.
        state: imported, resumed, repeated where all of it was there already, or counted for a dry run.
        taken: Records; those of an earlier run that was stopped are among them.
        rows: Rows by table that this run has written or, for a dry run, would write; what was there already is not counted.
        unknown: Fields that nothing was made of, with the number of records that have them.
        problems: The first mistakes.
    """

    id: str
    format: str
    digest: str
    state: str = "imported"
    taken: int = 0
    refused: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        counted = {"rows": dict(sorted(self.rows.items())), "unknown_fields": dict(sorted(self.unknown.items()))}
        named = {"import": self.id, "format": self.format, "state": self.state, "taken": self.taken, "refused": self.refused}
        return {**named, **counted, "problems": self.problems}


def import_file(store: Store, asked: Asked, progress: Callable[[int], None] = lambda _: None) -> Imported:
    """Import a file, or say why not; the same file of the same tenant is there once.

    Args:
        progress: Told, of each batch, how many records are done.

    Raises:
        StoreError: With file, line, what was expected and what was found, for what cannot be taken; nothing of it is stored.
    """
    kind = format_of(asked.file, asked.format)
    digest = _digest(asked.file)
    key = _import_id(store, asked.tenant, digest, kind)
    done = _done(store, key)
    found = Imported(key, kind.name, digest)
    if done is not None and done.ended is not None and not asked.dry_run:
        found.state, found.taken, found.refused = "repeated", done.taken, done.refused
        return found
    rows = Rows(store, asked.tenant, key, asked.licence, done.created if done else now(), Sweeper() if asked.redact else None)
    _check(asked, kind, rows, found)
    if asked.dry_run:
        found.state = "counted"
        return found
    if done is not None:
        found.state = "resumed"
    elif found.taken:
        _begin(store, asked, key, kind, digest, rows.began)
    else:
        raise StoreError(f"{asked.file}: expected records, got none")
    found.rows.clear()
    _write(store, asked, kind, rows, found, done.done if done else 0, progress)
    return found


def _check(asked: Asked, kind: Format, rows: Rows, found: Imported) -> None:
    """Read all of the file: count what is there, and stop where something cannot be taken."""
    for number, read in _records(asked, kind, rows, found.unknown):
        if isinstance(read, str):
            found.refused += 1
            if len(found.problems) < MOST_SHOWN:
                found.problems.append(f"{asked.file}:{number}: {read}")
        else:
            found.taken += bool(read)
            found.rows.update(table.name for table, _ in read)
    if not found.refused or asked.dry_run or asked.skip_bad:
        return
    more = f"\n… and {found.refused - MOST_SHOWN:,} more" if found.refused > MOST_SHOWN else ""
    way_out = f"nothing was imported; correct {'it' if found.refused == 1 else 'them'}, or say --skip-bad to take the others"
    raise StoreError("\n".join(found.problems) + f"{more}\n{way_out} ({found.taken:,} records)")


def _write(
    store: Store, asked: Asked, kind: Format, rows: Rows, found: Imported, done: int, progress: Callable[[int], None]
) -> None:
    records = ((at, read) for at, (_, read) in enumerate(_records(asked, kind, rows, Counter()), 1) if at > done)
    before = done
    for batch in batched(records, BATCH):
        last = batch[-1][0]
        with writing(store.engine) as connection:
            found.rows.update(_insert(connection, store, [row for _, read in batch if not isinstance(read, str) for row in read]))
            _advance(connection, rows.import_id, before, last, asked)
        before = last
        progress(last)
    ending = update(_TABLE).where(_TABLE.c.id == rows.import_id).values(ended=now(), taken=found.taken, refused=found.refused)
    counts = {"taken": found.taken, "refused": found.refused}
    note = _note(asked, kind, rows.import_id, found.digest, "done", **counts)
    store.audit.prepare()
    with writing(store.engine) as connection:
        connection.execute(ending)
        store.audit.append_elsewhere(connection, [note])


def _records(asked: Asked, kind: Format, rows: Rows, unknown: Counter[str]) -> Iterator[tuple[int, list[TableRow] | str]]:
    """Yield the rows of each record, or what is wrong with it, with the number of its line."""
    for row in read_rows(asked.file, kind.rows):
        if isinstance(row, BadRow):
            yield row.number, f"{row}{'; nothing after it can be read' if row.fatal else ''}"
            continue
        try:
            unknown.update(name for name in kind.unknown(row.value) if len(unknown) < 100 or name in unknown)
            yield row.number, rows.of(row.number, kind.read(row.value))
        except BadRecord as error:
            yield row.number, str(error)


def _insert(connection: Connection, store: Store, rows: list[TableRow]) -> Counter[str]:
    written: Counter[str] = Counter()
    kept = without_erased(connection, store.pseudonym, rows)
    for table, values in by_table(kept).items():
        statement = insert_new(table, store.engine.dialect.name).returning(next(iter(table.primary_key.columns)))
        written[table.name] += len(connection.execute(statement, values).all())
    return written


def _advance(connection: Connection, key: str, before: int, after: int, asked: Asked) -> None:
    moved = connection.execute(update(_TABLE).where(_TABLE.c.id == key, _TABLE.c.done == before).values(done=after))
    if moved.rowcount != 1:
        raise StoreError(f"{asked.file}: another process is importing the same file; let it finish")


def _begin(store: Store, asked: Asked, key: str, kind: Format, digest: str, began: int) -> None:
    row = {"id": key, "tenant": asked.tenant, "format": kind.name, "digest": digest, "licence": asked.licence}
    note = _note(asked, kind, key, digest, "begun")
    store.audit.prepare()
    with writing(store.engine) as connection:
        connection.execute(insert_new(_TABLE, store.engine.dialect.name), {**row, "actor": asked.actor, "created": began})
        store.audit.append_elsewhere(connection, [note])


def _note(asked: Asked, kind: Format, key: str, digest: str, state: str, **counts: int) -> Note:
    """Return what the audit says of an import."""
    said = {"state": state, "what": "feedback", "format": kind.name, "digest": digest, **counts}
    return note_of(Event.IMPORT, by=asked.actor or operator(), about=key, tenant=shaped(asked.tenant), **said)


def _done(store: Store, key: str) -> Any:  # noqa: ANN401 - a row of `imports`, or None
    with reading(store.engine) as connection:
        return connection.execute(select(_TABLE).where(_TABLE.c.id == key)).one_or_none()


def _import_id(store: Store, tenant: str, digest: str, kind: Format) -> str:
    return f"im_{store.pseudonym('import', tenant, f'{digest}:{kind.name}')[:24]}"


def _digest(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise StoreError(f"{file}: cannot be read: {error.strerror}") from error
