"""Cut an answer or a document into its sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

LONGEST = 600
"""Characters from which on a sentence is cut between words."""


class Sentence(NamedTuple):
    """A sentence, and where it stands in its text."""

    start: int
    end: int
    text: str


_END = re.compile(r"[.!?…]+[\"'”’»)\]*_]*(?=\s|$)|[。！？]|[\r\n]+")
_ABBREVIATED = re.compile(
    r"(?:^|[\s(\[\"'“])(?:(?:mr|mrs|ms|dr|prof|st|sr|jr|vs|inc|ltd|co|corp|dept|approx|est|ca|cf|al|gen|col|rev|hon|jan|feb|apr|jun"
    r"|jul|aug|sept?|oct|nov|dec|e\.g|i\.e|u\.k)|(?-i:[A-Z])|(?-i:(?:[A-Z]\.)+[A-Z]))\.$",
    re.IGNORECASE,
)
_BEFORE_NUMBER = re.compile(r"(?:^|[\s(])(?:nos?|figs?|vol|sec|art|pp?)\.$", re.IGNORECASE)
"""Abbreviations if a number follows, and the end of a sentence if not."""
_PERHAPS_LAST = re.compile(r"(?:[ap]\.m|\betc|\bu\.s)\.$", re.IGNORECASE)
"""Abbreviations that end a sentence where a capital follows."""
_NUMBERED = re.compile(r"\s*(?:\d{1,3}|[a-z])\.", re.IGNORECASE)
_LEAD = re.compile(r"[\s>#*•·–—-]*(?:\(?\d{1,3}[.)]\s+)?[\s*_\"“'(\[]*")
_BLANK = re.compile(r"\s")
_BEFORE_END = 12
"""Characters before a full stop that tell whether it belongs to an abbreviation."""


def sentences(text: str) -> list[Sentence]:
    """Return the sentences of a text, without the blanks, list marks and quotation marks before them; takes linear time."""
    return [sentence for start, end in _stretches(text) for sentence in _trimmed(text, start, end)]


def _stretches(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for match in _END.finditer(text):
        if match[0][0] == "." and _goes_on(text, start, match):
            continue
        yield start, match.end()
        start = match.end()
    yield start, len(text)


def _goes_on(text: str, start: int, match: re.Match[str]) -> bool:
    """Return whether a full stop ends an abbreviation, an initial or a list's number rather than a sentence."""
    dot = match.start() + 1
    if dot - start <= _BEFORE_END and _NUMBERED.fullmatch(text, start, dot):
        return True
    before = text[max(start, dot - _BEFORE_END) : dot]
    after = text[dot : dot + _BEFORE_END].lstrip()[:1]
    if _BEFORE_NUMBER.search(before):
        return after.isdigit()
    if _PERHAPS_LAST.search(before):
        return not after.isupper()
    return bool(_ABBREVIATED.search(before))


def _trimmed(text: str, start: int, end: int) -> Iterator[Sentence]:
    lead = _LEAD.match(text, start, end)
    start = lead.end() if lead else start
    while end - start > LONGEST:
        cut = max(
            (blank.end() for blank in _BLANK.finditer(text, start + LONGEST // 2, start + LONGEST)), default=start + LONGEST
        )
        yield from _stripped(text, start, cut)
        start = cut
    yield from _stripped(text, start, end)


def _stripped(text: str, start: int, end: int) -> Iterator[Sentence]:
    said = text[start:end].rstrip()
    if said:
        yield Sentence(start, start + len(said), said)
