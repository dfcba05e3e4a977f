r"""Match many patterns at once against a text that may still grow, in time linear in the text.

A set of all patterns says which of them match at all; only those are run one by one. Whether a match can still change
is read off the pattern that may stop at the end of the text (see `guard.detectors.beginnings`): what it finds before
that end is certain, what it finds there is under way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import re2

from guard.detectors.beginnings import beginnings, can_be_empty, loosened, stoppable
from guard.detectors.expressions import compiled, options

_TRIES = 8
_SHORT = 256
"""Starts that may fail before shorter data is tried, and how much shorter, in bytes."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """What to look for, in RE2's syntax.

    Bound what is repeated (`{1,64}` rather than `+`) where a match may start anywhere: a match under way longer than
    the scanner's reach counts as a match.

    Attributes:
        group: Number of the group whose span is the finding; 0 is the whole match.
        views: Names of the views of `guard.text` that it is looked for in.
        accept: Says which parts of the matched text (the group's) are findings; it should retry from later positions
            and shorter lengths before it refuses. None takes the match as it is.
    """

    expression: str
    category: str
    score: float = 1.0
    group: int = 0
    views: tuple[str, ...] = ("raw",)
    accept: Callable[[str], Sequence[tuple[int, int]]] | None = None


class Encoded:
    """A text in UTF-8, as RE2 reads it, with both maps of offsets. Lone surrogates read as question marks."""

    __slots__ = ("_ascii", "data", "length")

    def __init__(self, text: str) -> None:
        self._ascii = text.isascii()
        self.length = len(text)
        self.data = text.encode("utf-8", "replace")

    def index(self, offset: int) -> int:
        """Return the number of characters before a byte offset."""
        return offset if self._ascii else len(self.data[:offset].decode())

    def offset(self, index: int) -> int:
        """Return the byte offset of a character."""
        return index if self._ascii else len(self.data.decode()[:index].encode())


class Hit(NamedTuple):
    """A match of a pattern, in characters of the text it was found in.

    Attributes:
        pattern: Index of the pattern.
        end: Where the next match of the pattern may begin.
        spans: What the pattern finds there, after its `accept`; may be none.
        known: How many characters make the match certain; None where only the end of the text does.
    """

    pattern: int
    end: int
    spans: tuple[tuple[int, int], ...]
    known: int | None


@dataclass(frozen=True, slots=True)
class Progress:
    """From which characters on patterns are looked for.

    Attributes:
        floor: What stands before it is context, or is known to begin no match.
        starts: Where patterns that matched go on, if that is later.
    """

    floor: int = 0
    starts: Mapping[int, int] = field(default_factory=dict)

    def of(self, pattern: int) -> int:
        """Return from which character on the pattern is looked for."""
        return max(self.floor, self.starts.get(pattern, 0))


def check(pattern: Pattern) -> None:
    """Compile a pattern to see whether it can be used.

    Raises:
        ValueError: Where it is not of RE2's syntax, can match nothing, or has no such group; says why.
    """
    groups = compiled(pattern.expression, captures=True).groups
    if can_be_empty(pattern.expression):
        raise ValueError("it can match nothing at all, so it would match everywhere")
    if pattern.group > groups:
        raise ValueError(f"it has no group {pattern.group}")


class Compiled:
    """One pattern, compiled as far as it was needed."""

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern

    @cached_property
    def whole(self) -> Any:  # noqa: ANN401
        """The pattern itself."""
        return compiled(self.pattern.expression, captures=self.pattern.group > 0)

    @cached_property
    def _stoppable(self) -> Any:  # noqa: ANN401
        return compiled(stoppable(self.pattern.expression), captures=self.pattern.group > 0)

    @cached_property
    def _perhaps(self) -> Any:  # noqa: ANN401
        return compiled(beginnings(loosened(self.pattern.expression)))

    def next(self, data: bytes, position: int) -> Any:  # noqa: ANN401
        """Return the first match from `position` on that is certain, or if it ends with the data, under way; None if none."""
        whole = self.whole.search(data, position)
        complete = whole.start() if whole else len(data)
        start = min(complete, _first(self._perhaps, self._stoppable, data, position))
        return self._stoppable.match(data, start) if start < len(data) else None

    def hit(self, number: int, text: Encoded, match: Any, known: int | None) -> Hit:  # noqa: ANN401
        """Return a match of the pattern, which has this number among others, as a hit."""
        return Hit(number, text.index(match.end()), self._spans(text, match), known)

    def known(self, text: Encoded, position: int, match: Any, least: int) -> int | None:  # noqa: ANN401
        """Return the fewest characters, at least `least`, that make a match found from `position` certain."""
        low = max(text.index(match.end()) + 1, least)
        length = text.length
        if low > length or not self._stands(text, position, match, length):
            return None
        step = 1
        high = low
        while high < length and not self._stands(text, position, match, high):
            low, high, step = high + 1, min(high + step, length), step * 2
        while low < high:
            middle = (low + high) // 2
            if self._stands(text, position, match, middle):
                high = middle
            else:
                low = middle + 1
        return high

    def _stands(self, text: Encoded, position: int, match: Any, length: int) -> bool:  # noqa: ANN401
        end = text.offset(length)
        found = self.next(text.data[:end], position)
        return bool(found and found.end() < end and found.span() == match.span())

    def _spans(self, text: Encoded, match: Any) -> tuple[tuple[int, int], ...]:  # noqa: ANN401
        start, end = match.span(self.pattern.group)
        if start == end:
            return ()
        first = text.index(start)
        if self.pattern.accept is None:
            return ((first, text.index(end)),)
        return tuple((first + low, first + high) for low, high in self.pattern.accept(text.data[start:end].decode()))


class Matcher:
    """Patterns to be looked for together."""

    def __init__(self, patterns: Sequence[Compiled]) -> None:
        """Compile what every text needs; the rest is compiled when it is first needed.

        Raises:
            ValueError: Where a pattern is not of RE2's syntax. What `check` says besides is not looked for.
        """
        self._patterns = patterns
        self._set = re2.Set.SearchSet(options())
        for one in patterns:
            try:
                self._set.Add(one.pattern.expression)
            except re2.error:
                check(one.pattern)
                raise
        # A set that runs out of memory answers "nothing"; this one always matches, so that its absence tells.
        self._sentinel = self._set.Add("")
        self._set.Compile()

    @cached_property
    def _perhaps(self) -> Any:  # noqa: ANN401
        return compiled("|".join(beginnings(loosened(one.pattern.expression)) for one in self._patterns))

    @cached_property
    def _surely(self) -> Any:  # noqa: ANN401
        return compiled("|".join(beginnings(one.pattern.expression) for one in self._patterns))

    def certain(self, text: Encoded, progress: Progress) -> tuple[list[Hit], int]:
        """Return the matches that no continuation of `text` can change, and where the first match under way begins.

        Returns:
            The second value is the length of the text where nothing is under way.
        """
        hits: list[Hit] = []
        candidates = self._candidates(text.data)
        under = text.length
        for number in candidates:
            under = min(under, self._follow(number, text, progress.of(number), hits))
        first = text.index(_first(self._perhaps, self._surely, text.data, text.offset(progress.floor)))
        if first >= under:
            return hits, under
        if not candidates and first >= max(progress.starts.values(), default=0):
            return hits, first
        others = (number for number in range(len(self._patterns)) if number not in candidates)
        return hits, min([under, *(self._follow(number, text, progress.of(number), hits) for number in others)])

    def under_way(self, text: Encoded, progress: Progress) -> list[int]:
        """Return for every pattern where its match under way begins; the length of the text where none is."""
        return [self._follow(number, text, progress.of(number), []) for number in range(len(self._patterns))]

    def final(self, text: Encoded, progress: Progress, *, dated: bool) -> list[Hit]:
        """Return the matches in a text that has ended; `known` is worked out only where `dated`."""
        hits = []
        for number in self._candidates(text.data):
            one = self._patterns[number]
            position = text.offset(progress.of(number))
            known: int | None = 0
            while position < len(text.data) and (match := one.whole.search(text.data, position)):
                known = one.known(text, position, match, known) if dated and known is not None else None
                hits.append(one.hit(number, text, match, known))
                position = max(match.end(), _after(text.data, match.start()))
        return hits

    def _candidates(self, data: bytes) -> Sequence[int]:
        found = self._set.Match(data) or ()
        if self._sentinel not in found:
            return range(len(self._patterns))
        return sorted(number for number in found if number != self._sentinel)

    def _follow(self, number: int, text: Encoded, start: int, hits: list[Hit]) -> int:
        """Append the certain matches of a pattern from `start` on; return where its match under way begins."""
        one = self._patterns[number]
        position = text.offset(start)
        known = 0
        while (match := one.next(text.data, position)) and match.end() < len(text.data):
            known = one.known(text, position, match, known) or text.length
            hits.append(one.hit(number, text, match, known))
            position = max(match.end(), _after(text.data, match.start()))
        return text.index(match.start()) if match else text.length


def _first(perhaps: Any, surely: Any, data: bytes, position: int) -> int:  # noqa: ANN401
    """Return where the first match under way begins from `position` on; the data's length where none is.

    Where many a start that is perhaps one proves to be none, the question is put for shorter data first: what is no
    beginning there is none here, and there it costs less to see.
    """
    tries = 0
    while (start := int(perhaps.search(data, position).start())) < len(data) and not surely.match(data, start):
        position = _after(data, start)
        tries += 1
        if tries == _TRIES and len(data) - position > 2 * _SHORT:
            position = _first(perhaps, surely, data[: _after(data, position + _SHORT)], position)
            tries = 0
    return start


def _after(data: bytes, start: int) -> int:
    """Return the offset of the character after the one at `start`."""
    start += 1
    while start < len(data) and data[start] & 0xC0 == 0x80:
        start += 1
    return start
