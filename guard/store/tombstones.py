"""What was erased, remembered by digests that stand nowhere else: so that it is erased again where it comes late or comes back.

A digest is keyed with a secret of the store, and is made of the pseudonym: it leads to nobody, and to no row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from sqlalchemy import Connection, exists, select, tuple_

from guard.store import schema
from guard.store.belonging import Kind
from guard.store.identity import now
from guard.store.statements import insert_or_change

Thing = tuple[str, Kind, str]
"""Something that can be erased: a tenant, and the pseudonym of a subject or a conversation, or the id of an exchange."""
Digest = Callable[[str, str, str], str]
"""`Store.pseudonym`: a keyed digest of a kind, a tenant and a value."""
LOCK = 0x74656E6574 + 1
"""Number of PostgreSQL's advisory lock that orders what is written and what is erased."""
_STEP = 500
_TABLE = schema.erasures


def tombstone(digest: Digest, thing: Thing) -> str:
    """Return what stands for an erased thing."""
    tenant, kind, value = thing
    return digest("erased", tenant, f"{kind.value}:{value}")


def tombstone_id(mark: str) -> str:
    """Return the id of a tombstone's row, so that it is there once however often a thing is erased."""
    return f"er_{mark[:24]}"


def bury(connection: Connection, digest: Digest, things: Sequence[Thing], actor: str) -> None:
    """Remember that things are erased, as of now; from the commit on, nobody can write earlier rows of them any more.

    `alone` comes before, in the same transaction, where others may be writing rows of them.
    """
    created = now()
    statement = insert_or_change(_TABLE, connection.dialect.name, lambda new: {"created": new.created})
    rows = [
        {"id": tombstone_id(mark), "tenant": thing[0], "subject": mark, "actor": actor, "created": created}
        for thing in things
        for mark in (tombstone(digest, thing),)
    ]
    if rows:
        connection.execute(statement, rows)


def alone(connection: Connection) -> None:
    """Wait until all who write rows of somebody have committed, and hold off others until the end of this transaction.

    SQLite has one who writes at a time anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")


def beside_others(connection: Connection) -> None:
    """Hold off those who erase until the end of this transaction, but nobody else."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock_shared({LOCK})")


def there_are_any(connection: Connection) -> bool:
    """Return whether anything was ever erased."""
    return bool(connection.execute(select(exists(select(_TABLE.c.id)))).scalar_one())


def erased_among(connection: Connection, digest: Digest, things: Mapping[Thing, int]) -> Iterator[tuple[Thing, int]]:
    """Yield those of the things that were erased, each with when that was.

    Args:
        things: With the time of the earliest row that names each. What is told of a subject later than its erasure is new; an
            exchange that was erased stays so.
    """
    marked = {(thing[0], tombstone(digest, thing)): thing for thing in things}
    keys = list(marked)
    for start in range(0, len(keys), _STEP):
        some = tuple_(_TABLE.c.tenant, _TABLE.c.subject).in_(keys[start : start + _STEP])
        for row in connection.execute(select(_TABLE.c.tenant, _TABLE.c.subject, _TABLE.c.created).where(some)):
            thing = marked[row.tenant, row.subject]
            if thing[1] is Kind.EXCHANGE or things[thing] <= row.created:
                yield thing, row.created
