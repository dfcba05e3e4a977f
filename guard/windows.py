"""Where the windows of a growing text end. Placed by the text alone, never by arrival or a timer."""

from __future__ import annotations

import re
from typing import NamedTuple

from guard.values import Finding, Reach, Span, SpansReach, WindowReach

_SENTENCE_END = re.compile(r"[.!?…][\"'”’)\]]*\s|[。！？]|\n")


class Placement(NamedTuple):
    """A window of a text: what is judged, what is shown, what is clear once it has been judged.

    Attributes:
        start: Where the judged part begins; the last window's `resume`.
        end: Where it ends.
        shown_from: Where the context before it begins.
        resume: Where the next window begins, and up to where this one can clear the text.
        told: The shortest length of the text that tells where this window ends.
    """

    start: int
    end: int
    shown_from: int
    resume: int
    told: int


def place(reach: Reach, tail: str, base: int, start: int, *, final: bool) -> Placement | None:
    """Return the window that begins at `start`, or None while the text does not tell yet where it ends.

    Args:
        reach: Of the detector; not a `PatternReach`.
        tail: The text from offset `base` on.
        base: Offset of `tail`.
        start: Offset at which the window begins.
        final: Whether the text ends with `tail`.
    """
    length = base + len(tail)
    match reach:
        case WindowReach(after, most, context):
            ending = _sentence_end(tail, start - base, after, most, final=final)
            if ending is None:
                return None
            end, told = (base + index for index in ending)
            return Placement(start, end, max(base, start - context), end, told)
        case SpansReach(overlap, size):
            end = min(start + size, length)
            if end - start < size and not (final and end > start):
                return None
            last = final and end == length
            return Placement(start, end, start, end if last else end - overlap, end)
        case _:
            return Placement(start, length, start, length, length) if final and length > start else None


def context_of(reach: Reach) -> int:
    """Return how much text before its start a window wants to see, in code points."""
    return reach.context if isinstance(reach, WindowReach) else 0


def decided(reach: Reach, findings: list[Finding], before: int, window: Placement, length: int | None) -> list[Finding]:
    """Return those findings that this window decides; the others belong to a neighbour.

    Only windows that overlap share findings: each decides those that end in its own stretch, which reaches from the middle of
    the overlap before it to the middle of the overlap after it. A finding too long for the overlap is decided where it is seen.

    Args:
        before: Where the last window's stretch ended; 0 for the first.
        length: The text's length if this is its last window, else None.
    """
    if not isinstance(reach, SpansReach):
        return findings
    stretch_end = window.end if length == window.end else window.end - reach.overlap // 2
    kept = []
    for finding in findings:
        span = finding.span or Span(window.start, window.end)
        too_long = span.end > stretch_end and span.start < window.resume
        if before < span.end <= stretch_end or too_long:
            kept.append(finding)
    return kept


def _sentence_end(tail: str, start: int, after: int, most: int, *, final: bool) -> tuple[int, int] | None:
    """Return where the window that starts at index `start` of `tail` ends, and how much of `tail` tells it."""
    limit = start + most
    found = _SENTENCE_END.search(tail, start + after, limit)
    if found:
        return found.end(), found.end()
    if len(tail) >= limit:
        return _last_space(tail, start + after, limit) or limit, limit
    return (len(tail), len(tail)) if final and len(tail) > start else None


def _last_space(tail: str, low: int, high: int) -> int | None:
    return next((index + 1 for index in range(high - 1, low - 1, -1) if tail[index].isspace()), None)
