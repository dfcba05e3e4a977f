"""Hashed features of a text: which words, pairs of words and pieces of words occur in it.

The same function serves training and run time, so what a weight was learned for is what it is used for. Everything is
vectorised over code points; a feature is a bucket, and a text either has it or not.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from guard.text import folded

WORD_BITS = 16
PIECE_BITS = 17
BUCKETS = (1 << WORD_BITS) + (1 << PIECE_BITS)
"""Buckets in all: those of words and pairs first, then those of pieces."""

PIECES = (3, 4, 5)
"""Lengths of the pieces of a word, in code points, the space before and after it included."""

Points: TypeAlias = NDArray[np.uint64]
Buckets: TypeAlias = NDArray[np.int64]

_SPACE, _WORD, _SYMBOL = 0, 1, 2
_PLANE = 0x10000
_STAR = ord("*")
_STEP = np.uint64(0x9E3779B97F4A7C15)  # odd, from the golden ratio: Knuth, TAOCP 3, 6.4
_MIX = np.uint64(0xD6E8FEB86659FD93)  # the multiplier of "rrxmrrxmsx_0", P. Evensen, 2018
_HALF = np.uint64(32)
_POWERS = np.multiply.accumulate(np.full(64, _STEP, dtype=np.uint64))
_PAIR = np.uint64(0xA24BAED4963EE407)
_GAP = np.uint64(0x9FB21C651E98DF25)
_MARKS = np.arange(1, 4, dtype=np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
_SHOUTING = (0.3, 0.6, 0.9)
_LETTERS_TO_SHOUT = 8


class Features(NamedTuple):
    """The buckets of a text, each once and in ascending order.

    Attributes:
        words: Words, symbols and pairs of them; below `1 << WORD_BITS`.
        pieces: Pieces of words; from `1 << WORD_BITS` on.
    """

    words: Buckets
    pieces: Buckets


def features(text: str) -> Features:
    """Return the features of the folded view of `text`, and of how much of the original is in capitals."""
    points = np.frombuffer(f" {folded(text)} ".encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    kinds = _kinds(points)
    return Features(
        words=_buckets(np.concatenate((_words(points, kinds), _capitals(text))), WORD_BITS),
        pieces=_buckets(_pieces(points, kinds == _WORD), PIECE_BITS) + (1 << WORD_BITS),
    )


def _kinds(points: NDArray[np.uint32]) -> NDArray[np.uint8]:
    kinds = _table()[np.minimum(points, _PLANE - 1)]
    inner = (points[1:-1] == _STAR) & (kinds[:-2] == _WORD) & (kinds[2:] == _WORD)
    kinds[1:-1][inner] = _WORD
    return kinds


def _words(points: NDArray[np.uint32], kinds: NDArray[np.uint8]) -> Points:
    word = kinds == _WORD
    begins = kinds == _SYMBOL
    begins[1:] |= word[1:] & ~word[:-1]
    starts = np.flatnonzero(begins)
    if not starts.size:
        return np.empty(0, dtype=np.uint64)
    places = np.arange(points.size)
    offsets = places - np.maximum.accumulate(np.where(begins, places, 0))
    terms = (points + np.uint64(1)) * _POWERS[offsets & 63]
    terms[kinds == _SPACE] = 0
    single = np.add.reduceat(terms, starts)
    pairs = single[:-1] * _PAIR + single[1:]
    apart = single[:-2] * _GAP + single[2:]
    return np.concatenate((single, pairs, apart))


def _pieces(points: NDArray[np.uint32], word: NDArray[np.bool_]) -> Points:
    kept = word.copy()
    kept[1:] |= word[:-1]
    line = np.where(word, points, 32)[kept]
    line = np.concatenate((np.array([32], dtype=np.uint64), line.astype(np.uint64)))
    spaces = np.cumsum(line == 32)
    rolling = line
    found = []
    for length in range(2, max(PIECES) + 1):
        if line.size < length:
            break
        rolling = rolling[:-1] * _STEP + line[length - 1 :]
        if length in PIECES:
            inside = spaces[length - 2 : -1] - spaces[: 1 - length]
            found.append(rolling[inside == 0] + np.uint64(length))
    return np.concatenate(found) if found else np.empty(0, dtype=np.uint64)


def _capitals(text: str) -> Points:
    upper = sum(map(str.isupper, text))
    letters = upper + sum(map(str.islower, text)) if upper >= _LETTERS_TO_SHOUT else 0
    return _MARKS[[index for index, share in enumerate(_SHOUTING) if letters and upper / letters >= share]]


def _buckets(hashes: Points, bits: int) -> Buckets:
    found = (((hashes ^ (hashes >> _HALF)) * _MIX) >> np.uint64(64 - bits)).astype(np.int64)
    found.sort()
    fresh = np.empty(found.size, dtype=np.bool_)  # np.unique says the same, three times slower on short arrays
    fresh[:1] = True
    np.not_equal(found[1:], found[:-1], out=fresh[1:])
    return found[fresh]


@cache
def _table() -> NDArray[np.uint8]:
    """Return the kind of every code point of the first plane; beyond it there are mostly emoji, which are symbols."""
    return np.frombuffer(bytes(map(_kind, range(_PLANE))), dtype=np.uint8)


def _kind(point: int) -> int:
    character = chr(point)
    if character in "'’" or unicodedata.category(character)[0] in "LMN":
        return _WORD
    return _SPACE if character.isspace() or not character.isprintable() else _SYMBOL
