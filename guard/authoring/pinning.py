"""Detectors that answer with given scores, so that a test says what a rule does with a verdict and not what a model finds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from guard.policy.kinds import Kind
from guard.values import Detector, Finding, Item, Needs, Runs, WholeReach

Scores = Mapping[str, Mapping[str, float]]
"""By detector and category."""


class Pins:
    """The scores that hold for the test that is being run; shared by the detectors that answer with them."""

    def __init__(self) -> None:
        self.scores: Scores = {}


class Pinned:
    """A detector that finds in every text, or in every image, what `pins` say of it."""

    version = "pinned"

    def __init__(self, name: str, categories: tuple[str, ...], pins: Pins, *, media: bool = False) -> None:
        """Take the name that the policy gives it, what the detector in its place can report, and whether that judges images."""
        self.name = name
        self.needs = Needs(WholeReach(), runs=Runs.INLINE, media=("image/",) if media else ())
        self.categories = categories
        self._pins = pins

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Return the same findings for every item, each of the whole text."""
        scores = self._pins.scores.get(self.name, {})
        return [
            [
                Finding(self.name, category, score, None, item.location, item.role)
                for category, score in scores.items()
                if score > 0
            ]
            for item in items
        ]

    async def detect_async(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Do the same as `detect`."""
        return self.detect(items)


def pinned(kinds: Mapping[str, Kind], names: Collection[str], pins: Pins) -> dict[str, Kind]:
    """Return the kinds, in which the detectors of these names are pinned; theirs are then neither built nor loaded."""
    return {use: replace(kind, make=_maker(kind, frozenset(names), pins)) for use, kind in kinds.items()}


def _maker(kind: Kind, names: frozenset[str], pins: Pins) -> Any:  # noqa: ANN401 - as `Kind.make`
    def make(name: str, options: Mapping[str, Any], *others: Any) -> Detector:  # noqa: ANN401
        if name not in names:
            return kind.make(name, options, *others)
        return Pinned(name, kind.categories(options), pins, media=kind.reach == "media")

    return make
