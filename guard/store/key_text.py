"""What a key looks like: `tg_<id>_<secret>`, so that people and scanners for leaked secrets know it when they see it.

The secret is 256 random bits in 43 characters, then a checksum of 6, so that a key that was cut or mistyped is told from one that
is not known, without asking a database. The checksum protects nothing: only the secret does.
"""

from __future__ import annotations

import re
import secrets
import zlib
from typing import NamedTuple

PREFIX = "tg_"
LONGEST = 128
"""Characters beyond which nothing is a key."""
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET, _CHECK = 43, 6
_FORM = re.compile(rf"tg_([0-9a-f]{{24}})_[0-9A-Za-z]{{{_SECRET}}}([0-9A-Za-z]{{{_CHECK}}})")
_LIKE = re.compile(r"tg_[0-9a-f]{24}_[0-9A-Za-z]{40}")


class KeyText(NamedTuple):
    """A key in full, and the id under which the store knows it."""

    id: str
    text: str


def new_key_text() -> KeyText:
    """Return a new random key."""
    part = secrets.token_hex(12)
    body = f"{PREFIX}{part}_{_written(secrets.randbits(256), _SECRET)}"
    return KeyText(f"gk_{part}", body + _checksum(body))


def parse_key(text: str) -> KeyText | None:
    """Return what `text` says as a key; None where it cannot be one."""
    if len(text) > LONGEST:
        return None
    found = _FORM.fullmatch(text)
    if found is None or _checksum(text[:-_CHECK]) != found[2]:
        return None
    return KeyText(f"gk_{found[1]}", text)


def holds_key(text: str) -> bool:
    """Return whether something in `text` looks like a key, whole or almost."""
    return _LIKE.search(text) is not None


def _checksum(body: str) -> str:
    return _written(zlib.crc32(body.encode()), _CHECK)


def _written(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
