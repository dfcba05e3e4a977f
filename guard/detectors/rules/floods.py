"""Find what is repeated without end: a sign, a syllable, a word, a phrase. Rules of signs, tables and zeros are no floods."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from guard.values import Span

LETTERS, SIGNS, SYLLABLES, WORDS = 25, 80, 12, 16
"""How often what is repeated stands there at least."""

_SAME_LETTER = re.compile(rf"([^\W\d_])\1{{{LETTERS - 1},}}", re.IGNORECASE)
_SAME_SIGN = re.compile(rf"([^\w\s\u2500-\u25ff=#*.~+|/\\:<>-])\1{{{SIGNS - 1},}}")
_SYLLABLE = re.compile(rf"([^\W\d_]{{2,5}}?)\1{{{SYLLABLES - 1},}}", re.IGNORECASE)
_TOKEN = re.compile(r"\S+")
_LETTER = re.compile(r"[^\W\d_]")
_PERIODS = (1, 2, 3, 4)
_LOUD = frozenset("!?¡¿@&%$;,'\"")


def floods(text: str) -> Iterator[Span]:
    """Yield the floods in `text`; they may overlap."""
    for expression in (_SAME_LETTER, _SAME_SIGN, _SYLLABLE):
        for match in expression.finditer(text):
            yield Span(*match.span())
    yield from _repeated_words(text)


def _repeated_words(text: str) -> Iterator[Span]:
    tokens = [*_TOKEN.finditer(text)]
    if len(tokens) < WORDS:
        return
    words = [token[0].lower().rstrip(".,!?") or token[0] for token in tokens]
    speaks = [_LETTER.search(word) is not None or word[0] in _LOUD for word in words]
    for period in _PERIODS:
        breaks = [index for index in range(period, len(words)) if words[index] != words[index - period]]
        for before, after in pairwise([period - 1, *breaks, len(words)]):
            first = before + 1 - period
            if (
                after - first >= max(WORDS, 8 * period)
                and any(speaks[first : first + period])
                and "|" not in words[first : first + period]
            ):
                yield Span(tokens[first].start(), tokens[after - 1].end())
