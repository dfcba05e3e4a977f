"""BERT's WordPiece tokeniser in plain Python.

The package `tokenizers` does the same, but would bring a hub client and pydantic into the base install. This gives exactly its
numbers (with `encode_special_tokens`: a `[SEP]` that somebody writes is text, not the end of a text), and with a word's pieces
remembered it is as quick for chat.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path

from guard.detectors.meaning.characters import Characters
from guard.errors import DetectorError
from guard.values import Span

VOCABULARY = Path(__file__).parents[1] / "models" / "wordpiece.txt"
"""The vocabulary of `bert-base-uncased`; its source and licence stand beside it."""
VOCABULARY_SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"

LONGEST_WORD = 100
"""Characters from which on a word is unknown, as in BERT."""
_REMEMBERED = 50_000
_WORD = re.compile("[^ ]+")


@dataclass(frozen=True, slots=True)
class Encoding:
    """A text as a model reads it, without the special tokens around it.

    Attributes:
        ids: The numbers of its pieces.
        spans: For each piece, where it stands in the original text.
    """

    ids: tuple[int, ...]
    spans: tuple[Span, ...]


class WordPiece:
    """A tokeniser for one vocabulary; may be used by many threads at once."""

    def __init__(self, pieces: Sequence[str]) -> None:
        """Take the pieces in the order of their numbers; raises KeyError where one of BERT's special tokens is missing."""
        numbers = {piece: number for number, piece in enumerate(pieces)}
        self.unknown = numbers["[UNK]"]
        self.first = numbers["[CLS]"]
        self.last = numbers["[SEP]"]
        self.padding = numbers["[PAD]"]
        self._lengths = [len(piece.removeprefix("##")) for piece in pieces]
        self._letters = Characters()
        self._words = _Words(numbers, self.unknown)

    def ids(self, text: str) -> list[int]:
        """Return the numbers of the text's pieces, without special tokens."""
        return list(chain.from_iterable(map(self._words.__getitem__, text.translate(self._letters).split())))

    def encode(self, text: str) -> Encoding:
        """Return the text's pieces with their places; several times slower than `ids`."""
        spelled = [self._letters[ord(character)] for character in text]
        origins = [index for index, letters in enumerate(spelled) for _ in letters]
        ids: list[int] = []
        spans: list[Span] = []
        for word in _WORD.finditer("".join(spelled)):
            found = self._words[word[0]]
            ids += found
            spans += (Span(origins[start], origins[end - 1] + 1) for start, end in self._cut(word, found))
        return Encoding(tuple(ids), tuple(spans))

    def windows(self, ids: Sequence[int], most: int, overlap: int = 0) -> list[list[int]]:
        """Return stretches of at most `most` tokens, special ones included, that cover `ids`; neighbours share `overlap`."""
        return [[self.first, *ids[start:end], self.last] for start, end in stretches(len(ids), most - 2, overlap)]

    def _cut(self, word: re.Match[str], ids: Sequence[int]) -> Iterator[tuple[int, int]]:
        start = word.start()
        for number in ids:
            end = word.end() if number == self.unknown else start + self._lengths[number]
            yield start, end
            start = end


def stretches(length: int, size: int, overlap: int = 0) -> list[tuple[int, int]]:
    """Return start and end of stretches of at most `size` that cover `length`; at least one, even of nothing.

    The last one reaches back as far as it may, so that no stretch is a mere rest.
    """
    starts = [*range(0, max(0, length - size), size - overlap), max(0, length - size)]
    return [(start, min(length, start + size)) for start in starts]


@cache
def bert_uncased() -> WordPiece:
    """Return the tokeniser of BERT's uncased English models; one for the process.

    Raises:
        DetectorError: Where the vocabulary is missing or was changed.
    """
    try:
        raw = VOCABULARY.read_bytes()
    except OSError as error:
        raise DetectorError("wordpiece", f"{VOCABULARY} cannot be read ({error.strerror}); reinstall tenet-guard") from error
    found = hashlib.sha256(raw).hexdigest()
    if found != VOCABULARY_SHA256:
        what = f"expected SHA-256 {VOCABULARY_SHA256}, found {found}"
        raise DetectorError("wordpiece", f"{VOCABULARY} was changed: {what}; reinstall tenet-guard")
    return WordPiece(raw.decode().splitlines())


class _Words(dict[str, tuple[int, ...]]):
    """The pieces of each word: the longest that the vocabulary has, from the left."""

    def __init__(self, numbers: dict[str, int], unknown: int) -> None:
        super().__init__()
        self._numbers = numbers
        self._unknown = (unknown,)
        self._longest = max(map(len, numbers))

    def __missing__(self, word: str) -> tuple[int, ...]:
        if len(word) > LONGEST_WORD:
            return self._unknown
        if len(self) >= _REMEMBERED:
            self.clear()
        found = self[word] = self._pieces(word)
        return found

    def _pieces(self, word: str) -> tuple[int, ...]:
        found = []
        start = 0
        while start < len(word):
            prefix = "##" if start else ""
            for end in range(min(len(word), start + self._longest), start, -1):
                number = self._numbers.get(prefix + word[start:end])
                if number is not None:
                    break
            else:
                return self._unknown
            found.append(number)
            start = end
        return tuple(found)
