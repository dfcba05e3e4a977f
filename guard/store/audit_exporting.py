"""Heads to be kept elsewhere: where every chain of a store ends, signed, in one file that later shows what is gone since."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from guard.errors import StoreError
from guard.store.audit_keys import AuditKeys
from guard.store.connecting import reading
from guard.store.identity import now
from guard.store.schema import audit_heads

if TYPE_CHECKING:
    from guard.store.store import Store

FORMAT = 1
_LARGEST_FILE = 64 * 1024 * 1024
_HASH = re.compile(r"[0-9a-f]{64}")
_EXPECTED = "expected what `guard audit head` printed"


@dataclass(frozen=True, slots=True)
class ExportedHeads:
    """The heads of all chains of a store at one time.

    Attributes:
        created: UTC in microseconds.
        key: Id of the key that signed.
        heads: Sequence and hash of the last entry of each chain, by its writer.
    """

    store: str
    created: int
    key: str
    heads: Mapping[str, tuple[int, str]]
    signature: str = ""
    format: int = field(default=FORMAT)

    def signed_values(self) -> list[Any]:
        """Return what the signature covers."""
        return [self.format, self.store, self.created, self.key, sorted([name, *at] for name, at in self.heads.items())]

    def as_json(self) -> str:
        """Return it as `read_heads` reads it."""
        return json.dumps(asdict(self))

    def as_text(self) -> str:
        """Return it in lines, which `read_heads` reads too."""
        chains = [f"chain {name} {sequence} {hash_}" for name, (sequence, hash_) in sorted(self.heads.items())]
        lines = (f"tenet-audit-head {self.format}", f"store {self.store}", f"created {self.created}", f"key {self.key}", *chains)
        return "\n".join((*lines, f"signature {self.signature}"))


def export_heads(store: Store) -> ExportedHeads:
    """Return the heads of all chains as they are now, signed."""
    key = store.audit.keys.first
    wanted = select(audit_heads.c.writer, audit_heads.c.sequence, audit_heads.c.hash).where(audit_heads.c.id.like("head:%"))
    with reading(store.engine) as connection:
        heads = {row.writer: (row.sequence, row.hash) for row in connection.execute(wanted)}
    found = ExportedHeads(store.id, now(), key.id, heads)
    return ExportedHeads(found.store, found.created, found.key, heads, key.mac("export", found.signed_values()))


def read_heads(path: Path, store_id: str, keys: AuditKeys) -> ExportedHeads:
    """Read heads that were kept elsewhere.

    Raises:
        StoreError: Where the file is not what was printed, is of another store, or its signature does not fit.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise StoreError(f"{path}: {_EXPECTED}, got more than {_LARGEST_FILE >> 20} MiB")
        text = path.read_text("utf-8")
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError:
        raise StoreError(f"{path}: {_EXPECTED}, got something that is no text") from None
    try:
        found = _parsed(json.loads(text) if text.lstrip().startswith("{") else _fields(text))
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        raise StoreError(f"{path}: {_EXPECTED}, got something else") from None
    if found.store != store_id:
        raise StoreError(f"{path}: expected heads of the store {store_id}, got those of another")
    if keys.who_signed(found.signature, "export", found.signed_values()) not in keys.keys:
        raise StoreError(
            f"{path}: its signature does not fit: it was changed, or signed with another key than the one in use now"
        )
    return found


def _fields(text: str) -> dict[str, Any]:
    fields: dict[str, Any] = {"heads": {}}
    for line in text.strip().splitlines():
        name, *values = line.split(" ")
        if name == "chain":
            writer, sequence, hash_ = values
            fields["heads"][writer] = [int(sequence), hash_]
        else:
            fields["format" if name == "tenet-audit-head" else name] = values[0]
    return fields


def _parsed(given: Mapping[str, Any]) -> ExportedHeads:
    if int(given["format"]) != FORMAT:
        raise ValueError(given["format"])
    heads = {str(name): (int(at[0]), str(at[1])) for name, at in given["heads"].items()}
    if not all(sequence >= 0 and _HASH.fullmatch(hash_) for sequence, hash_ in heads.values()):
        raise ValueError("heads")
    return ExportedHeads(str(given["store"]), int(given["created"]), str(given["key"]), heads, str(given["signature"]))
