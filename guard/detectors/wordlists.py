"""Turn thousands of words into a few patterns that find them however they are spelled.

Words and texts meet in the folded view, where case, look-alikes, digits for letters and spaced letters are gone. Repeated
letters are left there twice at most, so each letter of a word may stand more often than it does in the list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

import re2

from guard.detectors.expressions import compiled
from guard.detectors.matching import Pattern
from guard.text import folded

_SPACED = [
    "Adlam",
    "Arabic",
    "Armenian",
    "Bengali",
    "Canadian_Aboriginal",
    "Cherokee",
    "Coptic",
    "Cyrillic",
    "Deseret",
    "Devanagari",
    "Ethiopic",
    "Georgian",
    "Glagolitic",
    "Greek",
    "Gujarati",
    "Gurmukhi",
    "Hebrew",
    "Kannada",
    "Latin",
    "Malayalam",
    "Mongolian",
    "Nko",
    "Ol_Chiki",
    "Oriya",
    "Runic",
    "Sinhala",
    "Syriac",
    "Tamil",
    "Telugu",
    "Thaana",
    "Tifinagh",
    "Vai",
]
_LETTERS = "".join(rf"\p{{{script}}}" for script in _SPACED) + r"\pM\pN"
_LETTER = f"[{_LETTERS}]"
"""What makes a longer word of a word. Scripts without spaces, and Hangul with its particles, have no such borders."""

_BORDER = f"[^{_LETTERS}]"
_GAP = r"[\s\pZ]+"
_WORD_START = re2.compile(_LETTER)

_Branch = dict[str, "_Branch"]
_END = ""


def word_patterns(words: Iterable[str], category: str, score: float) -> list[Pattern]:
    """Return patterns that find the words and phrases.

    A word is found only where it is not part of a longer one, as far as its script parts words; between the words of a
    phrase stands white space of any length. Words of which nothing is left when folded are skipped.
    """
    inner: dict[bool, list[str]] = {True: [], False: []}
    for word in sorted({" ".join(folded(word).split()) for word in words} - {""}):
        inner[_is_letter(word[0])].append(word)
    return [
        Pattern(_expression(chosen, bordered), category, score, views=("folded",), accept=_accept(chosen, bordered))
        for bordered, chosen in inner.items()
        if chosen
    ]


def _expression(words: Sequence[str], bordered: bool) -> str:
    open_ended, closed = _tries(words)
    before = f"(?:^|{_BORDER})" if bordered else ""
    return before + "(?:" + "|".join([f"{trie}{_LETTER}?" for trie in closed] + open_ended) + ")"


def _accept(words: Sequence[str], bordered: bool) -> Callable[[str], Sequence[tuple[int, int]]]:
    """Return a check that the word ends where a word may end; else a shorter word may have been there."""
    open_ended, closed = _tries(words)
    ways = [rf"({trie})(?:{_BORDER}|\z)" for trie in closed] + [f"({trie})" for trie in open_ended]
    whole = compiled("|".join(ways), captures=True)

    def accept(text: str) -> Sequence[tuple[int, int]]:
        start = 1 if bordered and not _is_letter(text[0]) else 0
        match = whole.match(text[start:].encode())
        return [(start, start + len(match[match.lastindex].decode()))] if match else []

    return accept


def _tries(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the tries of the words that may be followed by anything, and of those that may not; each list has one or none."""
    open_ended = [word for word in words if not _is_letter(word[-1])]
    closed = [word for word in words if _is_letter(word[-1])]
    return [_trie(chosen) for chosen in (open_ended,) if chosen], [_trie(chosen) for chosen in (closed,) if chosen]


def _trie(words: Iterable[str]) -> str:
    root: _Branch = {}
    for word in words:
        branch = root
        for unit in _units(word):
            branch = branch.setdefault(unit, {})
        branch[_END] = {}
    return _render(root)


def _units(word: str) -> Iterator[str]:
    for char, run in groupby(word):
        count = len(list(run))
        if char == " ":
            yield _GAP
        elif char.isalpha():
            yield re2.escape(char) * count + "+"
        else:
            yield re2.escape(char) * count


def _render(branch: _Branch) -> str:
    """Return the pattern of a branch; longer runs and longer words come first, so that they are preferred."""
    ways = [unit + _render(further) for unit, further in sorted(branch.items(), key=lambda way: (-len(way[0]), way[0])) if unit]
    if not ways:
        return ""
    joined = "|".join(ways)
    if _END in branch:
        return f"(?:{joined})?"
    return f"(?:{joined})" if len(ways) > 1 else joined


def _is_letter(char: str) -> bool:
    return _WORD_START.match(char) is not None
