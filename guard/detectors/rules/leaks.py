"""Tell addresses that carry words or data away: in their query, their path, their fragment or their host.

Who opens an address tells its host all that stands in it, and an image is opened by showing it.
"""

from __future__ import annotations

import re
from base64 import b32decode, urlsafe_b64decode
from binascii import Error, unhexlify
from collections.abc import Callable, Iterator
from enum import IntEnum
from urllib.parse import parse_qsl, unquote, unquote_plus

from guard.detectors.rules.addresses import Address


class Load(IntEnum):
    """What an address carries."""

    NOTHING = 0
    VALUE = 1
    """A value that does not say how something is to be shown."""
    OPAQUE = 2
    """Something that might be data: a long random value, or one under a name such as `token`."""
    WORDS = 3
    """Free text, or a place where such is to be filled in."""
    ENCODED = 4
    """Text that was encoded so that one does not read it."""


_OPAQUE = 24
_LONG_PATH = 80
_SHORTEST = 8
"""Characters that a hidden text has at least."""

_TELLING = re.compile(
    r"(?i)(?:(?:chat|user|my|the|all|full)[_-]?)?(?:data|secrets?|tokens?|key|api[_-]?key|password|passwd|pwd|pass|exfil\w*|leak\w*|stolen|info|"
    r"content|context|conv|conversation|history|prompts?|system[_-]?prompt|email|mail|ssn|card|cookies?|session|creds?|credentials?|"
    r"payload|private|summary|notes?|memory|msg|messages?|text|body|name|username|phone|address)"
)
_PLACEHOLDER = re.compile(r"\{\{?[^{}]{1,60}\}|<[\w ]{2,40}>|\$\{[^}]{1,60}\}|\[[A-Z_ ]{3,40}\]|%7B[^%]{1,60}%7D", re.IGNORECASE)
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}\.[a-z]{2,}", re.IGNORECASE)
_CODE = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")
_WORD = re.compile(r"[^\W\d_]{2,}")
_FREE = re.compile(r"[^\W\d_]{2,}(?:[\s+_,;:|]+[\w'@.-]+){2,}")
_NEEDLESS = re.compile(r"(?:%(?:3[0-9]|[46][1-9A-F]|[57][0-9A])){4}", re.IGNORECASE)
"""Percent signs for letters and digits, which need none."""

_SHOWN = re.compile(
    r"(?i)(?:w|h|width|height|s|size|dpr|quality|fit|crop|auto|format|fm|ext|v|ver|version|rev|ixlib|ixid|cb|t|ts|lang|hl|locale|theme|"
    r"style|logo|logocolor|label|labelcolor|color|colour|bg|background|raw|ref|branch|type|mode|zoom|scale|resize|strip|rotate|blur|"
    r"utm_\w+|source)"
)
"""Names of values that say how an image is shown, or where one comes from."""

_PLAIN_VALUE = re.compile(r"[\d.,x%:+-]*|(?:true|false|yes|no|on|off|none|auto|null)|[a-z]{1,3}", re.IGNORECASE)
_BENIGN = re.compile(r"(?i)(?:https?:/|[\w/.-]*\.(?:png|jpe?g|gif|webp|svg|css|js|html?)\Z)")


def load_of(address: Address) -> Load:
    """Return the heaviest thing that the address carries."""
    if _NEEDLESS.search(address.query) or _NEEDLESS.search(address.path):
        return Load.ENCODED
    return max((_weight(name, value) for name, value in _values(address)), default=Load.NOTHING)


def _values(address: Address) -> Iterator[tuple[str, str]]:
    """Yield what may hold data, with its name where it has one."""
    for part in (address.query, address.fragment):
        pairs = parse_qsl(part, keep_blank_values=True)
        yield from pairs if any(value for _, value in pairs) else [("?", unquote_plus(part))]
    for segment in address.path.replace("\\", "/").split("/"):
        yield "", unquote(segment)
    for label in address.written.split(".")[:-2]:
        yield "", label


def _weight(name: str, value: str) -> Load:
    if not value or _BENIGN.match(value):
        return Load.NOTHING
    if any(_reads(decoded) for decoded in _decoded(value)):
        return Load.ENCODED
    if _PLACEHOLDER.search(value) or _EMAIL.search(value) or _FREE.search(value):
        return Load.WORDS
    if name and (_is_opaque(value, _OPAQUE) or (_TELLING.fullmatch(name) and len(value) > 2)):
        return Load.OPAQUE
    if _is_opaque(value, _LONG_PATH):
        return Load.OPAQUE
    return Load.NOTHING if not name or _SHOWN.fullmatch(name) or _PLAIN_VALUE.fullmatch(value) else Load.VALUE


def _is_opaque(value: str, length: int) -> bool:
    return len(value) >= length and " " not in value


def _decoded(value: str) -> Iterator[bytes]:
    """Yield what the value stands for in base64, hexadecimal and base32, as far as it is such."""
    code = value.replace(" ", "+")
    if not _CODE.fullmatch(code):
        return
    bare = code.rstrip("=").replace("+", "-").replace("/", "_")
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: urlsafe_b64decode(bare + "=" * (-len(bare) % 4)),
        lambda: unhexlify(bare),
        lambda: b32decode(bare.upper() + "=" * (-len(bare) % 8)),
    )
    for way in ways:
        try:
            yield way()
        except (Error, ValueError):
            continue


def _reads(data: bytes) -> bool:
    """Return whether `data` is text that somebody wrote."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return False
    if len(text) < _SHORTEST or not all(char.isprintable() or char.isspace() for char in text):
        return False
    plain = sum(char.isalnum() or char.isspace() for char in text)
    return plain >= 0.75 * len(text) and _WORD.search(text) is not None
