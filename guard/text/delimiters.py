"""What parts the tokens of a text: white space, and after an ideograph, a syllable or kana also its punctuation.

Chinese and Japanese have no spaces, so without the second a stream of theirs would be one token. Behind another script the same
punctuation may part the letters of a word ("k，i，l，l"), so there it is no delimiter. Tokens longer than `LONGEST` are cut, so
that no token holds back more.
"""

from __future__ import annotations

import re

LONGEST = 4096
"""Characters of a token after which it is cut."""

CJK = "\u3041-\u3096\u30a1-\u30fa\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3"
"""Ranges for a character class: kana, ideographs, Hangul syllables."""

_MARKS = "、。，：；？,:;?"
_AFTER_CJK = rf"(?<![^{CJK}])[{_MARKS}]"

DELIMITER = re.compile(rf"\s|{_AFTER_CJK}")
"""One delimiter. The punctuation counts at the very start of a text too, where it may be a text's that was cut there."""

_PUNCTUATION = re.compile(_AFTER_CJK)
_LONG = re.compile(rf"(?<!\S)\S{{{LONGEST + 1},}}+")


def cuts(text: str) -> list[int]:
    """Return where tokens of `text` are cut because they are too long; what follows is read as if it began there."""
    if len(text) <= LONGEST:
        return []
    return [cut for stretch in _LONG.finditer(text) for cut in _cuts_within(text, *stretch.span())]


def last_delimiter(text: str, end: int) -> int:
    """Return the offset of the last delimiter before `end`, or -1."""
    for index in range(end - 1, -1, -1):
        char = text[index]
        if char.isspace() or (char in _MARKS and _PUNCTUATION.match(text, index)):
            return index
    return -1


def _cuts_within(text: str, start: int, end: int) -> list[int]:
    found = []
    begins = not start
    while start < end:
        if text[start] in _MARKS and (begins or _PUNCTUATION.match(text, start)):
            start, begins = start + 1, False
            continue
        delimiter = _PUNCTUATION.search(text, start + 1, min(end, start + LONGEST + 1))
        token_end = delimiter.start() if delimiter else end
        begins = token_end - start > LONGEST
        start = start + LONGEST if begins else token_end
        if begins:
            found.append(start)
    return found
