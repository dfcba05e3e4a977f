"""Ids and times, as every table has them."""

from __future__ import annotations

import secrets
import time


def now() -> int:
    """Return the time: UTC in microseconds since 1970."""
    return time.time_ns() // 1000


def new_id(prefix: str) -> str:
    """Return a random id with a prefix that says of what: `fb` of feedback, `lb` of a label, `pr` of a pair, `gk` of a key."""
    return f"{prefix}_{secrets.token_hex(12)}"
