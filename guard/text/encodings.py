"""Find encoded runs in a canonical text: base64, hexadecimal, escapes, percent signs, and rot13 that reads as words.

Where a run begins and ends follows from the text alone, left to right. Most lie within one stretch of code characters and are
settled by what ends it; hexadecimal pairs with spaces, base64 in lines and rot13 reach over white space, to `LIMIT` characters.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

import re2

from guard.text import rot13
from guard.text.clusters import cluster
from guard.text.runs import LIMIT, Run
from guard.values import Span

CODE = "A-Za-z0-9+/_=%\\\\.~-"
"""The characters, for a character class, of which a run within one token may consist."""

DEPTH = 2
"""How often what was decoded is decoded again; one deeper counts as hiding."""


def runs(text: str) -> list[Run]:
    """Return every run of `text` in order of its start, those too that stand for no text."""
    if not _TRIGGER.search(text.encode("utf-8", "replace")):
        return []
    found = [*_within_stretches(text), *_spaced_pairs(text), *_wrapped(text), *rot13.runs(text)]
    return sorted(found, key=lambda run: (run.start, run.end))


def open_from(text: str, certain: int) -> int:
    """Return where the stretch of code characters begins that may yet become a run, if `text` is certain up to `certain`.

    White space ends a stretch before it is certain itself: whatever joins it, it stays white space.
    """
    if text[certain : certain + 1].isspace():
        return certain
    return len(text[:certain].rstrip(_CODE_CHARACTERS))


def unwrap(encoded: str, depth: int = 1) -> tuple[list[str], bool]:
    """Return the canonical text of `encoded`, then what it holds encoded in turn, and whether that goes deeper than `DEPTH`."""
    text = cluster(encoded).text
    texts, too_deep = [text], False
    for run in runs(text):
        if run.text is None:
            continue
        if depth == DEPTH:
            return texts, True
        inner, deep = unwrap(run.text, depth + 1)
        texts += inner
        too_deep = too_deep or deep
    return texts, too_deep


def tagged(source: str) -> Iterator[tuple[Span, str]]:
    """Yield where in `source` invisible tag characters spell something, and what; those that make a flag are left out."""
    if not source.isascii():
        for match in _TAGGED.finditer(source):
            yield Span(*match.span()), "".join([chr(ord(tag) - 0xE0000) for tag in match.group()])


_CODE_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_=%\\.~-"
_ROT13_BEGINS = "|".join(sorted(rot13.OPENERS))
_TRIGGER = re2.compile(
    (
        r"[A-Za-z0-9+/_-]{16}|%[0-9A-Fa-f]{2}|\\[xu][0-9A-Fa-f]{2}"
        rf"|\b[2-7][0-9A-Fa-f] |\b(?i:{_ROT13_BEGINS})\b"
    ).encode()
)
"""What every run holds; most texts are done with after this one search."""

_FEWEST_ESCAPES = 3
_FEWEST_PAIRS = 8
_MOST_PAIRS = LIMIT // 3
_STANDARD_ALPHABET = str.maketrans("-_", "+/")

_STRETCH = re.compile(rf"(?<![{CODE}])[{CODE}]{{9,}}+")
_WITH_PERCENT = re.compile(r"(?:[A-Za-z0-9._~+-]|%[0-9A-Fa-f]{2})++")
_WITH_ESCAPES = re.compile(r"(?:[A-Za-z0-9._~+-]|\\x[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4})++")
_ESCAPE = re.compile(r"\\x([0-9A-Fa-f]{2})|\\u([0-9A-Fa-f]{4})")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}+={0,2}")
_HEX = re.compile(r"(?:0[xX])?((?:[0-9A-Fa-f]{2}){8,})")
_PART = re.compile(r"[A-Za-z0-9]{16,}+")

_PAIRS = re.compile(rf"(?<![{CODE}])[2-7][0-9A-Fa-f](?![{CODE}])(?: [0-9A-Fa-f]{{2}}(?![{CODE}])){{0,{_MOST_PAIRS - 1}}}+")
_PAIRS_GO_ON = re.compile(r"(?: [0-9A-Fa-f]{0,2})?")

_BODY = "[A-Za-z0-9+/]"
_WRAPPED = [
    re.compile(
        rf"(?<![{CODE}]){_BODY}{{{width}}}(?![{CODE}])(?:\r?\n{_BODY}{{{width}}}(?![{CODE}])){{0,{LIMIT // (width + 2) - 2}}}+"
        rf"(\r?\n{_BODY}{{1,{width}}}+={{0,2}}+(?![{CODE}]))?+"
    )
    for width in (64, 76)
]
"""Lines of base64 as PEM (RFC 7468) and MIME (RFC 2045) wrap it."""

_NEXT_LINE = re.compile(rf"\r?\n?[{CODE}]*+")
_TAGGED = re.compile("(?<![\U0001f3f4\U000e0020-\U000e007e])[\U000e0020-\U000e007e]{3,}+")


def _within_stretches(text: str) -> Iterator[Run]:
    for stretch in _STRETCH.finditer(text):
        end = stretch.end()
        needs = end if end < len(text) and text[end].isspace() else end + 1
        for start, stop, decoded in _stretch_runs(stretch.group()):
            yield Run(stretch.start() + start, stretch.start() + stop, needs, decoded)


def _stretch_runs(code: str) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and decoded text of the runs within one stretch."""
    for match, decoded in _stretch_matches(code):
        if decoded is not None:
            yield match.start(), match.end(), decoded


