"""Which rows belong to somebody: derived from the schema, so that a new table with a subject or an exchange is among them.

Rows are linked by the names of their columns: `subject` and `conversation` hold pseudonyms, `exchange_id`, `feedback_id` and
`object` the ids of other rows. What is linked to a row that belongs to somebody belongs to the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from graphlib import TopologicalSorter

from sqlalchemy import ColumnElement, Select, Table, and_, false, or_, select

from guard.store import schema

LINKS: Mapping[str, tuple[Table, ...]] = {
    "exchange_id": (schema.exchanges,),
    "feedback_id": (schema.feedback,),
    "object": (schema.exchanges, schema.feedback, schema.labels, schema.pairs),
}
"""Columns that hold ids, and of which tables' rows."""
PERSONAL = ("subject", "conversation")
"""Columns that hold pseudonyms."""
STAYING: Mapping[str, str] = {
    "audit": "holds random ids only, and is not changed",
    "erasures": "says what was erased, by digests that stand nowhere else",
}
"""Tables with such columns whose rows stay, and why."""


class Kind(StrEnum):
    """What somebody's rows are told by."""

    SUBJECT = "subject"
    CONVERSATION = "conversation"
    EXCHANGE = "exchange"


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose rows are meant, of one tenant.

    Attributes:
        values: Pseudonyms of subjects or of conversations, or ids of exchanges, as `kind` says.
        until: UTC in microseconds; what names a subject or a conversation later than that is not meant. None for all.
    """

    tenant: str
    kind: Kind
    values: tuple[str, ...]
    until: int | None = None


def linked_tables() -> tuple[Table, ...]:
    """Return the tables whose rows can belong to somebody; a table comes before those that its rows refer to."""
    known = [table for table in schema.metadata.sorted_tables if _is_linked(table) and table.name not in STAYING]
    before: dict[Table, set[Table]] = {table: set() for table in known}
    for table in known:
        for referred in (each for name, tables in LINKS.items() if name in table.c for each in tables):
            if referred is not table:
                before[referred].add(table)
    return tuple(TopologicalSorter(before).static_order())


def belonging(table: Table, whose: Whose) -> ColumnElement[bool]:
    """Return the condition on a table's rows that they belong to somebody."""
    mine: list[ColumnElement[bool]] = []
    column = table.c.get(whose.kind.value)
    if column is not None and whose.kind is not Kind.EXCHANGE:
        early = [] if whose.until is None else [table.c.created <= whose.until]
        mine.append(and_(column != "", column.in_(whose.values), *early))
    if whose.kind is Kind.EXCHANGE and table is schema.exchanges:
        mine.append(table.c.id.in_(whose.values))
    for name, tables in LINKS.items():
        if name in table.c:
            mine += [table.c[name].in_(_ids(each, whose)) for each in tables if each is not table]
            if whose.kind is Kind.EXCHANGE and schema.exchanges in tables:
                mine.append(table.c[name].in_(whose.values))
    return and_(table.c.tenant == whose.tenant, or_(false(), *mine))


def _ids(table: Table, whose: Whose) -> Select[tuple[str]]:
    return select(table.c.id).where(belonging(table, whose))


def _is_linked(table: Table) -> bool:
    return table is schema.exchanges or any(name in table.c for name in (*LINKS, *PERSONAL))
