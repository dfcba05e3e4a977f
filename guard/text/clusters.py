"""The canonical view: clusters normalised, invisible characters removed, HTML entities decoded.

A text is read left to right as atoms: an HTML entity or one character. A cluster is an atom with all that extends it: combining
marks, variation selectors, joiners, conjoining jamo, anything invisible. Each cluster is put into NFKC by itself (for what
composes across no cluster border that is NFKC of the text), so a change never reaches beyond the cluster it stands in.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from html import unescape
from html.entities import html5

from guard.text.mapping import Edit, Edits
from guard.values import Span

MARKS = 30
"""How many combining marks one character may bear; the Stream-Safe Text Format of UAX #15 has the same number."""


class Atom(IntEnum):
    """What a character does to the cluster before it."""

    PLAIN = 0
    """Begins a cluster and stays as it is."""
    FOLDS = 1
    """Begins a cluster and changes under NFKC."""
    MARK = 2
    """Extends a cluster."""
    INVISIBLE = 3
    """Extends a cluster and is removed."""


@dataclass(slots=True)
class Clusters:
    """The canonical text of a source, and where each of its clusters came from.

    Attributes:
        decided: For each edit, the shortest length of the source that makes its first atom, and all before it, certain.
        stacks: Clusters with more marks than `MARKS`.
    """

    source: str
    text: str
    edits: Edits | None = None
    decided: Sequence[int] = ()
    stacks: Sequence[Span] = ()

    def start(self, index: int) -> int:
        """Return the source offset at which the cluster of character `index` begins."""
        return self.edits.start(index) if self.edits else index

    def end(self, index: int) -> int:
        """Return the source offset at which the cluster of character `index` ends."""
        return self.edits.end(index) if self.edits else index + 1

    def known(self, index: int) -> int:
        """Return the shortest length of the source that makes the characters up to and with `index` certain.

        A cluster is certain as soon as the atom after it is.
        """
        return self.closed(self.end(index))

    def closed(self, offset: int) -> int:
        """Return the shortest length of the source that shows that a cluster ends at `offset`."""
        if not self.edits:
            return offset + 1
        after = bisect_left(self.edits.source_starts, offset)
        if after < len(self.decided) and self.edits.source_starts[after] == offset:
            return self.decided[after]
        return max(offset + 1, self.decided[after - 1]) if after else offset + 1

    def known_before(self, end: int) -> int:
        """Return the shortest length of the source that makes the characters before `end` certain, which may be past the end."""
        if end > len(self.text):
            return len(self.source) + 1
        return self.known(end - 1) if end else 0

    def settled(self) -> int:
        """Return how many characters no continuation of the source can change."""
        if not self.edits:
            return max(0, len(self.text) - 1)
        return bisect_right(range(len(self.text)), len(self.source), key=self.known)


def cluster(source: str) -> Clusters:
    """Return the canonical text of `source` with its map."""
    remarkable = _remarkable(source)
    if not remarkable:
        return Clusters(source, source)
    builder = _Builder(source)
    for start in remarkable:
        builder.add(start)
    return builder.finish()


@lru_cache(maxsize=8192)
def kind(char: str) -> Atom:
    """Return what `char` does to the cluster before it."""
    category = unicodedata.category(char)
    if char in _INVISIBLE or (category in ("Cf", "Cc") and not char.isspace() and char not in _VISIBLE_FORMAT):
        return Atom.INVISIBLE
    first = unicodedata.normalize("NFKD", char)[0]
    if unicodedata.category(first)[0] == "M" or "\u1160" <= first <= "\u11ff" or "\ud7b0" <= first <= "\ud7fb":
        return Atom.MARK
    return Atom.PLAIN if unicodedata.is_normalized("NFKC", char) else Atom.FOLDS


REMARKABLE = r"[^\t-\r\x1c-%'-~]"
"""A character beyond ASCII, an ampersand or a control character."""

_REMARKABLE_ASCII = re.compile(REMARKABLE)

_PLAIN_ASCII = frozenset(char for char in map(chr, range(128)) if not _REMARKABLE_ASCII.match(char))
_ENTITY = re.compile(r"&(?:#[0-9]{1,7};?|#[xX][0-9a-fA-F]{1,6};?|[A-Za-z][A-Za-z0-9]{0,31};)")
_ENTITY_BEGUN = re.compile(r"&(?:#(?:[xX][0-9a-fA-F]{0,6}|[0-9]{0,7})|[A-Za-z][A-Za-z0-9]{0,31})?")

