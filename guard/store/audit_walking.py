"""One chain of the audit, entry by entry: does each follow the one before it, and is it signed?"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from guard.store.audit_chain import ENTRY, Head
from guard.store.audit_faults import Report
from guard.store.audit_keys import AuditKey, AuditKeys

_NAMES = tuple(column.name for column in ENTRY[:-1])


class Walk:
    """The state of a walk along one chain; it remembers one entry."""

    def __init__(self, writer: str, keys: AuditKeys, start: Head, report: Report) -> None:
        """Begin after an entry that is trusted: where the chain was pruned, or nothing.

        Args:
            report: Where faults go.
        """
        self.writer = writer
        self.key: AuditKey | None = None
        """The chain's key, once an entry is signed with one."""
        self.sequence = start.sequence
        self.hashes = {start.hash}
        """What the next entry may name as its predecessor: one hash, or two where the last entry has not the one it must."""
        self._keys = keys
        self._report = report

    def step(self, row: Row[Any]) -> bool:
        """Take the next entry; returns whether it is signed."""
        self._report.entries += 1
        values = [row._mapping[name] for name in _NAMES]
        signer = self._signer(row.hash, values)
        follows = self._check_order(row)
        if signer is None:
            self._report.add(
                "changed", self.writer, row.sequence, "an entry that its hash fits", "another content, or another hash"
            )
        elif follows and row.previous not in self.hashes:
            self._report.add("reordered", self.writer, row.sequence, "the hash of the entry before it", "that of another entry")
        else:
            self._report.signed += 1
        if isinstance(row.sequence, int) and row.sequence > self.sequence:
            self.sequence = row.sequence
            self.hashes = {row.hash} | ({self.key.mac("entry", values)} if self.key is not None and signer is None else set())
        return signer is not None

    def _signer(self, signature: object, values: list[Any]) -> AuditKey | None:
        if self.key is None:
            self.key = self._keys.who_signed(signature, "entry", values)
            return self.key
        return self.key if self.key.signs(signature, "entry", values) else None

    def _check_order(self, row: Row[Any]) -> bool:
        due = self.sequence + 1
        if row.sequence == due:
            return True
        if isinstance(row.sequence, int) and row.sequence > due:
            missing = f"{due}" if row.sequence == due + 1 else f"{due} to {row.sequence - 1}"
            self._report.add("missing", self.writer, due, f"entry {missing}", f"entry {row.sequence} next")
        else:
            self._report.add("inserted", self.writer, row.sequence, f"entry {due}", "one that cannot be there")
        return False
