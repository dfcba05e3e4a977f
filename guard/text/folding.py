"""The folded view: how a reader sees a disguised word.

From the canonical text on: look-alikes and case (`confusables`), letters joined that stand apart ("k i l l", "k.i.l.l"), digits
and signs read as letters within words ("k1ll"), repeated letters squeezed ("kiiiill"). No step reaches across white space but
the joining of spaced letters, which takes at most `SPACED` of them; so a token and a row of single letters is all that can
still change when a text goes on.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import re2

from guard.text.clusters import Clusters
from guard.text.confusables import fold
from guard.text.delimiters import CJK, DELIMITER
from guard.text.mapping import Edit, Edits

SPACED = 64
"""How many spaced letters are joined at most; a longer row is several."""


class Row(NamedTuple):
    """Single letters with one space between each two, in offsets of the text with case and look-alikes folded.

    Attributes:
        needs: How much of that text shows that the row ends at `end`; more than there is where it may go on.
    """

    start: int
    end: int
    needs: int


@dataclass
class Folded:
    """The folded text of clusters, and where its characters came from.

    Attributes:
        read: The text with look-alikes and case folded, before letters are joined.
        letters: The way back from `read` to the canonical text; None where they have the same offsets.
        joins: The way back from the text with letters joined to `read`.
        squeezes: The way back from `text` to the text with letters joined.
    """

    clusters: Clusters
    read: str
    text: str
    letters: Edits | None
    joins: Edits | None
    squeezes: Edits | None

    def start(self, index: int) -> int:
        """Return the source offset at which the unit of character `index` begins."""
        return self.clusters.start(self._canonical_start(self._read_start(index)))

    def end(self, index: int) -> int:
        """Return the source offset at which the unit of character `index` ends."""
        for edits in (self.squeezes, self.joins):
            if edits:
                index = edits.end(index) - 1
        return self.clusters.end(self._canonical_end(index) - 1)

    def known(self, index: int) -> int:
        """Return the shortest length of the source that makes the characters up to and with `index` certain.

        A word is certain with the delimiter after it; a letter that stands alone, with what shows that its row has ended.
        """
        read = self._read_start(index)
        offset = self._canonical_start(read)
        canonical = self.clusters.text
        delimiter = DELIMITER.search(canonical, offset)
        end = delimiter.start() if delimiter else len(canonical) + 1
        word = self.clusters.known_before(max(end, offset + 1))
        row = bisect_right(self.rows, read, key=lambda row: row.start)
        return max(word, self._row_known(self.rows[row - 1])) if row else word

    def _row_known(self, row: Row) -> int:
        if row.needs > len(self.read):
            return len(self.clusters.source) + 1
        return self.clusters.known_before(self._canonical_end(row.needs - 1))

    def row_around(self, offset: int) -> int | None:
        """Return the source offset at which the row begins that reaches over source `offset`, or None."""
        index = bisect_left(self.rows, offset, key=self._row_start) - 1
        if index < 0 or self.clusters.end(self._canonical_end(self.rows[index].end - 1) - 1) <= offset:
            return None
        return self._row_start(self.rows[index])

    def _row_start(self, row: Row) -> int:
        return self.clusters.start(self._canonical_start(row.start))

    @cached_property
    def rows(self) -> Sequence[Row]:
        """All rows of single letters, of one letter too."""
        return [_row(self.read, match) for match in _ROW.finditer(self.read)]

    def _read_start(self, index: int) -> int:
        for edits in (self.squeezes, self.joins):
            if edits:
                index = edits.start(index)
        return index

    def _canonical_start(self, read: int) -> int:
        return self.letters.start(read) if self.letters else read

    def _canonical_end(self, read: int) -> int:
        return self.letters.end(read) if self.letters else read + 1


def fold_clusters(clusters: Clusters) -> Folded:
    """Return the folded text of `clusters` with its map."""
    read, letters = _fold_letters(clusters.text)
    joins = squeezes = None
    if not read.isascii():
        text, joins = _join(read)
        text, squeezes = _squeeze(_read_signs(text))
        return Folded(clusters, read, text, letters, joins, squeezes)
    text = read
    if _APART.search(text.encode()):
        text, joins = _join(text)
    data = text.encode()
    if _SIGNS.search(data):
        text = _read_signs(text)
        data = text.encode()
    if _REPEATED_ASCII.search(data):
        text, squeezes = _squeeze(text)
    return Folded(clusters, read, text, letters, joins, squeezes)


_SIGN_LETTERS = str.maketrans("0134578@$!|€¢", "oieastbasilec")
_LETTER = rf"[^\W\d_{CJK}]"
_ALONE = rf"(?:{_LETTER}|[0134578@$])"

_OPENING = r"""["'(\[{]"""
_ROW = re.compile(rf"(?:(?<!\S)|(?<=\s{_OPENING})|(?<=\A{_OPENING})){_ALONE}(?![^\W_])(?: {_ALONE}(?![^\W_])){{0,{SPACED - 1}}}+")
_ROW_GOES_ON = re.compile(rf"(?: {_ALONE}?)?")
_JOINED_BY_SIGN = re.compile(rf"(?<![^\W_]){_ALONE}([.\-_*,]){_ALONE}(?:\1{_ALONE})+(?![^\W_])")
_APART = re2.compile(
    rb"(?:^|[^0-9a-z])[0-9a-z@$][.\-_*,][0-9a-z@$][.\-_*,][0-9a-z@$]"
    rb"|(?:^|[\x00-\x20])[\"'(\[{]?[0-9a-z@$] [0-9a-z@$] [0-9a-z@$](?:[^0-9a-z]|$)"
)
"""What an ASCII text holds in which letters are joined; the two searches below tell the same of what they are for."""

_WORDLIKE = r"a-z0-9@$!|€¢"
_MIXED = re.compile(rf"(?<![{_WORDLIKE}])(?:[a-z]++[0-9@$!|€¢]|[0-9@$!|€¢]++[a-z])[{_WORDLIKE}]*+")
_SIGNS = re2.compile(rb"[a-z]!*[0-9@$|]|[0-9@$!|][a-z]")

_REPEATED = re.compile(r"([^\W\d_])\1\1+")
_REPEATED_ASCII = re2.compile("|".join(chr(letter) * 3 for letter in range(ord("a"), ord("z") + 1)).encode())


def _fold_letters(text: str) -> tuple[str, Edits | None]:
    if text.isascii():
        return text.lower(), None
    table = {ord(char): fold(char) for char in set(text)}
    uneven = {chr(code) for code, folded in table.items() if len(folded) != 1}
    folded = text.translate(table)
    if not uneven:
        return folded, None
    edits: list[Edit] = []
    for index, char in enumerate(text):
        if char in uneven:
            length = len(table[ord(char)])
            if length or not index:
                edits.append(Edit(index, index + 1, length))
            elif edits and edits[-1].end == index:
                edits[-1] = edits[-1]._replace(end=index + 1)
            else:
                edits.append(Edit(index - 1, index + 1, 1))
    return folded, Edits.of(edits)


def _row(text: str, match: re.Match[str]) -> Row:
    end = match.end()
    goes_on = _ROW_GOES_ON.match(text, end)
    return Row(match.start(), end, (goes_on.end() if goes_on else end) + 1)


def _join(text: str) -> tuple[str, Edits | None]:
    """Take out what stands between single letters; each separator becomes part of the letter before it."""
    rows = [match.span() for pattern in (_ROW, _JOINED_BY_SIGN) for match in pattern.finditer(text) if _spells(match.group())]
    if not rows:
        return text, None
    edits = [Edit(index, index + 2, 1) for start, end in sorted(rows) for index in range(start, end - 1, 2)]
    return _without(text, edits), Edits.of(edits)


def _spells(row: str) -> bool:
    """Return whether single characters with something between them are letters enough to be a word."""
    members = row[::2]
    letters = sum(map(str.isalpha, members))
    return len(members) >= 3 and letters >= 2 and 2 * letters >= len(members)


def _read_signs(text: str) -> str:
    return _MIXED.sub(_letters_for_signs, text)


def _letters_for_signs(word: re.Match[str]) -> str:
    whole = word.group()
    spoken = whole.rstrip("!")
    return spoken.translate(_SIGN_LETTERS) + whole[len(spoken) :]


def _squeeze(text: str) -> tuple[str, Edits | None]:
    """Leave two of each letter that is repeated more often; the second stands for all the others."""
    edits = [Edit(match.start() + 1, match.end(), 1) for match in _REPEATED.finditer(text)]
    return (_without(text, edits), Edits.of(edits)) if edits else (text, None)


def _without(text: str, edits: Sequence[Edit]) -> str:
    """Return the text with each edit's stretch cut down to its first character."""
    pieces = []
    copied = 0
    for start, end, _ in edits:
        pieces.append(text[copied : start + 1])
        copied = end
    pieces.append(text[copied:])
    return "".join(pieces)
