"""A row in every table that can hold something of a person, made from the schema: a new table has one by itself."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Float, Integer, SmallInteger, Table, insert

from guard.store import schema
from guard.store.belonging import linked_tables
from guard.store.connecting import writing
from guard.store.store import Store

CANARY = "zyzzyva-sings"


def fill(store: Store, name: str, *, tenant: str = "", created: int = 1) -> dict[str, str]:
    """Write a row of everything about somebody; each table is linked in another way. Returns their exchange's id and more."""
    known = {
        "subject": store.pseudonym("subject", tenant, name),
        "conversation": store.pseudonym("conversation", tenant, f"talk of {name}"),
        "exchange": f"ex_{tenant}{name}",
    }
    with writing(store.engine) as connection:
        for table in linked_tables():
            connection.execute(insert(table), [row_of(store, table, known, name, tenant, created)])
            if "subject" in table.c and "exchange_id" in table.c:
                by_exchange = row_of(store, table, known, f"{name}-2", tenant, created) | {"subject": ""}
                connection.execute(insert(table), [by_exchange])
    return known


def row_of(store: Store, table: Table, known: dict[str, str], name: str, tenant: str, created: int) -> dict[str, Any]:
    links = {
        "tenant": tenant,
        "subject": known["subject"],
        "conversation": known["conversation"],
        "exchange_id": known["exchange"],
        "feedback_id": f"feedback-{tenant}{name}",
        "object": f"labels-{tenant}{name}",
        "created": created,
        "id": known["exchange"] if table is schema.exchanges else f"{table.name}-{tenant}{name}",
    }
    return {column.name: links.get(column.name, value_of(store, column, name)) for column in table.columns}


def value_of(store: Store, column: Any, name: str) -> Any:
    if isinstance(column.type, schema.Sealed):
        return store.codec.seal(f'["{CANARY} {name} {"wide " * 300}"]')
    if isinstance(column.type, schema.Json):
        return {}
    if isinstance(column.type, Boolean):
        return False
    if isinstance(column.type, (BigInteger, Integer, SmallInteger, Float)):
        return 1
    return f"{column.name}-{name}"
