"""How surprising the letters of a word are, to who has seen words of some forty languages in Latin script.

A table of letter triples, of one byte each: `letters.bin` holds -16 ln P(third | first two) for the border of a word and the
letters a to z, in that order. Diacritics are taken off before; `benchmarks/letters.py` made the table.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from math import log
from pathlib import Path

SIGNS = 27
"""The border of a word, and 26 letters."""

SCALE = 16
"""What one nat is worth in the table."""

TABLE = Path(__file__).parent / "letters.bin"

_SPELLED = str.maketrans(
    {"ß": "ss", "ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d", "ħ": "h", "ə": "e", "ŋ": "ng"}
)


@lru_cache(maxsize=1 << 14)
def surprise(word: str) -> float | None:
    """Return the mean surprise of the letters of `word` in nats (2.3 in words, 5 in random letters); None in other scripts."""
    plain = spelled(word)
    if not plain.isascii() or not plain.isalpha():
        return None
    table, total = _table(), 0
    first = second = 0
    for char in (*plain, "`"):
        third = ord(char) - 96
        total += table[(first * SIGNS + second) * SIGNS + third]
        first, second = second, third
    return total / SCALE / (len(plain) + 1)


def spelled(word: str) -> str:
    """Return `word` in small letters without diacritics."""
    decomposed = unicodedata.normalize("NFD", word.lower().translate(_SPELLED))
    return "".join([char for char in decomposed if not unicodedata.combining(char)])


def learned(*languages: Mapping[str, float]) -> bytes:
    """Return a table from words with their weights; each of `languages` counts as much as another.

    Triples that were not seen are guessed from pairs (with the weight of eight in a hundred thousand).
    """
    counts = [0.0] * SIGNS**3
    for words in languages:
        triples = [(triple, weight) for word, weight in words.items() for triple in _triples(word)]
        total = sum(weight for _, weight in triples)
        for triple, weight in triples:
            counts[triple] += 1e5 * weight / total
    pairs = [sum(counts[pair :: SIGNS**2]) + 0.5 for pair in range(SIGNS**2)]
    table = bytearray()
    for context in range(SIGNS**2):
        row = counts[context * SIGNS : (context + 1) * SIGNS]
        guess = pairs[context % SIGNS * SIGNS : (context % SIGNS + 1) * SIGNS]
        for count, pair in zip(row, guess, strict=True):
            chance = (count + 8 * pair / sum(guess)) / (sum(row) + 8)
            table.append(min(255, round(-SCALE * log(chance))))
    return bytes(table)


def _triples(word: str) -> Iterable[int]:
    signs = [0, 0, *(ord(char) - 96 for char in word), 0]
    return [(a * SIGNS + b) * SIGNS + c for a, b, c in zip(signs, signs[1:], signs[2:], strict=False)]


@cache
def _table() -> bytes:
    return TABLE.read_bytes()
