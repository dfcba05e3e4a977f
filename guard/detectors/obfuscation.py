"""The detector `obfuscation`: text that hides from the other detectors by going beyond what they unwrap.

Marks stacked on one character, encoded runs without end, encodings within encodings: `guard.text` says where.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guard.text import Reading, read
from guard.values import Finding, Item, Location, Match, Needs, PatternReach, Role, Runs, Scan, Span

VERSION = "obfuscation-1"
CATEGORY = "obfuscation"
VIEWS = ("canonical", "decoded")

_INLINE = 1 << 16
_BLOCK = 4096
"""Code points that are read in one step, so that a long text costs no more than its length."""


def make(name: str, _options: Mapping[str, Any]) -> Obfuscation:
    """Return the detector; it has no options."""
    return Obfuscation(name)


@dataclass(frozen=True, slots=True)
class _Mark:
    """Where the next reading begins, how much was read, and what was reported of what is kept."""

    keep: int = 0
    length: int = 0
    open: int = 0
    reported: frozenset[Span] = frozenset()


class Obfuscation:
    """A detector that says where a text exceeds the limits of its views; implements `guard.values.ScanningDetector`."""

    categories = (CATEGORY,)
    version = VERSION
    patterns = ()
    needs = Needs(reach=PatternReach(), views=VIEWS, runs=Runs.INLINE)

    def __init__(self, name: str) -> None:
        self.name = name

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Return where each item exceeds a limit in its judged part."""
        return [self._detect(item) for item in items]

    async def detect_async(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Do the same, in a thread where the texts are long."""
        if sum(len(item.text) for item in items) <= _INLINE:
            return self.detect(items)
        return await asyncio.to_thread(self.detect, items)

    def scan(self, tail: str, base: int, mark: Any, *, final: bool, role: Role, location: Location) -> Scan:  # noqa: ANN401
        """Continue a scan; see `guard.values.ScanningDetector`."""
        state = mark if isinstance(mark, _Mark) else _Mark()
        end = base + len(tail)
        found: list[tuple[int, Span]] = []
        while state.length < end or (final and state.open < end):
            until = min(state.length + _BLOCK, end)
            state = _step(tail[state.keep - base : until - base], state, found, final=final and until == end)
        matches = tuple(Match(Finding(self.name, CATEGORY, 1.0, span, location, role), known) for known, span in found)
        return Scan(matches, state.open, state.keep, state)

    def _detect(self, item: Item) -> list[Finding]:
        scan = self.scan(item.text, 0, None, final=True, role=item.role, location=item.location)
        findings = (match.finding for match in scan.matches)
        return sorted(
            (finding for finding in findings if finding.span and finding.span.end > item.judged_from),
            key=lambda finding: finding.span or Span(0, 0),
        )


def _step(text: str, mark: _Mark, found: list[tuple[int, Span]], *, final: bool) -> _Mark:
    reading = read(text, VIEWS, final=final)
    fresh = [(_known(text, span), span) for span in reading.obfuscated if _moved(span, mark.keep) not in mark.reported]
    found += [(mark.keep + known, _moved(span, mark.keep)) for known, span in sorted(fresh)]
    keep = mark.keep + min(reading.cut, reading.settled)
    kept = {*mark.reported, *(_moved(span, mark.keep) for _, span in fresh)}
    return _Mark(keep, mark.keep + len(text), mark.keep + reading.settled, frozenset(span for span in kept if span.start >= keep))


def _moved(span: Span, by: int) -> Span:
    return Span(span.start + by, span.end + by)


def _known(text: str, span: Span) -> int:
    """Return the shortest length at which the reading of `text` says that a limit is exceeded at `span`."""
    low, high = span.end, len(text)
    while low < high:
        middle = (low + high) // 2
        if _says(read(text[:middle], VIEWS, final=False), span):
            high = middle
        else:
            low = middle + 1
    return high


def _says(reading: Reading, span: Span) -> bool:
    return span in reading.obfuscated
