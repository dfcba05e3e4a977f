"""Statements that SQLite and PostgreSQL both understand and SQLAlchemy Core has no common word for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_new(table: Table, dialect: str) -> Any:  # noqa: ANN401 - two classes with the same methods and no common one
    """Return an INSERT that leaves rows that are there already as they are, so that it can be repeated."""
    return _insert(table, dialect).on_conflict_do_nothing()


def insert_or_change(table: Table, dialect: str, changed: Any) -> Any:  # noqa: ANN401 - as above
    """Return an INSERT that changes a row of the same primary key.

    Args:
        changed: Takes the row that was to be inserted, as columns; returns new values of the one that is there, by column.
    """
    statement = _insert(table, dialect)
    values: Mapping[str, Any] = changed(statement.excluded)
    return statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=dict(values))


def _insert(table: Table, dialect: str) -> Any:  # noqa: ANN401 - as above
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
