"""`use: cascade`: detectors in order, from cheap to dear. What a cheap one is sure of is settled; only the rest goes on.

A stage is unsure of an item where one of its scores lies in its band. What lies above the band stands, and what lies below it;
what lies in it is replaced by what the next stage says. A band that ends at 1 makes of a stage a screen, whose suspicion is no
verdict.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from guard import categories
from guard.detectors.running import Composed
from guard.policy.kinds import Mistake
from guard.runtime.trace import Outcome, Step, current
from guard.values import Detector, Finding, Item, Needs, PatternReach, Reach, Runs, SpansReach, WholeReach, WindowReach

_LOW, _HIGH = 0.2, 0.9


@dataclass(frozen=True, slots=True)
class Band:
    """The scores of which a stage is unsure, both ends included, and the categories that count; all where there are none."""

    low: float
    high: float
    categories: tuple[str, ...] = ()

    def watches(self, finding: Finding) -> bool:
        """Return whether the finding's category counts."""
        return not self.categories or any(categories.matches(pattern, finding.category) for pattern in self.categories)

    def holds(self, finding: Finding) -> bool:
        """Return whether the finding is an unsure one."""
        return self.low <= finding.score <= self.high and self.watches(finding)

    def unsure(self, findings: Sequence[Finding]) -> bool:
        """Return whether an item with these findings has to go on: one is unsure, and none is sure."""
        return any(map(self.holds, findings)) and not any(
            finding.score > self.high and self.watches(finding) for finding in findings
        )


class Cascade(Composed):
    """Stages in order. Each is asked about what the one before it was unsure of."""

    def __init__(self, name: str, stages: Sequence[Detector], bands: Sequence[Band]) -> None:
        """Put detectors in order.

        Args:
            bands: Of each stage but the last.
        """
        version = " ".join(stage.version for stage in stages)
        needs = Needs(
            reach=_widest([stage.needs.reach for stage in stages]),
            views=tuple(dict.fromkeys(view for stage in stages for view in stage.needs.views)),
            sees="exchange" if any(stage.needs.sees == "exchange" for stage in stages) else "text",
            runs=Runs.INLINE if all(stage.needs.runs is Runs.INLINE for stage in stages) else Runs.ASYNC,
        )
        super().__init__(name, version, needs, tuple(dict.fromkeys(each for stage in stages for each in stage.categories)))
        self._stages = tuple(stages)
        self._bands = tuple(bands)

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Return what the stages say in the end; each stage is waited for."""
        course = _Course(self.name, items)
        for stage, band in zip(self._stages, (None, *self._bands), strict=True):
            going, spared = course.going_on(stage.name, band)
            began = time.perf_counter()
            if going:
                course.take(stage.detect([items[index] for index in going]), band)
            if spared:
                with suppress(Exception):  # without an explanation nobody would have asked
                    stage.detect([items[index] for index in spared])
            _note(stage, len(going) + len(spared), began)
        return course.findings

    async def detect_async(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Do the same without blocking the event loop."""
        course = _Course(self.name, items)
        for stage, band in zip(self._stages, (None, *self._bands), strict=True):
            going, spared = course.going_on(stage.name, band)
            began = time.perf_counter()
            if going:
                course.take(await stage.detect_async([items[index] for index in going]), band)
            if spared:
                with suppress(Exception):  # as above
                    await stage.detect_async([items[index] for index in spared])
            _note(stage, len(going) + len(spared), began)
        return course.findings


