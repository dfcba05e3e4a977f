"""What is in a store: rows by table, and the times of which it is not complete."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, func, select

from guard.store.connecting import reading
from guard.store.schema import gaps as gaps_table
from guard.store.schema import metadata


def overview(engine: Engine) -> dict[str, int]:
    """Return how many rows each table has."""
    with reading(engine) as connection:
        return {
            table.name: int(connection.execute(select(func.count()).select_from(table)).scalar_one())
            for table in metadata.sorted_tables
        }


def gaps(engine: Engine, limit: int = 100) -> list[dict[str, Any]]:
    """Return the latest gaps, newest first, with times as ISO 8601 has them."""
    with reading(engine) as connection:
        rows = connection.execute(select(gaps_table).order_by(gaps_table.c.created.desc()).limit(limit)).mappings().all()
    times = ("since", "until", "created")
    return [{**row, **{name: _written(row[name]) for name in times}} for row in rows]


def _written(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC).isoformat(timespec="milliseconds")
