"""Seal every text again, with the first of the keys: after a key was added, replaced, or taken into use for the first time."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Engine, Table, bindparam, select, tuple_, update

from guard.store.connecting import writing
from guard.store.schema import sealed_columns
from guard.store.sealing import Codec

_STEP = 200


def rotate(engine: Engine, codec: Codec) -> dict[str, int]:
    """Seal all texts again; each step is a transaction of its own, so that a stop in the middle loses nothing.

    Returns:
        How many rows of each table were sealed.

    Raises:
        StoreError: Where a text cannot be opened with the keys that are given; what was sealed before it stays so.
    """
    return {table.name: _rotate(engine, codec, table, columns) for table, columns in sealed_columns()}


def _rotate(engine: Engine, codec: Codec, table: Table, columns: tuple[Column[Any], ...]) -> int:
    keys = list(table.primary_key.columns)
    wanted = select(*keys, *columns).order_by(*keys).limit(_STEP)
    change = (
        update(table)
        .where(*(key == bindparam(f"key_{key.name}") for key in keys))
        .values({column: bindparam(f"new_{column.name}") for column in columns})
    )
    sealed, after = 0, None
    while True:
        step = wanted if after is None else wanted.where(tuple_(*keys) > tuple_(*after))
        with writing(engine) as connection:
            rows = connection.execute(step).mappings().all()
            if rows:
                changes = [
                    {
                        **{f"key_{key.name}": row[key.name] for key in keys},
                        **{f"new_{column.name}": _again(codec, row[column.name]) for column in columns},
                    }
                    for row in rows
                ]
                connection.execute(change, changes)
        sealed += len(rows)
        if len(rows) < _STEP:
            return sealed
        after = tuple(rows[-1][key.name] for key in keys)


def _again(codec: Codec, sealed: bytes | None) -> bytes | None:
    return None if sealed is None else codec.seal_again(sealed)
