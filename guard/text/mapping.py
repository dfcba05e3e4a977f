"""Where the characters of an edited text came from."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from guard.values import Span


class Origins(Protocol):
    """Says of each character of a view where it came from and when it is certain.

    A position `known` is a length of the source: the shortest prefix that makes the character certain, at most one more than
    the source's length, which means that the source does not tell yet.
    """

    def start(self, index: int) -> int:
        """Return the source offset at which the unit of character `index` begins."""
        ...

    def end(self, index: int) -> int:
        """Return the source offset at which the unit of character `index` ends."""
        ...

    def known(self, index: int) -> int:
        """Return the shortest length of the source that makes the characters up to and with `index` certain."""
        ...


class Edit(NamedTuple):
    """A stretch of the source that became `length` characters of the target, as one unit."""

    start: int
    end: int
    length: int


@dataclass(frozen=True, slots=True)
class Edits:
    """Which stretches of a source became which stretches of a target; everything between them was copied."""

    source_starts: Sequence[int]
    source_ends: Sequence[int]
    target_starts: Sequence[int]
    target_ends: Sequence[int]

    @classmethod
    def of(cls, edits: Iterable[Edit]) -> Edits:
        """Build the map from edits in the order of the source."""
        source_starts, source_ends, target_starts, target_ends = [], [], [], []
        shift = 0
        for start, end, length in edits:
            source_starts.append(start)
            source_ends.append(end)
            target_starts.append(start + shift)
            target_ends.append(start + shift + length)
            shift += length - (end - start)
        return cls(source_starts, source_ends, target_starts, target_ends)

    def start(self, index: int) -> int:
        """Return the source offset at which the unit of target character `index` begins."""
        unit = bisect_right(self.target_ends, index)
        if unit < len(self.target_starts) and self.target_starts[unit] <= index:
            return self.source_starts[unit]
        return index + self._shift(unit)

    def end(self, index: int) -> int:
        """Return the source offset at which the unit of target character `index` ends."""
        unit = bisect_right(self.target_ends, index)
        if unit < len(self.target_starts) and self.target_starts[unit] <= index:
            return self.source_ends[unit]
        return index + 1 + self._shift(unit)

    def target(self, offset: int) -> int:
        """Return the index of the first target character that came from source `offset` or after it."""
        unit = bisect_right(self.source_ends, offset)
        if unit < len(self.source_starts) and self.source_starts[unit] <= offset:
            return self.target_starts[unit]
        return offset - self._shift(unit)

    def _shift(self, unit: int) -> int:
        """Return what to add to a target offset that lies between the edits `unit - 1` and `unit`."""
        return self.source_ends[unit - 1] - self.target_ends[unit - 1] if unit else 0


@dataclass(frozen=True, slots=True)
class Itself:
    """The origins of a text that is its own source."""

    def start(self, index: int) -> int:
        """Return `index`."""
        return index

    def end(self, index: int) -> int:
        """Return the offset behind `index`."""
        return index + 1

    def known(self, index: int) -> int:
        """Return the length that has the character."""
        return index + 1


@dataclass(frozen=True, slots=True)
class Whole:
    """The origins of a decoded text: every character came from the whole encoded run."""

    span: Span
    certain: int

    def start(self, index: int) -> int:
        """Return where the run begins."""
        return self.span.start

    def end(self, index: int) -> int:
        """Return where the run ends."""
        return self.span.end

    def known(self, index: int) -> int:
        """Return the length of the source that settles the run."""
        return self.certain


class Part(NamedTuple):
    """The origins of a piece of a view that begins at `target`, its source at `source`."""

    target: int
    source: int
    origins: Origins


@dataclass(frozen=True, slots=True)
class Parts:
    """The origins of a view that was read in pieces."""

    parts: Sequence[Part]

    def start(self, index: int) -> int:
        """Return the source offset at which the unit of character `index` begins."""
        target, source, origins = self._part(index)
        return source + origins.start(index - target)

    def end(self, index: int) -> int:
        """Return the source offset at which the unit of character `index` ends."""
        target, source, origins = self._part(index)
        return source + origins.end(index - target)

    def known(self, index: int) -> int:
        """Return the shortest length of the source that makes the characters up to and with `index` certain."""
        target, source, origins = self._part(index)
        return source + origins.known(index - target)

    def _part(self, index: int) -> Part:
        return self.parts[bisect_right(self.parts, index, key=lambda part: part.target) - 1]
