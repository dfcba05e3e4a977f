"""Cut a text into windows of tokens that a model can read. Nothing is truncated: windows cover the whole judged part.

A long text is tokenised piece by piece, so that memory stays bounded; pieces and windows overlap, so that no border halves a
phrase.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from guard.text import read

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

PIECE = 16_384
"""Characters that are tokenised at once."""

PIECE_OVERLAP = 512
"""Characters that a piece shows again of the one before it."""

OVERLAP = 64
"""Tokens that a window shows again of the one before it; at most a quarter of the window."""

FEWEST_TOKENS = 8
"""Fewest tokens of the text that a window must have room for."""

_BLANK = re.compile(r"\s")


class Row(NamedTuple):
    """One row of a batch: a window with its special tokens and, for a pair, the second text."""

    ids: Sequence[int]
    types: Sequence[int]


class Cutter:
    """Cuts texts for one model.

    Args:
        tokenizer: Without truncation and padding.
        most: Tokens that a row may have.
        hypotheses: Second texts, each of which is paired with every window; none for a model of single texts.

    Raises:
        ValueError: Where the model leaves no room for the text.
    """

    def __init__(self, tokenizer: Tokenizer, most: int, hypotheses: Sequence[str] = ()) -> None:
        self._tokenizer = tokenizer
        seconds = [tokenizer.encode(text, add_special_tokens=False) for text in hypotheses]
        self._seconds: Sequence[Encoding | None] = seconds or [None]
        longest = max((len(second.ids) for second in seconds), default=0)
        self._room = most - tokenizer.num_special_tokens_to_add(bool(hypotheses)) - longest
        if self._room < FEWEST_TOKENS:
            raise ValueError(f"expected room for {FEWEST_TOKENS} tokens of the text, found {self._room} of {most}")
        self._overlap = min(OVERLAP, self._room // 4)

    def windows(self, text: str, judged_from: int = 0) -> Iterator[list[Row]]:
        """Yield for each window that shows something of the judged part its rows, one for each hypothesis.

        Args:
            judged_from: Offset at which the judged part begins; what stands before it is shown where it fits.
        """
        # the tokenizer takes no lone surrogates; one character stands for one, so that offsets hold
        text, judged_from = canonical(text.encode("utf-8", "replace").decode(), judged_from)
        for start, piece in pieces(text):
            whole = self._tokenizer.encode(piece, add_special_tokens=False)
            whole.truncate(self._room, stride=self._overlap)
            for window in (whole, *whole.overflowing):
                if window.ids and start + window.offsets[-1][1] > judged_from:
                    yield [self._row(window, second) for second in self._seconds]

    def _row(self, window: Encoding, second: Encoding | None) -> Row:
        encoding = self._tokenizer.post_process(window, second, True)
        return Row(encoding.ids, encoding.type_ids)


def canonical(text: str, offset: int) -> tuple[str, int]:
    """Return the canonical view of a text, and where in it the character at `offset` of the text stands."""
    view = read(text, ("canonical",)).views[0]
    return view.text, bisect_left(range(len(view.text)), offset, key=view.origin) if offset else 0


def pieces(text: str) -> Iterator[tuple[int, str]]:
    """Yield stretches of at most `PIECE` characters with their offsets; they overlap, and are cut at blanks where possible."""
    start = 0
    while len(text) - start > PIECE:
        end = start + PIECE
        end = max((blank.start() for blank in _BLANK.finditer(text, end - PIECE_OVERLAP, end)), default=end)
        yield start, text[start:end]
        low = end - PIECE_OVERLAP
        blank = _BLANK.search(text, low, end - PIECE_OVERLAP // 2)
        start = blank.start() if blank else low
    yield start, text[start:]