def _stretch_matches(code: str) -> Iterator[tuple[re.Match[str], str | None]]:
    if "%" in code:
        for match in _WITH_PERCENT.finditer(code):
            if match.group().count("%") >= _FEWEST_ESCAPES:
                yield match, _as_text(unquote_to_bytes(match.group()))
    if "\\" in code:
        for match in _WITH_ESCAPES.finditer(code):
            if match.group().count("\\") >= _FEWEST_ESCAPES:
                yield match, _as_text(_unescaped(match.group()))
    for match in _BASE64.finditer(code):
        decoded = _digits(match.group())
        yield match, decoded
        if decoded is None:
            for part in _PART.finditer(code, *match.span()):
                if part.span() != match.span():
                    yield part, _digits(part.group())


def _spaced_pairs(text: str) -> Iterator[Run]:
    for match in _PAIRS.finditer(text):
        pairs = match.group()
        decoded = _as_text(bytes.fromhex(pairs)) if len(pairs) >= 3 * _FEWEST_PAIRS - 1 else None
        goes_on = _PAIRS_GO_ON.match(text, match.end())
        needs = (goes_on.end() if goes_on else match.end()) + 1
        exceeds = len(pairs) >= 3 * _MOST_PAIRS - 1 and needs > match.end() + 2
        yield Run(match.start(), match.end(), needs, decoded, exceeds)


def _wrapped(text: str) -> Iterator[Run]:
    for pattern in _WRAPPED:
        for match in pattern.finditer(text):
            lines = match.group().split()
            decoded = None
            if len(lines) > 1:
                decoded = _base64("".join(lines)) or _base64("".join(lines[:-1]))
            next_line = None if match.group(1) else _NEXT_LINE.match(text, match.end())
            yield Run(match.start(), match.end(), (next_line.end() if next_line else match.end()) + 1, decoded)


def _digits(code: str) -> str | None:
    """Return what `code` stands for as hexadecimal or as base64."""
    hexadecimal = _HEX.fullmatch(code)
    return (_as_text(bytes.fromhex(hexadecimal.group(1))) if hexadecimal else None) or _base64(code)


def _base64(code: str) -> str | None:
    """Return what `code` stands for in either alphabet of RFC 4648, with or without padding; a last odd character is left out."""
    digits = code.rstrip("=").translate(_STANDARD_ALPHABET)
    digits = digits[: len(digits) - (len(digits) % 4 == 1)]
    return _as_text(binascii.a2b_base64(digits + "=" * (-len(digits) % 4)))


def _unescaped(code: str) -> bytes:
    """Return what escapes stand for: `x` names bytes, `u` code points."""
    pieces: list[bytes] = []
    copied = 0
    for match in _ESCAPE.finditer(code):
        byte, point = match.groups()
        pieces += (
            code[copied : match.start()].encode(),
            bytes.fromhex(byte) if byte else chr(int(point, 16)).encode("utf-8", "replace"),
        )
        copied = match.end()
    return b"".join([*pieces, code[copied:].encode()])


def _as_text(data: bytes) -> str | None:
    """Return the text that `data` is, in UTF-8 or UTF-16LE, if it is mostly letters, digits and spaces."""
    if 4 * data[1::2].count(0) > len(data):
        text = data.decode("utf-16-le", "ignore")
    else:
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            if error.start < max(1, len(data) - 3):
                return None
            text = data[: error.start].decode()
    shown = sum(char.isprintable() or char.isspace() for char in text)
    spoken = sum(char.isalnum() or char.isspace() for char in text)
    return text if text and shown >= 0.9 * len(text) and spoken >= 0.5 * len(text) else None
