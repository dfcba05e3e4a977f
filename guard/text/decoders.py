"""What an encoded run stands for, or None where that is no text."""

from __future__ import annotations

import binascii
import re
from urllib.parse import unquote_to_bytes

LONGEST_NUMBER = 19
"""Decimal digits of a payment card's number (ISO/IEC 7812); so few are a number, whatever they spell as hexadecimal."""


def digits(code: str) -> str | None:
    """Return the text of hexadecimal or base64 digits."""
    hexadecimal = _HEX.fullmatch(code)
    if hexadecimal and not (code.isdecimal() and len(code) <= LONGEST_NUMBER):
        text = as_text(bytes.fromhex(hexadecimal.group(1)))
        if text is not None:
            return text
    return base64(code)


def base64(code: str) -> str | None:
    """Return the text of digits in either alphabet of RFC 4648, with or without padding; a last odd digit is left out."""
    standard = code.rstrip("=").translate(_STANDARD_ALPHABET)
    standard = standard[: len(standard) - (len(standard) % 4 == 1)]
    return as_text(binascii.a2b_base64(standard + "=" * (-len(standard) % 4)))


def lines(code: str) -> str | None:
    """Return the text of base64 in at least two lines."""
    parts = code.split()
    return base64("".join(parts)) if len(parts) > 1 else None


def pairs(code: str) -> str | None:
    """Return the text of hexadecimal pairs with spaces between; mostly letters, or they are a list of numbers."""
    text = as_text(bytes.fromhex(code))
    if text is None or sum(char.isalpha() or char == " " for char in text) < 0.7 * len(text):
        return None
    return text


def percent(code: str) -> str | None:
    """Return the text of what URLs escape."""
    return as_text(unquote_to_bytes(code))


def escapes(code: str) -> str | None:
    """Return the text of a string literal's escapes: `x` names bytes, `u` code points."""
    pieces: list[bytes] = []
    copied = 0
    for match in _ESCAPE.finditer(code):
        byte, point = match.groups()
        pieces.append(code[copied : match.start()].encode())
        pieces.append(bytes.fromhex(byte) if byte else chr(int(point, 16)).encode("utf-8", "replace"))
        copied = match.end()
    return as_text(b"".join([*pieces, code[copied:].encode()]))


def as_text(data: bytes) -> str | None:
    """Return the text that `data` is, in UTF-8 or UTF-16LE, if it is mostly letters, digits and spaces."""
    if 4 * data[1::2].count(0) > len(data):
        text = data.decode("utf-16-le", "ignore")
    else:
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            if error.reason != "unexpected end of data":
                return None
            text = data[: error.start].decode()
    shown = sum(char.isprintable() or char in "\t\n\r" for char in text)
    spoken = sum(char.isalnum() or char.isspace() for char in text)
    return text if text and shown >= 0.9 * len(text) and spoken >= 0.5 * len(text) else None


_HEX = re.compile(r"(?:0[xX])?((?:[0-9A-Fa-f]{2}){8,})")
_ESCAPE = re.compile(r"\\x([0-9A-Fa-f]{2})|\\u([0-9A-Fa-f]{4})")
_STANDARD_ALPHABET = str.maketrans("-_", "+/")
