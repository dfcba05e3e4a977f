"""Find encoded runs in a canonical text: base64, hexadecimal, escapes, percent signs, and rot13 that reads as words.

Where a run begins and ends follows from the text alone, left to right. Most lie within one stretch of code characters and are
settled by what ends it; hexadecimal pairs with spaces, base64 in lines and rot13 reach over white space, to `LIMIT` characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import re2

from guard.text import decoders, rot13
from guard.text.clusters import cluster
from guard.text.runs import LIMIT, Run
from guard.values import Span

DEPTH = 2
"""How often what was decoded is decoded again; one deeper counts as hiding."""


def runs(text: str) -> list[Run]:
    """Return every run of `text` in order of its start, those too that stand for no text but reach over white space."""
    data = text.encode("utf-8", "replace")
    if not _ANY_SIGN.search(data):
        return []
    found = [run for sign, find in _FINDERS if sign.search(data) for run in find(text)]
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
_CODE = r"A-Za-z0-9+/_=%\\.~-"
_STRETCH = re.compile(rf"(?<![{_CODE}])[{_CODE}]{{9,}}+")

_FEWEST_ESCAPES = 3
_WITH_PERCENT = re.compile(r"(?:[A-Za-z0-9._~+-]|%[0-9A-Fa-f]{2})++")
_WITH_ESCAPES = re.compile(r"(?:[A-Za-z0-9._~+-]|\\x[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4})++")
_DIGITS = re.compile(r"[A-Za-z0-9+/_-]{16,}+={0,2}")
_PART_OF_DIGITS = re.compile(r"[A-Za-z0-9]{16,}+")

_FEWEST_PAIRS = 8
_MOST_PAIRS = LIMIT // 3
_PAIRS = re.compile(rf"(?<!\w)[2-7][0-9A-Fa-f](?![^\W_])(?: [0-9A-Fa-f]{{2}}(?![^\W_])){{0,{_MOST_PAIRS - 1}}}+")
_PAIRS_GO_ON = re.compile(r"(?: [0-9A-Fa-f]{0,2})?")

_DIGIT = "[A-Za-z0-9+/]"
_LAST_LINE = rf"(?:{_DIGIT}{{4}}){{0,18}}(?:{_DIGIT}{{4}}|{_DIGIT}{{3}}=|{_DIGIT}{{2}}==)"
_WRAPPED = [
    re.compile(rf"(?<![{_CODE}]){line}(?:\r?\n{line}){{0,{LIMIT // 78 - 1}}}+(\r?\n{_LAST_LINE}(?![{_CODE}]))?+")
    for line in (rf"{_DIGIT}{{{width}}}(?![{_CODE}])" for width in (64, 76))
]
"""Lines of base64 as PEM (RFC 7468) and MIME (RFC 2045) wrap it."""

_NEXT_LINE = re.compile(rf"\r?\n?[{_CODE}]*+")
_TAGGED = re.compile("(?<![\U0001f3f4\U000e0020-\U000e007e])[\U000e0020-\U000e007e]{3,}+")


def _within_stretches(text: str) -> Iterator[Run]:
    for match in _STRETCH.finditer(text):
        begin, end = match.span()
        needs = end if end < len(text) and text[end].isspace() else end + 1
        stretch = match.group()
        for start, stop, decoded in (*_escaped(stretch), *_in_digits(stretch)):
            yield Run(begin + start, begin + stop, needs, decoded)


def _escaped(stretch: str) -> Iterator[tuple[int, int, str]]:
    for sign, pattern, decode in (("%", _WITH_PERCENT, decoders.percent), ("\\", _WITH_ESCAPES, decoders.escapes)):
        if stretch.count(sign) >= _FEWEST_ESCAPES:
            for match in pattern.finditer(stretch):
                code = match.group().rstrip(".")
                decoded = decode(code) if code.count(sign) >= _FEWEST_ESCAPES else None
                if decoded is not None:
                    yield match.start(), match.start() + len(code), decoded


def _in_digits(stretch: str) -> Iterator[tuple[int, int, str]]:
    """Yield the runs of digits; where one is no text, those parts between its signs that are, as in a path."""
    for match in _DIGITS.finditer(stretch):
        decoded = decoders.digits(match.group())
        if decoded is not None:
            yield *match.span(), decoded
            continue
        for part in _PART_OF_DIGITS.finditer(stretch, *match.span()):
            decoded = decoders.digits(part.group())
            if decoded is not None:
                yield *part.span(), decoded


def _spaced_pairs(text: str) -> Iterator[Run]:
    for match in _PAIRS.finditer(text):
        start, end = match.span()
        count = (end - start + 1) // 3
        goes_on = _PAIRS_GO_ON.match(text, end)
        needs = (goes_on.end() if goes_on else end) + 1
        decoded = decoders.pairs(match.group()) if count >= _FEWEST_PAIRS else None
        yield Run(start, end, needs, decoded, exceeds=count == _MOST_PAIRS and needs == end + 4)


def _wrapped(text: str) -> Iterator[Run]:
    for pattern in _WRAPPED:
        for match in pattern.finditer(text):
            start, end = match.span()
            next_line = None if match.group(1) else _NEXT_LINE.match(text, end)
            needs = (next_line.end() if next_line else end) + 1
            decoded = decoders.lines(match.group())
            if decoded is None and match.group(1):
                end = match.start(1)
                decoded = decoders.lines(text[start:end])
            yield Run(start, end, needs, decoded)


_SIGNS: dict[str, Callable[[str], Iterator[Run]]] = {
    r"[A-Za-z0-9+/_-]{16}|%[0-9A-Fa-f]{2}|\\[xu][0-9A-Fa-f]{2}": _within_stretches,
    r"\b[2-7][0-9A-Fa-f] ": _spaced_pairs,
    r"[A-Za-z0-9+/]{64}": _wrapped,
    rf"\b(?i:{'|'.join(sorted(rot13.OPENERS))})\b": rot13.runs,
}
"""What each kind of run holds at least, in the syntax of RE2."""

_FINDERS = [(re2.compile(sign.encode()), find) for sign, find in _SIGNS.items()]
ANY_SIGN = "|".join(_SIGNS)
_ANY_SIGN = re2.compile(ANY_SIGN.encode())
"""Most texts are done with after this one search."""
