"""`x-guard-signature: t=…,v1=…`: HMAC-SHA256 over the time and the body, so that neither can be changed or sent again later."""

from __future__ import annotations

import hmac
import time

HEADER = "x-guard-signature"
TOLERANCE = 300.0
"""Seconds that a signature is good for."""


def signature(secret: bytes, body: bytes, at: int) -> str:
    """Return the header's value for a body that is sent at `at`, in seconds since 1970."""
    return f"t={at},v1={_mac(secret, at, body)}"


def is_signed(secret: bytes, body: bytes, header: str, *, tolerance: float = TOLERANCE, clock: float | None = None) -> bool:
    """Return whether a body that came is as we sent it, and recent: for those who receive webhooks.

    Args:
        clock: Seconds since 1970; now, where not given.
    """
    parts = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    stamp = parts.get("t", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        return False
    at = int(stamp)
    recent = abs((time.time() if clock is None else clock) - at) <= tolerance
    return hmac.compare_digest(parts.get("v1", "").encode(), _mac(secret, at, body).encode()) and recent


def _mac(secret: bytes, at: int, body: bytes) -> str:
    return hmac.digest(secret, f"{at}.".encode() + body, "sha256").hex()
