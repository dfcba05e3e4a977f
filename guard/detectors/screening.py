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
from guard.text import folded, is_plain, read
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
        self._sets: dict[str, _Any] = {}
        self._plain: tuple[tuple[_Any, bool], ...] = ()
        """What to look for in a plain text, and whether in its folded view; its canonical one is itself."""

    def compile(self) -> None:
        """Build the automata, which takes some tens of milliseconds: for who judges many texts."""
        if self._sets or not self._detectors:
            return
        reaches = [detector.needs.reach for detector in self._detectors]
        self._longest = min(reach.longest for reach in reaches if isinstance(reach, PatternReach))
        shared: dict[tuple[str, ...], _Any] = {}
        for view in dict.fromkeys(view for detector in self._detectors for view in detector.needs.views):
            wanted = tuple(
                pattern.expression for detector in self._detectors for pattern in detector.patterns if view in pattern.views
            )
            self._sets[view] = shared[wanted] = shared.get(wanted) or _Any(wanted)
        self._plain = tuple({(look, view == "folded"): None for view, look in self._sets.items() if view != "decoded"})

    def clears(self, text: str) -> bool:
        """Return whether certainly none of the detectors named in `names` finds anything in `text`, were it judged whole.

        False says nothing. It is always false before `compile`, and for texts longer than a match may be, where what is under way
        for too long counts as a match.
        """
        if len(text) > self._longest:
            return False
        if is_plain(text):
            return not any(look.found_in(folded(text) if folds else text) for look, folds in self._plain)
        reading = read(text, self._sets)
        return not reading.obfuscated and not any(
            view.name == "decoded" or self._sets[view.name].found_in(view.text) for view in reading.views
        )


class _Any:
    """Whether any of some expressions matches."""

    def __init__(self, expressions: Iterable[str]) -> None:
        self._set: Any = re2.Set.SearchSet(options())
        for expression in expressions:
            self._set.Add(expression)
        # A set that runs out of memory answers "nothing"; this one always matches something, so that its absence tells.
        self._nothing = [self._set.Add("")]
        self._set.Compile()

    def found_in(self, text: str) -> bool:
        """Return whether one matches, or may match."""
        return bool(self._set.Match(text.encode("utf-8", "replace")) != self._nothing)
