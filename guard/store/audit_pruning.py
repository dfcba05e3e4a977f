"""Forget old entries of the audit: what was the beginning of a chain becomes a signed place where it begins now.

The last entry of each chain stays, so that no chain is ever gone without a trace. What does not verify is not removed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, func, select

from guard.errors import StoreError
from guard.store.audit_chain import Head, entries, head_values, put_head, signed_row, writers
from guard.store.audit_faults import Report
from guard.store.audit_keys import AuditKeys
from guard.store.audit_walking import Walk
from guard.store.connecting import reading, writing
from guard.store.schema import audit, audit_heads

if TYPE_CHECKING:
    from guard.store.store import Store

_STEP = 500


def prune_audit(store: Store, before: int, *, trial: bool = False) -> int:
    """Remove entries of the audit that are older, but for the last of each chain; returns how many.

    Args:
        before: UTC in microseconds.
        trial: Whether they are only counted.

    Raises:
        StoreError: Where one of them is not what was written; nothing of its chain is removed then.
    """
    with reading(store.engine) as connection:
        ends = {writer: _last_old(connection, writer, before) for writer in writers(connection)}
        counted = sum(_count(connection, writer, end) for writer, end in ends.items())
    if trial:
        return counted
    return sum(_prune_chain(store, writer, end) for writer, end in ends.items())


def _last_old(connection: Connection, writer: str, before: int) -> int:
    """Return up to where a chain can be forgotten."""
    mine = audit.c.writer == writer
    first_new = connection.execute(select(func.min(audit.c.sequence)).where(mine, audit.c.created >= before)).scalar()
    last = connection.execute(select(func.max(audit.c.sequence)).where(mine)).scalar() or 0
    return min(first_new if first_new is not None else last, last) - 1


def _count(connection: Connection, writer: str, end: int) -> int:
    wanted = select(func.count()).select_from(audit).where(audit.c.writer == writer, audit.c.sequence <= end)
    return int(connection.execute(wanted).scalar_one())


def _prune_chain(store: Store, writer: str, end: int) -> int:
    keys = store.audit.keys
    with reading(store.engine) as connection:
        walk = _checked(connection, keys, writer, end)
    removed = 0
    while walk is not None:
        with writing(store.engine) as connection:
            wanted = select(audit.c.sequence, audit.c.hash).where(audit.c.writer == writer, audit.c.sequence <= end)
            rows = connection.execute(wanted.order_by(audit.c.sequence).limit(_STEP)).all()
            if rows:
                at = Head(rows[-1].sequence, rows[-1].hash)
                connection.execute(delete(audit).where(audit.c.writer == writer, audit.c.sequence <= at.sequence))
                put_head(connection, signed_row(keys.first, "base", writer, at))
        removed += len(rows)
        if len(rows) < _STEP:
            break
    return removed


def _checked(connection: Connection, keys: AuditKeys, writer: str, end: int) -> Walk | None:
    """Walk along what is to be removed; None where that is nothing."""
    report = Report()
    walk = None
    for row in entries(connection, writer, until=end):
        walk = walk or Walk(writer, keys, _base(connection, keys, writer), report)
        walk.step(row)
        if report.count:
            raise StoreError(f"the audit is not pruned: {report.faults[0]}; `guard audit verify` says more")
    return walk


def _base(connection: Connection, keys: AuditKeys, writer: str) -> Head:
    row = connection.execute(select(audit_heads).where(audit_heads.c.id == f"base:{writer}")).one_or_none()
    if row is None or keys.who_signed(row.signature, "base", head_values(row._asdict())) is None:
        return Head()
    return Head(row.sequence, row.hash)
