"""Everything that is kept about one person, in words that the person can read: what a subject-access request asks for."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Table, select, union_all

from guard.errors import StoreError
from guard.store import schema
from guard.store.audit_events import shaped
from guard.store.belonging import Kind, Whose, belonging, linked_tables
from guard.store.connecting import reading

if TYPE_CHECKING:
    from guard.store.store import Store

_STEP = 500
_TIMES = ("created", "said", "due", "delivered")
_LISTS = {"texts": ("body",), "pairs": ("prompt", "chosen", "rejected")}
"""Sealed columns that hold JSON."""


def records_of(store: Store, tenant: str, subject: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield everything that is kept about a subject: rows with the name of their table, texts opened, times in ISO 8601.

    Entries of the audit are among them, as long as the exchanges are there that they are about.

    Args:
        subject: A pseudonym (`Store.pseudonym`).

    Raises:
        StoreError: Where texts are encrypted with a key that is not given.
    """
    whose = Whose(tenant, Kind.SUBJECT, (subject,))
    with reading(store.engine) as connection:
        for table in (*reversed(linked_tables()), schema.audit):
            condition = belonging(table, whose) if table is not schema.audit else _audited(whose)
            wanted = select(table).where(condition).order_by(table.c.created, *table.primary_key.columns)
            for row in connection.execute(wanted, execution_options={"yield_per": _STEP}).mappings():
                yield table.name, {column.name: _readable(store, table, column, row[column.name]) for column in table.columns}


def write_person(store: Store, tenant: str, subject: str, out: Path, *, actor: str = "") -> dict[str, int]:
    """Write `records_of` into a new folder: a file of JSON lines for each table that has some, and a page that explains them.

    The audit says so before the folder is there; where it cannot, nothing is handed out.

    Args:
        actor: Who asks, for the audit.

    Returns:
        How many rows of each table were written.

    Raises:
        StoreError: Where the folder is there, or cannot be written.
    """
    if out.exists():
        raise StoreError(f"{out}: is there already; name a folder that is not")
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(mode=0o700)
        counted = _write(store, tenant, subject, partial)
        (partial / "README.md").write_text(_page(counted), encoding="utf-8")
        store.audit.note_command("export", by=actor, tenant=shaped(tenant), what="subject", format="jsonl", rows=counted)
        partial.rename(out)
    except OSError as error:
        raise StoreError(f"{out}: cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return counted


def _write(store: Store, tenant: str, subject: str, folder: Path) -> dict[str, int]:
    counted: Counter[str] = Counter()
    for name, rows in groupby(records_of(store, tenant, subject), key=itemgetter(0)):
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8", newline="\n") as file:
            for _, row in rows:
                file.write(json.dumps(row) + "\n")
                counted[name] += 1
    return dict(counted)


def _audited(whose: Whose) -> Any:  # noqa: ANN401 - a condition
    ids = [select(table.c.id).where(belonging(table, whose)) for table in linked_tables() if "id" in table.c]
    return (schema.audit.c.tenant == whose.tenant) & schema.audit.c.object.in_(union_all(*ids))


def _readable(store: Store, table: Table, column: Column[Any], value: Any) -> Any:  # noqa: ANN401 - whatever a column holds
    if value is None:
        return None
    if isinstance(column.type, schema.Sealed):
        opened = store.codec.open(value)
        return json.loads(opened) if column.name in _LISTS.get(table.name, ()) else opened
    if column.name in _TIMES:
        return datetime.fromtimestamp(value / 1_000_000, UTC).isoformat(timespec="milliseconds")
    return value


def _page(counted: Mapping[str, int]) -> str:
    files = "".join(
        f"| `{name}.jsonl` | {count:,} | {_MEANINGS.get(name, 'other records')} |\n" for name, count in counted.items()
    )
    return f"{_INTRODUCTION}\n| file | records | what is in it |\n| :-- | --: | :-- |\n{files}{_ENDING}"


_INTRODUCTION = """# What is kept about one person

One record on a line, as JSON. Texts are as they were kept: redacted ones have placeholders such as `[EMAIL]`. Names of people are
nowhere: `subject` and `conversation` are keyed digests. Times are UTC.
"""
_ENDING = """
`texts.jsonl` and `findings.jsonl` name the exchange (`exchange_id`) of `exchanges.jsonl` that they belong to. An action is a
number: 0 allow, 1 flag, 2 redact, 3 revise, 4 block.
"""
_MEANINGS = {
    "exchanges": "requests and their answers: when, by which route, what was decided, how long it took",
    "texts": "what was asked and answered, as far as it was kept",
    "findings": "what detectors found, with category, score and place",
    "fired": "which rules of the policy held",
    "feedback": "what was said about answers: ratings, corrections, appeals, comments",
    "labels": "what reviewers decided about them",
    "pairs": "pairs of a better and a worse answer, for training",
    "differences": "where a policy on trial would have decided otherwise",
    "deliveries": "notices about them that were sent to other systems",
    "audit": "what was done about them, in the log that cannot be changed",
}