_VISIBLE_FORMAT = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
"""Signs that Unicode counts as format characters although one sees them."""

_INVISIBLE_RANGES = (
    (0x034F, 0x034F),  # combining grapheme joiner
    (0x115F, 0x1160),  # Hangul fillers
    (0x17B4, 0x17B5),  # Khmer inherent vowels
    (0x180B, 0x180F),  # Mongolian variation selectors
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),  # variation selectors
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFF8),
    (0xE0000, 0xE0FFF),  # tags, more variation selectors
)
_INVISIBLE = frozenset(chr(code) for first, last in _INVISIBLE_RANGES for code in range(first, last + 1))
"""What Unicode calls default ignorable, besides the format characters."""


def _remarkable(source: str) -> list[int]:
    """Return the offsets of the characters that are not clusters of their own which stay as they are, and of ampersands."""
    if source.isascii():
        return [match.start() for match in _REMARKABLE_ASCII.finditer(source)]
    chars = {char for char in set(source) - _PLAIN_ASCII if kind(char) or char == "&"}
    return [offset for offset, char in enumerate(source) if char in chars] if chars else []


class _Builder:
    """Collects the clusters that differ from their source, or whose border takes more than one more character to see."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._pieces: list[str] = []
        self._copied = 0
        self._edits: list[Edit] = []
        self._decided: list[int] = []
        self._stacks: list[Span] = []
        self._start = self._end = 0
        self._content: list[str] = []
        self._marks = 0
        self._certain = 0

    def add(self, start: int) -> None:
        """Take the next remarkable character; what lies between two of them is plain."""
        if start < self._end:
            return
        content = self._source[start]
        certain = end = start + 1
        if content == "&":
            content, end, certain = _entity(self._source, start)
        role = kind(content[0]) if content else Atom.INVISIBLE
        if role >= Atom.MARK:
            self._extend(content, role, start, end, certain)
        else:
            self._close()
            self._open(content, start, end, certain)

    def finish(self) -> Clusters:
        """Return the clusters of the whole source."""
        self._close()
        self._pieces.append(self._source[self._copied :])
        return Clusters(self._source, "".join(self._pieces), Edits.of(self._edits), self._decided, self._stacks)

    def _open(self, content: str, start: int, end: int, certain: int) -> None:
        self._start, self._end = start, end
        self._content = [content]
        self._marks = 0
        self._certain = certain

    def _extend(self, content: str, role: Atom, start: int, end: int, certain: int) -> None:
        if self._end != start or not start:
            self._close()
            base = self._source[start - 1] if start else ""
            self._open(base, start - len(base), end, start if base else certain)
        self._end = end
        if role is Atom.MARK:
            self._marks += 1
            if self._marks <= MARKS:
                self._content.append(content)

    def _close(self) -> None:
        """End the cluster under way."""
        start, end = self._start, self._end
        if not end:
            return
        text = _normalised("".join(self._content))
        self._pieces += (self._source[self._copied : start], text)
        self._copied = end
        self._edits.append(Edit(start, end, len(text)))
        self._decided.append(max(self._certain, self._decided[-1] if self._decided else 0))
        if self._marks > MARKS:
            self._stacks.append(Span(start, end))


@lru_cache(maxsize=4096)
def _normalised(content: str) -> str:
    return "".join([char for char in unicodedata.normalize("NFKC", content) if kind(char) is not Atom.INVISIBLE])


def _entity(source: str, start: int) -> tuple[str, int, int]:
    """Read what begins with the ampersand at `start`.

    Returns:
        What it stands for, where it ends, and the shortest length of the source that makes this certain.
    """
    match = _ENTITY.match(source, start)
    if match:
        entity, end = match.group(), match.end()
        if entity[1] == "#":
            return unescape(entity), end, end if entity[-1] == ";" else end + 1
        if entity[1:] in html5:
            return html5[entity[1:]], end, end
    begun = _ENTITY_BEGUN.match(source, start)
    return "&", start + 1, (begun.end() if begun else start + 1) + 1
