"""Follow a growing text with many patterns: what is found, what is certain, and what must still be held.

Everything a scan says is a function of the text, never of the pieces in which it came: a match is known at the shortest
text that makes it certain, and the text is held from where the earliest match under way begins. A whole text is
scanned by the same steps, so both find the same.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from guard.detectors.matching import Compiled, Encoded, Hit, Matcher, Pattern, Progress, check
from guard.text import Reading, View, read
from guard.values import Finding, Item, Location, Match, Needs, PatternReach, Role, Runs, Scan, Span

__all__ = ["Pattern", "PatternScanner", "check"]

_INLINE = 1 << 16
"""Code points up to which a batch is judged in the event loop: some tens of microseconds a kilobyte."""

_REREAD = 256
"""Held code points from which it pays to read them again in order to find where a later step may begin."""

_SEGMENTS = "decoded"
_START = Progress()


class _Found(NamedTuple):
    known: int
    span: Span
    category: str
    score: float


@dataclass(frozen=True, slots=True)
class _Mark:
    """What one step leaves to the next.

    Attributes:
        keep: Where the next step's reading begins.
        length: How much of the track has been read.
        due: The next length at which a match under way may have outgrown the reach; never stepped over.
        progress: For each view, how far its patterns have come, in characters of the reading.
        reported: What was found in the text that is still kept.
    """

    keep: int = 0
    length: int = 0
    open: int = 0
    due: int = 0
    progress: Mapping[str, Progress] = field(default_factory=dict)
    reported: frozenset[tuple[Span, str, float]] = frozenset()


class PatternScanner:
    """A detector that looks for patterns; implements `guard.values.ScanningDetector`."""

    def __init__(
        self, name: str, patterns: Sequence[Pattern], version: str, *, longest: int = 4096, runs: Runs = Runs.INLINE
    ) -> None:
        """Compile the patterns.

        Args:
            longest: Code points after which a match under way counts as a match, so that no text is held forever.

        Raises:
            ValueError: Where there is no pattern, or one that is not of RE2's syntax. For patterns that are not the program's
                own, see `check`.
        """
        if not patterns:
            raise ValueError("expected at least one pattern")
        self.name = name
        self.version = version
        self.patterns = tuple(patterns)
        self._longest = longest
        self._views = tuple(dict.fromkeys(view for pattern in patterns for view in pattern.views))
        self._lenses = _lenses([Compiled(pattern) for pattern in patterns], self._views)
        self.needs = Needs(reach=PatternReach(longest), views=self._views, runs=runs)
        self.categories = tuple(dict.fromkeys(pattern.category for pattern in patterns))

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Return the findings of each item that reach into its judged part, by span."""
        return [self._detect(item) for item in items]

    async def detect_async(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Do the same, in a thread where the texts are long."""
        if sum(len(item.text) for item in items) <= _INLINE:
            return self.detect(items)
        return await asyncio.to_thread(self.detect, items)

    def scan(self, tail: str, base: int, mark: Any, *, final: bool, role: Role, location: Location) -> Scan:  # noqa: ANN401
        """Continue a scan; see `guard.values.ScanningDetector`."""
        state = mark if isinstance(mark, _Mark) else _Mark(due=self._longest + 1)
        end = base + len(tail)
        found: list[_Found] = []
        while state.due <= end:
            state = self._step(tail[state.keep - base : state.due - base], state, found)
        if final:
            state = self._last(tail[state.keep - base :], state, found)
        elif state.length < end:
            state = self._step(tail[state.keep - base :], state, found)
        matches = tuple(
            Match(Finding(self.name, each.category, each.score, each.span, location, role), each.known) for each in found
        )
        return Scan(matches, state.open, state.keep, state)

    def _detect(self, item: Item) -> list[Finding]:
        found: list[_Found] = []
        state = _Mark(due=self._longest + 1)
        while state.due <= len(item.text):
            state = self._step(item.text[state.keep : state.due], state, found)
        self._last(item.text[state.keep :], state, found, dated=False)
        return [
            Finding(self.name, each.category, each.score, each.span, item.location, item.role)
            for each in sorted(found, key=lambda each: (each.span, each.category, each.score))
            if each.span.end > item.judged_from
        ]

    def _step(self, text: str, mark: _Mark, found: list[_Found]) -> _Mark:
        """Read `text`, the track from `mark.keep` up to at most `mark.due`; append what is newly certain."""
        reading = read(text, self._views, final=False)
        base, length = mark.keep, mark.keep + len(text)
        fresh: list[_Found] = []
        progress: dict[str, Progress] = {}
        opened = reading.settled
        for view in reading.views:
            lens = self._lenses[view.name]
            if view.name == _SEGMENTS:
                fresh += lens.segment(view, base)
                continue
            come = lens.follow(view, base, mark.progress.get(view.name, _START), fresh)
            if len(text) - view.origin(come.floor) > self._longest:
                come = lens.outgrow(view, base, length, self._longest, come, fresh)
            progress[view.name] = come
            opened = min(opened, view.origin(come.floor))
        keep = self._keep(text, reading, opened, mark.keep)
        reported = _report(fresh, mark.reported, found)
        return _Mark(
            keep=mark.keep + keep,
            length=length,
            open=mark.keep + opened,
            due=max(mark.keep + opened + self._longest, length) + 1,
            progress=_shifted(reading.views, progress, keep),
            reported=frozenset(each for each in reported if each[0].start >= mark.keep + keep),
        )

    def _last(self, text: str, mark: _Mark, found: list[_Found], *, dated: bool = True) -> _Mark:
        """Read the end of the track; append what only the end made certain, and what came with it."""
        reading = read(text, self._views, final=True)
        length = mark.keep + len(text)
        fresh: list[_Found] = []
        for view in reading.views:
            lens = self._lenses[view.name]
            if view.name == _SEGMENTS:
                fresh += lens.segment(view, mark.keep)
            else:
                fresh += lens.finish(view, mark.keep, mark.progress.get(view.name, _START), length, dated=dated)
        _report(fresh, mark.reported, found)
        return replace(mark, length=length, open=length, keep=length, due=length + 1, progress={}, reported=frozenset())

    def _keep(self, text: str, reading: Reading, opened: int, base: int) -> int:
        """Return the last place not after `opened` where the next step's reading may begin.

        It leaves a character before what is open, so that assertions find their context.
        """
        if reading.cut < opened:
            return reading.cut
        if opened == 0 or (self._views != ("raw",) and opened < _REREAD):
            return 0
        return read(text[: opened - 1], self._views, final=False).cut


class _Lens:
    """The patterns that are looked for in one view.

    `base` is where the view's reading begins in the track; where it is not 0, the first character is context.
    """

    def __init__(self, patterns: Sequence[Compiled]) -> None:
        self._patterns = [one.pattern for one in patterns]
        self._matcher = Matcher(patterns)

    def follow(self, view: View, base: int, progress: Progress, fresh: list[_Found]) -> Progress:
        """Append what is certain; return the progress, whose floor is where the first match under way begins."""
        text = Encoded(view.text[: view.settled])
        hits, under = self._matcher.certain(text, _behind_context(progress, base, text))
        for hit in hits:
            fresh += self._found(view, base, hit, base + view.known(hit.known or text.length))
        return Progress(under, {**progress.starts, **{hit.pattern: hit.end for hit in hits}})

    def outgrow(self, view: View, base: int, length: int, longest: int, progress: Progress, fresh: list[_Found]) -> Progress:
        """Take what is longer under way than `longest`, now that `length` is read, as matches; return the progress."""
        text = Encoded(view.text[: view.settled])
        first = text.length
        starts = dict(progress.starts)
        for number, under in enumerate(self._matcher.under_way(text, _behind_context(progress, base, text))):
            if under < text.length and length - base - view.origin(under) > longest:
                starts[number] = text.length
                fresh += self._found(view, base, Hit(number, text.length, ((under, text.length),), None), length)
            else:
                first = min(first, under)
        return Progress(first, starts)

    def finish(self, view: View, base: int, progress: Progress, length: int, *, dated: bool) -> list[_Found]:
        """Return what is found in a view that ends here, with `length`; when it was known is worked out where `dated`."""
        text = Encoded(view.text)
        found: list[_Found] = []
        for hit in self._matcher.final(text, _behind_context(progress, base, text), dated=dated):
            found += self._found(view, base, hit, length if hit.known is None else base + view.known(hit.known))
        return found

    def segment(self, view: View, base: int) -> list[_Found]:
        """Return what is found in a decoded text, which is there as soon as the whole of it is certain."""
        known = base + view.known(len(view.text))
        found: list[_Found] = []
        for hit in self._matcher.final(Encoded(view.text), _START, dated=False):
            found += self._found(view, base, hit, known)
        return found

    def _found(self, view: View, base: int, hit: Hit, known: int) -> Iterator[_Found]:
        pattern = self._patterns[hit.pattern]
        for start, end in hit.spans:
            first, last = view.span(start, end)
            yield _Found(known, Span(base + first, base + last), pattern.category, pattern.score)


def _lenses(patterns: Sequence[Compiled], views: Iterable[str]) -> dict[str, _Lens]:
    """Return a lens for each view; views with the same patterns share one."""
    lenses: dict[tuple[int, ...], _Lens] = {}
    chosen = {}
    for view in views:
        numbers = tuple(number for number, one in enumerate(patterns) if view in one.pattern.views)
        if numbers not in lenses:
            lenses[numbers] = _Lens([patterns[number] for number in numbers])
        chosen[view] = lenses[numbers]
    return chosen


def _behind_context(progress: Progress, base: int, text: Encoded) -> Progress:
    return progress if progress.floor or not base else replace(progress, floor=min(1, text.length))


def _shifted(views: Iterable[View], progress: Mapping[str, Progress], keep: int) -> Mapping[str, Progress]:
    """Return `progress` for a reading that begins at `keep`, without what need not be remembered."""
    shifted = {}
    for view in views:
        if view.name in progress:
            come = progress[view.name]
            gone = bisect_left(range(len(view.text)), keep, key=view.origin) if keep else 0
            starts = {number: start - gone for number, start in come.starts.items() if start > come.floor}
            shifted[view.name] = Progress(come.floor - gone, starts)
    return shifted


def _report(
    fresh: list[_Found], reported: frozenset[tuple[Span, str, float]], found: list[_Found]
) -> set[tuple[Span, str, float]]:
    """Append to `found` what was not reported before, each thing once, by the length that makes it known."""
    seen = set(reported)
    for each in sorted(fresh):
        key = (each.span, each.category, each.score)
        if key not in seen:
            seen.add(key)
            found.append(each)
    return seen
