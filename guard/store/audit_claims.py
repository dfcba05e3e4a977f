"""What somebody trustworthy said about a chain: that it had this entry with this hash. Looked up some at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, select, tuple_

from guard.store.audit_chain import Head
from guard.store.audit_faults import Report
from guard.store.schema import audit

_STEP = 400


class Claim(NamedTuple):
    """That a chain had an entry.

    Attributes:
        by: Who says so.
    """

    writer: str
    sequence: int
    hash: str
    by: str


class Claims:
    """Claims that are checked against the entries that there are."""

    def __init__(self, connection: Connection, bases: Mapping[str, Head], report: Report) -> None:
        """Start.

        Args:
            bases: Where chains begin that were pruned.
        """
        self._connection = connection
        self._bases = bases
        self._report = report
        self._waiting: list[Claim] = []

    def add_heads(self, heads: Mapping[str, Any], by: str) -> None:
        """Take what an entry, or a file, says about the ends of chains."""
        for writer, (sequence, hash_) in heads.items():
            self._waiting.append(Claim(writer, sequence, hash_, by))
            if len(self._waiting) >= _STEP:
                self.check()

    def check(self) -> None:
        """Look up what waits."""
        claims, self._waiting = self._waiting, []
        places = list({(claim.writer, claim.sequence) for claim in claims})
        if not places:
            return
        wanted = select(audit.c.writer, audit.c.sequence, audit.c.hash).where(
            tuple_(audit.c.writer, audit.c.sequence).in_(places)
        )
        there = {(row.writer, row.sequence): row.hash for row in self._connection.execute(wanted)}
        for claim in claims:
            self._compare(claim, there.get((claim.writer, claim.sequence)))

    def _compare(self, claim: Claim, found: str | None) -> None:
        base = self._bases.get(claim.writer)
        if base is not None and claim.sequence <= base.sequence:
            if claim.sequence < base.sequence:
                return
            found = base.hash
        if found != claim.hash:
            what = "none: the chain was cut off, or the entry taken out" if found is None else f"one with the hash {found[:16]}…"
            expected = f"the entry with the hash {claim.hash[:16]}… that {claim.by} saw"
            self._report.add("truncated" if found is None else "changed", claim.writer, claim.sequence, expected, what)
