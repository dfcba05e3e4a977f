"""What the audit is signed with: a secret of the store, or a key from outside that the database never sees."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guard.errors import StoreError

AUDIT_KEY_VARIABLE = "TENET_AUDIT_KEY"
_KEY = re.compile(r"[\x21-\x7e]{32,}")


@dataclass(frozen=True, slots=True)
class AuditKey:
    """One key.

    Attributes:
        outside: Whether it comes from outside, while the store's own lies beside what it signs.
    """

    secret: bytes
    outside: bool

    @property
    def id(self) -> str:
        """What tells it from other keys, and does not tell it."""
        return self.mac("key", [])[:16]

    def mac(self, kind: str, values: Sequence[Any]) -> str:
        """Return the keyed digest of values of a kind (`entry`, `head`, `base`, `export`): 64 hexadecimal digits."""
        said = json.dumps([kind, *values], separators=(",", ":"), default=repr).encode("ascii")
        return hmac.new(self.secret, said, hashlib.sha256).hexdigest()

    def signs(self, signature: object, kind: str, values: Sequence[Any]) -> bool:
        """Return whether a signature is this key's."""
        return isinstance(signature, str) and hmac.compare_digest(
            self.mac(kind, values).encode(), signature.encode("utf-8", "replace")
        )


@dataclass(frozen=True, slots=True)
class AuditKeys:
    """The keys that hold: those from outside, the one to sign with first, else the store's own.

    Attributes:
        own: The store's own where there are keys from outside; what it signed holds only if it was adopted.
    """

    keys: tuple[AuditKey, ...]
    own: AuditKey | None = None

    @property
    def first(self) -> AuditKey:
        """The key to sign with."""
        return self.keys[0]

    def who_signed(self, signature: object, kind: str, values: Sequence[Any]) -> AuditKey | None:
        """Return the key of a signature; None where it is none of these."""
        every = (*self.keys, self.own) if self.own is not None else self.keys
        return next((key for key in every if key.signs(signature, kind, values)), None)


def audit_keys(store_id: str, secret: Callable[[str], bytes], environment: Mapping[str, str] = os.environ) -> AuditKeys:
    """Return the keys of a store's audit.

    Args:
        secret: Gives a secret of the store by its name.

    Raises:
        StoreError: Where `TENET_AUDIT_KEY` holds something that is too short to be a key, or the store's secret cannot be had.
    """
    given = [part.strip() for part in environment.get(AUDIT_KEY_VARIABLE, "").split(",") if part.strip()]
    for position, text in enumerate(given, 1):
        if _KEY.fullmatch(text) is None:
            raise StoreError(
                f"{AUDIT_KEY_VARIABLE}: expected keys of at least 32 characters without spaces, key {position} is none; "
                "make one with `openssl rand -hex 32`"
            )
    outside = tuple(AuditKey(_derived(text.encode(), store_id), outside=True) for text in given)
    own = AuditKey(_derived(secret("audit"), store_id), outside=False)
    return AuditKeys(outside, own) if outside else AuditKeys((own,))


def _derived(secret: bytes, store_id: str) -> bytes:
    return hmac.new(secret, f"tenet audit {store_id}".encode(), hashlib.sha256).digest()
