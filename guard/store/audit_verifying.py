"""Walk every chain of the audit, in bounded memory, and say what somebody without the key changed, took away or put in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, Text, func, select, type_coerce

from guard.errors import StoreError
from guard.store.audit_chain import ENTRY, Head, entries, entry_mac, head_values, writers
from guard.store.audit_claims import Claims
from guard.store.audit_events import Event
from guard.store.audit_exporting import ExportedHeads
from guard.store.audit_faults import Fault, Report
from guard.store.audit_keys import AUDIT_KEY_VARIABLE, AuditKeys
from guard.store.audit_walking import Walk
from guard.store.connecting import reading
from guard.store.schema import audit, audit_heads, exchanges

if TYPE_CHECKING:
    from guard.store.store import Store

__all__ = ["Fault", "Report", "verify"]

_HEAD_COLUMNS = (
    *(column for column in audit_heads.c if column.name != "heads"),
    type_coerce(audit_heads.c.heads, Text).label("heads"),
)
_WITH_CLAIMS = (Event.HEADS.value, Event.ADOPTED.value)


def verify(store: Store, *, exported: ExportedHeads | None = None, since: int | None = None) -> Report:
    """Return what is wrong with the audit of a store, as of one moment.

    Args:
        exported: Heads that were kept elsewhere; what they name must still be there.
        since: Only entries from this time on are looked at, in microseconds; the one before them is believed.

    Raises:
        StoreError: Where nothing is signed with any of the keys that are given, or the store cannot be read.
    """
    keys = store.audit.keys
    report = Report()
    with _raw_reading(store.engine) as connection:
        _Verification(connection, keys, report, since).run(exported)
    if report.signed == 0 and report.entries:
        raise StoreError(
            f"the audit is signed with another key than is given; set {AUDIT_KEY_VARIABLE} to the one that was in use"
        )
    return report


class _Verification:
    def __init__(self, connection: Connection, keys: AuditKeys, report: Report, since: int | None) -> None:
        self._connection, self._keys, self._report, self._since = connection, keys, report, since
        self._heads: dict[str, Mapping[str, Any]] = {}
        self._bases: dict[str, Head] = {}
        self._claims = Claims(connection, self._bases, report)
        self._adopted: dict[str, tuple[int, str]] = {}

    def run(self, exported: ExportedHeads | None) -> None:
        self._read_heads()
        self._adopted = adopted(self._connection, self._keys)
        found: set[str] = set()
        for writer in writers(self._connection):
            found.add(writer)
            self._walk(writer)
        for writer in sorted(self._heads.keys() - found):
            self._report.chains += 1
            self._check_head(Walk(writer, self._keys, self._bases.get(writer, Head()), self._report))
        self._check_exchanges(found | self._heads.keys())
        if exported is not None:
            self._claims.add_heads(exported.heads, "the head that was kept elsewhere")
        self._claims.check()

    def _read_heads(self) -> None:
        """Learn where chains end, and where they begin since they were pruned."""
        for row in self._connection.execute(select(*_HEAD_COLUMNS)):
            known = row._asdict()
            kind = next((kind for kind in ("head", "base") if known["id"] == f"{kind}:{known['writer']}"), None)
            signer = self._keys.who_signed(known["signature"], kind, head_values(known)) if kind else None
            if kind is None or signer is None or known["heads"] != "{}":
                self._report.add(
                    "head", known["writer"], known["sequence"], "a signed place in a chain", "one that was changed or put in"
                )
            elif kind == "head":
                self._report.signed += 1
                self._heads[known["writer"]] = {**known, "signer": signer}
            else:
                self._bases[known["writer"]] = Head(known["sequence"], known["hash"])

    def _walk(self, writer: str) -> None:
        self._report.chains += 1
        start = self._bases.get(writer, Head())
        after = None
        if self._since is not None:
            start = self._anchor(writer, start)
            after = start.sequence
        walk = Walk(writer, self._keys, start, self._report)
        for row in entries(self._connection, writer, after):
            if walk.step(row) and row.event in _WITH_CLAIMS:
                self._claims.add_heads(json.loads(row.details)["heads"], f"{writer} at {row.sequence}")
        self._check_head(walk)
        self._check_vouched(walk)

    def _anchor(self, writer: str, base: Head) -> Head:
        """Return the entry before those that are looked at."""
        first = select(func.min(audit.c.sequence)).where(audit.c.writer == writer, audit.c.created >= self._since)
        last = select(func.max(audit.c.sequence)).where(audit.c.writer == writer)
        begin = self._connection.execute(first).scalar()
        sequence = begin - 1 if begin is not None else self._connection.execute(last).scalar() or 0
        before = select(audit.c.hash).where(audit.c.writer == writer, audit.c.sequence == sequence)
        row = self._connection.execute(before).one_or_none()
        return base if row is None else Head(sequence, row.hash)

    def _check_head(self, walk: Walk) -> None:
        head = self._heads.get(walk.writer)
        if head is None:
            self._report.add("head", walk.writer, walk.sequence, "a signed head of the chain", "none that fits")
        elif head["sequence"] > walk.sequence:
            found = f"{walk.sequence} as the last" if walk.sequence else "no entry at all"
            self._report.add("truncated", walk.writer, walk.sequence + 1, f"entries up to {head['sequence']}", found)
        elif head["sequence"] < walk.sequence:
            self._report.add(
                "inserted", walk.writer, head["sequence"] + 1, "the end of the chain", f"entries up to {walk.sequence}"
            )
        elif head["hash"] not in walk.hashes or (walk.key is not None and head["signer"] != walk.key):
            self._report.add("head", walk.writer, walk.sequence, "a head with the hash of the last entry", "another")

    def _check_exchanges(self, chains: set[str]) -> None:
        """Whoever wrote exchanges noted their decisions too, and the last entry of a chain is never pruned."""
        wanted = select(exchanges.c.writer).where(exchanges.c.writer != "").distinct()
        for writer in sorted(set(self._connection.execute(wanted).scalars()) - chains):
            self._report.add("missing", writer, 0, "a chain, as there are exchanges that this writer wrote", "none")

    def _check_vouched(self, walk: Walk) -> None:
        """What is signed with the store's own key, which lies beside it, holds only where an outside key vouches for it."""
        if self._keys.own is None or walk.key != self._keys.own:
            return
        sequence = self._adopted.get(walk.writer, (0, ""))[0]
        if walk.sequence > sequence:
            expected = f"entries signed with {AUDIT_KEY_VARIABLE}, or taken over by `guard audit adopt`"
            self._report.add(
                "unvouched", walk.writer, sequence + 1, expected, f"up to {walk.sequence} signed with the store's own key"
            )


def adopted(connection: Connection, keys: AuditKeys) -> dict[str, tuple[int, str]]:
    """Return up to where chains of the store's own key are vouched for by one from outside."""
    found: dict[str, tuple[int, str]] = {}
    if keys.own is None:
        return found
    for row in connection.execute(select(*ENTRY).where(audit.c.event == Event.ADOPTED.value)):
        if any(key.outside and entry_mac(key, row) == row.hash for key in keys.keys):
            for writer, (sequence, hash_) in json.loads(row.details)["heads"].items():
                found[writer] = max(found.get(writer, (0, "")), (sequence, hash_))
    return found


@contextmanager
def _raw_reading(engine: Engine) -> Iterator[Connection]:
    """Give a connection that reads whatever bytes somebody wrote into a text of a SQLite file."""
    with reading(engine) as connection:
        raw: Any = connection.connection.driver_connection
        if engine.dialect.name == "sqlite":
            raw.text_factory = lambda given: given.decode("utf-8", "surrogateescape")
        try:
            yield connection
        finally:
            if engine.dialect.name == "sqlite":
                raw.text_factory = str
