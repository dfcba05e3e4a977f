"""Read a text as its views."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import re2

from guard.text import encodings
from guard.text.clusters import REMARKABLE, Clusters, cluster
from guard.text.delimiters import LONGEST, cuts, last_delimiter
from guard.text.folding import Folded, fold_clusters
from guard.text.mapping import Itself, Origins, Part, Parts, Whole
from guard.text.runs import Run
from guard.values import Span

NAMES = ("raw", "canonical", "folded", "decoded")
"""The views there are."""


@dataclass(frozen=True, slots=True)
class View:
    """A text as a detector reads it, with the way back to the original.

    Attributes:
        name: `raw`, `canonical`, `folded` or `decoded`.
        settled: How many leading characters no continuation of the original can change.
    """

    name: str
    text: str
    settled: int
    _origins: Origins = field(repr=False)
    _length: int = field(repr=False)
    _most: int = field(repr=False)

    def span(self, start: int, end: int) -> Span:
        """Return where `text[start:end]` stands in the original: whole clusters, or the whole run of a decoded text."""
        if start >= end:
            return Span(self.origin(start), self.origin(start))
        return Span(self._origins.start(start), self._origins.end(end - 1))

    def origin(self, index: int) -> int:
        """Return the original offset at which the unit of character `index` begins; behind the last, the original's length."""
        return self._origins.start(index) if index < len(self.text) else self._length

    def known(self, end: int) -> int:
        """Return the shortest length of the original whose text makes the characters before `end` certain.

        Where the original is not final and does not tell yet, this is one more than its length.
        """
        return min(self._origins.known(end - 1), self._most) if end else 0


@dataclass(frozen=True, slots=True)
class Reading:
    """The views of a text, as far as it goes.

    Attributes:
        views: The requested views of the whole text, then one named `decoded` for each encoded run, in order; what a decoded text
            holds encoded in turn follows it. A run shows up only when it is certain.
        settled: Offset before which the original is certain in all requested views, and no part of a run under way.
        cut: The last offset up to `settled` at which a later reading may begin: what it gives for the rest is what this one would
            give. It stands before a delimiter, so that patterns see what stood left of a word. The end, if the text is final.
        obfuscated: Where a limit was exceeded: marks on one character, an encoded run's length, its depth.
    """

    views: tuple[View, ...]
    settled: int
    cut: int
    obfuscated: tuple[Span, ...] = ()


def read(text: str, names: Collection[str], *, final: bool = True) -> Reading:
    """Return the views of `text`.

    Args:
        names: Which of `NAMES`; what is left out costs nothing and holds nothing back.
        final: Whether the text ends here; else it may go on.
    """
    if "decoded" not in names and "canonical" not in names and "folded" not in names:
        views = (_raw(text, final),) if "raw" in names else ()
        return Reading(views, len(text), len(text))
    if final and "folded" not in names and is_plain(text):
        return Reading(tuple(_plain_views(text, names)), len(text), len(text))
    return _Reader(text, names, final).reading()


UNPLAIN = rf"{REMARKABLE}|{encodings.ANY_SIGN}"
"""In the syntax of RE2: where nothing of it is found in a text of at most `LONGEST` characters, the text certainly is its own
canonical view, exceeds no limit and holds nothing encoded."""


_UNPLAIN = re2.compile(UNPLAIN.encode())


def is_plain(text: str) -> bool:
    """Return whether `text` certainly is its own canonical view, exceeds no limit and holds nothing encoded."""
    return len(text) <= LONGEST and _UNPLAIN.search(text.encode("utf-8", "replace")) is None


def folded(text: str) -> str:
    """Return the folded view's text."""
    return "".join([fold_clusters(cluster(text[start:end])).text for start, end in _pieces(text)])


def canonical(text: str) -> str:
    """Return the canonical view's text."""
    return "".join([cluster(text[start:end]).text for start, end in _pieces(text)])


def _raw(text: str, final: bool) -> View:
    return View("raw", text, len(text), _ITSELF, len(text), len(text) + (not final))


def _plain_views(text: str, names: Collection[str]) -> Iterator[View]:
    if "raw" in names:
        yield _raw(text, True)
    if "canonical" in names:
        yield View("canonical", text, len(text), Clusters(text, text), len(text), len(text))


