"""The stretches of a text that a service is asked about: as long as it takes, overlapping, so that no border halves a phrase."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from guard.text import read
from guard.text.reading import View
from guard.values import Item, Span

SHORTEST = 64
"""Characters below which a piece is not cut any further."""
_MOST_OVERLAP = 200


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the canonical view of an item's text.

    Attributes:
        index: Of its item among those that are judged together.
        start: Where it begins in the view.
    """

    text: str
    item: Item
    index: int
    start: int
    view: View

    def span(self, start: int, end: int) -> Span:
        """Return where `text[start:end]` stands in the item's text."""
        return self.view.span(self.start + start, self.start + end)

    def cut(self, longest: int) -> list[Piece]:
        """Return overlapping pieces of at most `longest` characters that show all of the judged part."""
        judged_from = self.item.judged_from
        first = bisect_left(range(len(self.view.text)), judged_from, key=self.view.origin) if judged_from else 0
        return [
            Piece(self.text[start:end], self.item, self.index, self.start + start, self.view)
            for start, end in _stretches(len(self.text), longest)
            if self.start + end > first and not self.text[start:end].isspace()
        ]


def pieces(index: int, item: Item, longest: int) -> list[Piece]:
    """Return the pieces of an item's text; none where it is blank."""
    view = read(item.text, ("canonical",)).views[0]
    return Piece(view.text, item, index, 0, view).cut(longest)


def _stretches(length: int, longest: int) -> Iterator[tuple[int, int]]:
    overlap = min(_MOST_OVERLAP, longest // 4)
    start = 0
    while start + longest < length:
        yield start, start + longest
        start += longest - overlap
    if length:
        yield start, length
