"""The detector `gibberish`: keyboard mashing, random letters, endless repetition, suffixes that a search made.

Words of Latin script are judged by how surprising their letters are in forty languages, and lines by how oddly their tokens are
joined; a stretch is found where enough of it is odd. Code, addresses, hashes, names and abbreviations are left alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from guard.detectors.rules.floods import floods
from guard.detectors.rules.joints import salads
from guard.detectors.rules.letters import surprise
from guard.detectors.running import Threaded
from guard.values import Finding, Item, Needs, Runs, Span, WindowReach

VERSION = "gibberish-1"
CATEGORY = "gibberish"

_FLOOD, _SALAD = 0.9, 0.7
_USUAL = 3.5
"""Nats of surprise up to which a word counts as one."""

_MOST_SURPRISE = 6.0
_COMMON = -1.2
"""What a letter of an ordinary word says against gibberish; one of an odd word says its surprise beyond the usual for it."""

_ENOUGH = 10.0
"""Points of a stretch at which its score is a half."""

_ALONE = 16
"""Letters of a word that is gibberish although all around it is not."""

_NAME = 4.0
"""The most that one word with a capital says: it may be a name from anywhere."""

_LONG = 64
"""Letters of a word, and signs of a token at each end, that are looked at."""

_RANDOM = 4.0
_SYMBOLS = 24
"""What a token of mixed letters and digits says, and how many signs make one of signs alone."""

_MIXED = re.compile(r"[A-Za-z0-9]{5,19}")
_SWITCHES = re.compile(r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])|(?<=[a-z])(?=[A-Z])")
_HEXADECIMAL = re.compile(r"[0-9a-f]+|[0-9A-F]+")
_DRAWN = re.compile(r"(\w)\1{2,}", re.IGNORECASE)
_TOKEN = re.compile(r"\S+")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_FOREIGN_TO_WORDS = re.compile(r"[\w-]+[./:@\\_=+%#&]+[\w/]|\d|^[@#$/\\~.-]+\w|_|</?\w|::|\(\)|://")
_ENCODED = re.compile(r"[A-Za-z0-9+/=_-]{20,}")
_CASES = re.compile(r"[a-z][A-Z]")
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю", "1234567890")


class _Weighed(NamedTuple):
    start: int
    end: int
    points: float
    letters: int


class Gibberish(Threaded):
    """Finds stretches that nobody wrote to be read."""

    def __init__(self, name: str) -> None:
        """Take the detector's name in the policy."""
        super().__init__(name, VERSION, Needs(WindowReach(160, 600, 120), runs=Runs.THREAD), (CATEGORY,))

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Return where each item is gibberish, and how surely."""
        return [[*self._findings(item)] for item in items]

    def _findings(self, item: Item) -> Iterator[Finding]:
        found = [(span, _FLOOD) for span in floods(item.text)]
        found += [(span, _SALAD) for span in salads(item.text)]
        found += _odd(item.text)
        for span, score in _apart(found):
            if span.end > item.judged_from:
                inside = Span(max(span.start, item.judged_from), span.end)
                yield Finding(self.name, CATEGORY, score, inside, item.location, item.role)


def make(name: str, options: Mapping[str, Any]) -> Gibberish:
    """Return the detector; it takes no options."""
    del options
    return Gibberish(name)


def _odd(text: str) -> Iterator[tuple[Span, float]]:
    """Yield the stretches of odd words, with their scores."""
    words = [*_weighed(text)]
    letters = sum(word.letters for word in words)
    for first, last, points in _heaviest(words):
        chosen = words[first : last + 1]
        inside = sum(word.letters for word in chosen)
        if len(chosen) < 3 and inside < _ALONE and 2 * inside < letters:
            continue
        score = 1 / (1 + math.exp(0.35 * (_ENOUGH - points)))
        if score >= 0.1:
            yield Span(chosen[0].start, chosen[-1].end), score


def _weighed(text: str) -> Iterator[_Weighed]:
    """Yield the words that can be judged, each with what it says for gibberish."""
    for token in _TOKEN.finditer(text):
        if _is_random(token[0]):
            yield _Weighed(token.start(), token.end(), _RANDOM, len(token[0]))
        if _is_technical(token[0]):
            continue
        for match in _WORD.finditer(token[0]):
            start = token.start() + match.start()
            for word, offset in _parts(match[0]):
                yield _Weighed(start + offset, start + offset + len(word), _points(word), len(word))


def _is_technical(token: str) -> bool:
    """Return whether `token` is an address, a path, a number, code or something encoded, which other detectors judge."""
    if _FOREIGN_TO_WORDS.search(token[:_LONG]) or _FOREIGN_TO_WORDS.search(token[-_LONG:]):
        return True
    return _ENCODED.fullmatch(token) is not None and len(_CASES.findall(token)) > 2


def _is_random(token: str) -> bool:
    """Return whether letters and digits, or signs, are mixed in `token` as in no name, number or code."""
    if _MIXED.fullmatch(token):
        return len(_SWITCHES.findall(token)) > 2 and not _HEXADECIMAL.fullmatch(token)
    return len(token) >= _SYMBOLS and len(set(token)) >= _SYMBOLS // 2 and not any(map(str.isalnum, token))


def _parts(word: str) -> Iterator[tuple[str, int]]:
    """Yield the parts of a word in camel case, with their offsets."""
    start = 0
    borders = [match.start() for match in _CAMEL.finditer(word)]
    if len(borders) > 1 and len(word) < 4 * len(borders):
        borders = []
    for border in (*borders, len(word)):
        yield word[start:border], start
        start = border


def _points(word: str) -> float:
    """Return what a word says for gibberish: about nothing if it is short, an abbreviation or of another script."""
    word = _DRAWN.sub(r"\1\1", word[:_LONG])
    if len(word) < 4 or (word.isupper() and len(word) < 7):
        return -0.5 * len(word)
    value = _along_keys(word) if not word.isascii() or len(word) > 5 else None
    value = value or surprise(word)
    if value is None:
        return _COMMON * len(word)
    if value <= _USUAL:
        return _COMMON * len(word)
    points = (min(value, _MOST_SURPRISE) - _USUAL) * len(word)
    return min(points, _NAME) if word.istitle() else points


def _along_keys(word: str) -> float | None:
    """Return a high surprise for a word most of which runs along a row of keys, else None."""
    lowered = word.lower()
    along = sum(_beside(lowered[index : index + 3]) for index in range(len(lowered) - 2))
    return _MOST_SURPRISE if along >= 0.6 * (len(lowered) - 2) and along > 3 else None


def _beside(three: str) -> bool:
    return any(three in row or three[::-1] in row for row in _KEYS)


def _heaviest(words: Sequence[_Weighed]) -> Iterator[tuple[int, int, float]]:
    """Yield the stretches whose points add up to most, from left to right: first word, last word, points."""
    first, last, best, total = 0, -1, 0.0, 0.0
    for index, word in enumerate(words):
        total += word.points
        if total > best:
            last, best = index, total
        if total <= 0 or total < best - 2 * _ENOUGH:
            if last >= first:
                yield first, last, best
            first, last, best, total = index + 1, index, 0.0, 0.0
    if last >= first:
        yield first, last, best


def _apart(found: Iterable[tuple[Span, float]]) -> Iterator[tuple[Span, float]]:
    """Join what overlaps; the score is the highest."""
    current: tuple[Span, float] | None = None
    for span, score in sorted(found):
        if current and span.start < current[0].end:
            current = (Span(current[0].start, max(span.end, current[0].end)), max(score, current[1]))
            continue
        if current:
            yield current
        current = (span, score)
    if current:
        yield current
