"""One text of a choice while it grows: how much is kept of it, what is open in it, and how far it is clear."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from guard.policy.model import Redactor
from guard.values import Detector, Location, Role, ScanningDetector, Span
from guard.windows import Placement, context_of, place


@dataclass(frozen=True, slots=True)
class Redacted:
    """A span of a track that must not leave as it is."""

    span: Span
    redactor: Redactor
    category: str
    due: int


@dataclass(slots=True)
class Scanning:
    """How far one scanning detector has read a track."""

    detector: ScanningDetector
    holds: bool
    mark: Any = None
    open: int = 0
    keep: int = 0


@dataclass(slots=True)
class Placing:
    """The windows of one detector on one track."""

    detector: Detector
    holds: bool
    blocks: bool
    start: int = 0
    before: int = 0
    pending: dict[int, None] = field(default_factory=dict)
    """Where each window that is not cleared starts, in order."""

    @property
    def cleared(self) -> int:
        """Up to where every window has been judged and nothing in it blocks."""
        return next(iter(self.pending), self.start)


@dataclass(slots=True)
class Track:
    """The text of a track that is still needed, and what its detectors know of it."""

    name: str
    role: Role
    location: Location
    scanning: list[Scanning]
    placing: list[Placing]
    tail: str = ""
    base: int = 0
    arrivals: list[tuple[int, int]] = field(default_factory=list)
    """Pairs (track position, time of the choice) at which a run of this track's text begins."""
    redacted: list[Redacted] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Code points that have come."""
        return self.base + len(self.tail)

    @property
    def limit(self) -> int:
        """How far this track is clear, whatever the others say."""
        open_matches = [scanning.open for scanning in self.scanning if scanning.holds]
        unjudged = [placing.cleared for placing in self.placing if placing.holds]
        return min([self.length, *open_matches, *unjudged])

    @property
    def open_from(self) -> int:
        """Start of the earliest match or window that is open now, all windows that have ended taken as judged."""
        open_matches = [scanning.open for scanning in self.scanning if scanning.holds]
        unended = [placing.start for placing in self.placing if placing.holds]
        return min([self.length, *open_matches, *unended])

    def due(self, position: int) -> int:
        """Return the choice's time at which this track had `position` code points."""
        run = max(0, bisect_left(self.arrivals, position, key=lambda arrival: arrival[0]) - 1)
        start, time = self.arrivals[run]
        return time + position - start

    def forget(self) -> None:
        """Drop the text that no later step needs."""
        needed = [scanning.keep for scanning in self.scanning]
        needed += [placing.start - context_of(placing.detector.needs.reach) for placing in self.placing]
        cut = max(self.base, min([self.length, *needed]))
        self.tail = self.tail[cut - self.base :]
        self.base = cut
        del self.arrivals[: max(0, bisect_left(self.arrivals, cut, key=lambda arrival: arrival[0]) - 1)]


def earliest(track: Track) -> list[tuple[Placing, Placement]]:
    """Return those windows of the track whose end the text tells first, of those whose end it tells already."""
    ended = []
    for placing in track.placing:
        placement = place(placing.detector.needs.reach, track.tail, track.base, placing.start, final=False)
        if placement is not None:
            ended.append((placing, placement))
    first = min((placement.told for _, placement in ended), default=0)
    return [(placing, placement) for placing, placement in ended if placement.told == first]


def outside(redacted: Sequence[Redacted], limit: int) -> int:
    """Return the limit moved back to the start of a redacted span that it would cut in two."""
    while True:
        cut = [entry.span.start for entry in redacted if entry.span.start < limit < entry.span.end]
        if not cut:
            return limit
        limit = min(cut)