_ITSELF = Itself()


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of the pieces that are read each for itself: usually one."""
    return pairwise([0, *cuts(text), len(text)])


class _Reader:
    """One reading."""

    def __init__(self, text: str, names: Collection[str], final: bool) -> None:
        self._text = text
        self._names = names
        self._final = final
        self._starts: list[int] = []
        self._clusters: list[Clusters] = []
        self._folded: list[Folded] = []
        self._runs: list[list[Run]] = []
        for start, end in _pieces(text):
            clusters = cluster(text[start:end])
            self._starts.append(start)
            self._clusters.append(clusters)
            if "folded" in names:
                self._folded.append(fold_clusters(clusters))
            if "decoded" in names:
                self._runs.append(encodings.runs(clusters.text))

    def reading(self) -> Reading:
        """Return what was read."""
        views = []
        if "raw" in self._names:
            views.append(_raw(self._text, self._final))
        if "canonical" in self._names:
            views.append(self._view("canonical", self._clusters))
        if "folded" in self._names:
            views.append(self._view("folded", self._folded))
        segments, obfuscated = self._segments()
        settled = self._settled(views)
        return Reading((*views, *segments), settled, self._cut(settled), tuple(obfuscated))

    def _view(self, name: str, pieces: Sequence[Clusters | Folded]) -> View:
        text, origins = (pieces[0].text, pieces[0]) if len(pieces) == 1 else self._joined(pieces)
        length = len(self._text)
        settled = len(text) if self._final else bisect_right(range(len(text)), length, key=origins.known)
        return View(name, text, settled, origins, length, length + (not self._final))

    def _joined(self, pieces: Sequence[Clusters | Folded]) -> tuple[str, Origins]:
        parts = []
        target = 0
        for index, piece in enumerate(pieces):
            if piece.text:
                parts.append(Part(target, self._starts[index], piece))
            target += len(piece.text)
        return "".join([piece.text for piece in pieces]), Parts(parts)

    def _segments(self) -> tuple[list[View], list[Span]]:
        """Return the decoded views and where limits were exceeded, as far as certain."""
        views: list[View] = []
        obfuscated: list[Span] = []
        for index, (start, clusters) in enumerate(zip(self._starts, self._clusters, strict=True)):
            if not (self._runs and self._runs[index]) and clusters.edits is None and clusters.source.isascii():
                continue
            found: list[tuple[Span, list[View]]] = []
            for run in self._runs[index] if self._runs else ():
                known = start + clusters.known_before(run.needs)
                if run.text is None or not self._is_certain(known):
                    continue
                span = Span(start + clusters.start(run.start), start + clusters.end(run.end - 1))
                texts, too_deep = encodings.unwrap(run.text)
                found.append((span, [self._segment(text, span, known) for text in texts]))
                goes_on = index + 1 < len(self._starts) and run.end == len(clusters.text)
                if too_deep or run.exceeds or goes_on:
                    obfuscated.append(span)
            if self._runs:
                for span, text in encodings.tagged(clusters.source):
                    span = Span(start + span.start, start + span.end)
                    if self._is_certain(span.end + 1):
                        found.append((span, [self._segment(text, span, span.end + 1)]))
            for stack in clusters.stacks:
                if self._is_certain(start + clusters.closed(stack.end)):
                    obfuscated.append(Span(start + stack.start, start + stack.end))
            for _, of_run in sorted(found, key=lambda entry: entry[0]):
                views += of_run
        return views, sorted(obfuscated)

    def _segment(self, text: str, span: Span, known: int) -> View:
        length = len(self._text)
        return View("decoded", text, len(text), Whole(span, known), length, length + (not self._final))

    def _is_certain(self, known: int) -> bool:
        return self._final or known <= len(self._text)

    def _settled(self, views: Sequence[View]) -> int:
        """Return the offset before which all that was asked for is certain."""
        if self._final:
            return len(self._text)
        start, clusters = self._starts[-1], self._clusters[-1]
        certain = clusters.settled()
        settled = start + (clusters.start(certain) if certain else 0)
        for view in views:
            if view.name == "folded" and view.settled < len(view.text):
                settled = min(settled, view.origin(view.settled))
        if self._runs:
            begun = [run.start for run in self._runs[-1] if not self._is_certain(start + clusters.known_before(run.needs))]
            earliest = min([encodings.open_from(clusters.text, certain), *begun])
            if earliest < certain:
                settled = min(settled, start + clusters.start(earliest))
        return settled

    def _cut(self, settled: int) -> int:
        if self._final:
            return len(self._text)
        start, source = self._starts[-1], self._clusters[-1].source
        cut = last_delimiter(source, min(len(source), settled - start + 1))
        row = self._folded[-1].row_around(cut) if self._folded else None
        if row is not None:
            cut = last_delimiter(source, row + 1)
        return start + max(0, cut)
