"""Read rows of one tenant, by time: page by page, or all of them in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, Table, select, tuple_

from guard.errors import StoreError
from guard.store.connecting import reading

_STEP = 500
_MOST = 1_000


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, and how to ask for those that follow.

    Attributes:
        after: Where the next page begins; empty where there is none.
    """

    rows: tuple[Row[Any], ...]
    after: str


def page(
    engine: Engine,
    table: Table,
    tenant: str,
    conditions: Sequence[ColumnElement[bool]] = (),
    *,
    after: str = "",
    limit: int = 50,
    newest_first: bool = True,
) -> Page:
    """Return a tenant's rows that fulfil the conditions, by `created` and `id`.

    Args:
        after: What the page before it said; empty for the first.
        limit: Rows of a page, at most 1,000.

    Raises:
        StoreError: Where `after` is not what a page said.
    """
    limit = max(1, min(limit, _MOST))
    at, key = table.c.created, table.c.id
    order = (at.desc(), key.desc()) if newest_first else (at, key)
    statement = select(table).where(table.c.tenant == tenant, *conditions).order_by(*order).limit(limit + 1)
    if after:
        position = tuple_(*_position(after))
        statement = statement.where(tuple_(at, key) < position if newest_first else tuple_(at, key) > position)
    with reading(engine) as connection:
        rows = tuple(connection.execute(statement).all())
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(rows[:limit], f"{last.created}:{last.id}" if last else "")


def every(engine: Engine, table: Table, tenant: str, conditions: Sequence[ColumnElement[bool]] = ()) -> Iterator[Row[Any]]:
    """Yield all of a tenant's rows that fulfil the conditions, oldest first; rows that are added meanwhile may be among them."""
    after = ""
    while True:
        found = page(engine, table, tenant, conditions, after=after, limit=_STEP, newest_first=False)
        yield from found.rows
        after = found.after
        if not after:
            return


def _position(after: str) -> tuple[int, str]:
    time, colon, key = after.partition(":")
    if not colon or not time.isascii() or not time.isdigit() or len(time) > 18:
        raise StoreError("after: expected what an earlier page said, got something else")
    return int(time), key