class _Course:
    """How far each item has gone."""

    def __init__(self, name: str, items: Sequence[Item]) -> None:
        self._name = name
        self._settled: list[list[Finding]] = [[] for _ in items]
        self._latest: list[list[Finding]] = [[] for _ in items]
        self._unsure = list(range(len(items)))

    @property
    def findings(self) -> list[list[Finding]]:
        """What stands of each item: what a stage was sure of, and what the last one that was asked said."""
        return [settled + latest for settled, latest in zip(self._settled, self._latest, strict=True)]

    def going_on(self, stage: str, band: Band | None) -> tuple[Sequence[int], Sequence[int]]:
        """Return the items that the next stage decides, and those that it is asked about for an explanation only.

        Where nobody wants one, these are noted as spared.
        """
        before = len(self._unsure)
        if band is not None:
            self._unsure = [index for index in self._unsure if band.unsure(self._latest[index])]
        trace = current()
        if trace is not None and trace.complete:
            return self._unsure, sorted({*range(len(self._latest))} - {*self._unsure})
        if trace is not None and len(self._unsure) < before:
            trace.steps.append(Step(stage, Outcome.NOT_RUN, before - len(self._unsure)))
        return self._unsure, ()

    def take(self, answers: Sequence[Sequence[Finding]], band: Band | None) -> None:
        """Replace what the stage before was unsure of by what this one found; what any stage was sure of stands."""
        for index, found in zip(self._unsure, answers, strict=True):
            if band is not None:
                self._settled[index] += [finding for finding in self._latest[index] if not band.holds(finding)]
            self._latest[index] = self._own(found)

    def _own(self, findings: Sequence[Finding]) -> list[Finding]:
        return [replace(finding, detector=self._name) for finding in findings]


def make(name: str, options: Mapping[str, Any], others: Mapping[str, Detector]) -> Cascade:
    """Return the detector.

    Args:
        options: `stages`: names of detectors; `low` and `high`: the band of every stage; `categories`: those that count; `bands`:
            for a stage's name its own `low`, `high` and `categories`.
        others: The detectors named.
    """
    stages = [others[stage] for stage in options["stages"]]
    return Cascade(name, stages, [_band(options, stage) for stage in options["stages"][:-1]])


def check(options: Mapping[str, Any]) -> Sequence[Mistake]:
    """Return what is wrong with the options taken together."""
    mistakes = []
    stages = options["stages"]
    if len(stages) < 2 or len(set(stages)) < len(stages):
        mistakes.append(Mistake(("stages",), "at least two different detectors, from cheap to dear", str(len(set(stages)))))
    for stage, own in options.get("bands", {}).items():
        if stage not in stages[:-1]:
            mistakes.append(Mistake(("bands", stage), "the name of a stage that is not the last", f'"{stage}"'))
        elif not isinstance(own, Mapping) or own.keys() - {"low", "high", "categories"}:
            mistakes.append(Mistake(("bands", stage), "a mapping with `low`, `high` and `categories`", "something else"))
    if not mistakes:
        for stage in stages[:-1]:
            mistakes += _mistakes_in(_band(options, stage), stage)
    return mistakes


def _mistakes_in(band: Band, stage: str) -> list[Mistake]:
    numbers = (band.low, band.high)
    if all(isinstance(number, int | float) and 0 <= number <= 1 for number in numbers) and band.low <= band.high:
        return []
    return [Mistake(("bands", stage), "numbers in [0, 1], `low` not above `high`", f"low {band.low}, high {band.high}")]


def _band(options: Mapping[str, Any], stage: str) -> Band:
    given = {**options, **options.get("bands", {}).get(stage, {})}
    return Band(given.get("low", _LOW), given.get("high", _HIGH), tuple(given.get("categories", ())))


def _note(stage: Detector, items: int, began: float) -> None:
    """Take note of a quick stage; others, around which the runtime is, do so themselves."""
    trace = current()
    if trace is not None and items and stage.needs.runs is Runs.INLINE:
        trace.steps.append(Step(stage.name, Outcome.RAN, items, time.perf_counter() - began))


def _widest(reaches: Sequence[Reach]) -> Reach:
    """Return the reach of the stage that needs most: the whole text, the largest window, or the overlap of spans."""
    if any(isinstance(reach, WholeReach) for reach in reaches):
        return WholeReach()
    spans = [reach for reach in reaches if isinstance(reach, SpansReach)]
    if spans:
        return SpansReach(max(reach.overlap for reach in spans), max(reach.size for reach in spans))
    windows = [reach for reach in reaches if isinstance(reach, WindowReach)]
    if not windows:  # patterns only: they are asked about windows as long as their matches may be
        longest = max(reach.longest for reach in reaches if isinstance(reach, PatternReach))
        return SpansReach(longest, 2 * longest)
    return WindowReach(*(max(getattr(reach, size) for reach in windows) for size in ("after", "most", "context")))
