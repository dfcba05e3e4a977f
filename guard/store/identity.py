"""Ids and times, as every table has them."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time

_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")


def now() -> int:
    """Return the time: UTC in microseconds since 1970."""
    return time.time_ns() // 1000


def is_id(text: str) -> bool:
    """Return whether `text` can be the id of something; what cannot is in no table, and some databases would not even take it."""
    return _ID.fullmatch(text) is not None


def new_id(prefix: str) -> str:
    """Return a random id with a prefix that says of what: `fb` of feedback, `lb` of a label, `pr` of a pair, `gk` of a key."""
    return f"{prefix}_{secrets.token_hex(12)}"


def keyed_digest(secret: bytes, *parts: str) -> str:
    """Return what stands for something in the store: a keyed digest of its parts, of 32 hexadecimal digits."""
    said = b"\0".join(part.encode("utf-8", "surrogatepass") for part in parts)
    return hmac.new(secret, said, hashlib.sha256).hexdigest()[:32]
