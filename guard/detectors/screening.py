"""Say of most texts, in one look, that no scanning detector finds anything in them.

The detectors of a policy read the same views of a text, each for its own patterns. Where one automaton that holds the patterns of
all of them sees nothing, none has to be asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

import re2

from guard.detectors.expressions import options
from guard.detectors.matching import Pattern
from guard.text import LONGEST, UNPLAIN, folded, read
from guard.values import Detector, PatternReach


@runtime_checkable
class Screened(Protocol):
    """A detector that finds something only where one of its patterns matches, or where a text exceeds a limit of its views."""

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """What it looks for; see `guard.values.ScanningDetector` for how."""
        ...


class Screen:
    """The patterns of several detectors together."""

    def __init__(self, detectors: Iterable[Detector]) -> None:
        """Take those of `detectors` that are `Screened`; `compile` makes the screen useful."""
        self._detectors = [detector for detector in detectors if isinstance(detector, Screened)]
        self.names = frozenset(detector.name for detector in self._detectors)
        self._longest = -1

    def compile(self) -> None:
        """Build the automata, which takes some tens of milliseconds: for who judges many texts."""
        if self._longest >= 0 or not self._detectors:
            return
        patterns = [pattern for detector in self._detectors for pattern in detector.patterns]
        reaches = [detector.needs.reach for detector in self._detectors]
        self._views = tuple({view: None for detector in self._detectors for view in detector.needs.views})
        self._in_itself = _Any(pattern.expression for pattern in patterns if not _LIKE_ITSELF.isdisjoint(pattern.views))
        self._in_folded = _Any(pattern.expression for pattern in patterns if "folded" in pattern.views)
        self._longest = min([LONGEST, *(reach.longest for reach in reaches if isinstance(reach, PatternReach))])

    def clears(self, text: str) -> bool:
        """Return whether certainly none of the detectors named in `names` finds anything in `text`, were it judged whole.

        False says nothing. It is always false before `compile`, and for texts longer than a match may be, where what is under way
        for too long counts as a match.
        """
        if len(text) > self._longest:
            return False
        if self._in_itself.clears(text):
            return "folded" not in self._views or not self._in_folded.found_in(folded(text))
        return not self._in_itself.found_in(text) and self._clears_views(text)

    def _clears_views(self, text: str) -> bool:
        reading = read(text, self._views)
        return not reading.obfuscated and not any(
            view.name == "decoded" or (self._in_folded if view.name == "folded" else self._in_itself).found_in(view.text)
            for view in reading.views
        )


_LIKE_ITSELF = frozenset({"raw", "canonical"})
"""Views that are the text itself, where the text is plain."""


class _Any:
    """Whether any of some expressions matches."""

    def __init__(self, expressions: Iterable[str]) -> None:
        self._set: Any = re2.Set.SearchSet(options())
        # A set that runs out of memory answers "nothing"; this one always matches something, so that its absence tells.
        self._nothing = [self._set.Add("")]
        self._unplain = [*self._nothing, self._set.Add(UNPLAIN)]
        for expression in dict.fromkeys(expressions):
            self._set.Add(expression)
        self._set.Compile()

    def clears(self, text: str) -> bool:
        """Return whether certainly none matches, and the text is plain."""
        return bool(self._set.Match(text.encode("utf-8", "replace")) == self._nothing)

    def found_in(self, text: str) -> bool:
        """Return whether one matches, or may match."""
        found = self._set.Match(text.encode("utf-8", "replace"))
        return sorted(found or ()) not in (self._nothing, self._unplain)
