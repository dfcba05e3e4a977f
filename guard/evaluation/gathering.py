"""Ask the candidates about every record of the data sets, some at a time, and keep what is to be counted."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from guard.engine import new_exchange
from guard.errors import DetectorError
from guard.evaluation.candidates import Candidate
from guard.evaluation.dataset import Dataset, Record
from guard.evaluation.tally import Tally, Verdict
from guard.evaluation.worst import Worst
from guard.runtime.trace import complete
from guard.scanning.pace import Pace
from guard.scanning.patience import Patience
from guard.values import Action, Decision, Item, Role, Stage

_MOST_CHARACTERS = 4 * 1024 * 1024
"""Code points of the records that are judged at the same time."""
_TRIED = 256
"""Records after which a candidate that gave no verdict on any of them is given up."""
_SAMPLED = 20_000
"""Code points of a text that is kept to measure times."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How records are judged.

    Attributes:
        stage: Which way a text travels, where its record does not say.
        role: Whose words it is, where its record does not say; the stage's own where absent.
        together: Records that are judged at the same time.
        timed: Texts that are judged once more, one at a time, to measure how long that takes.
        seconds: How long that may go on.
        worst: How many of the worst false alarms and misses to keep.
        seed: Of all that is drawn.
    """

    stage: Stage = Stage.INPUT
    role: Role | None = None
    together: int = 64
    timed: int = 200
    seconds: float = 20.0
    worst: int = 0
    seed: int = 0


@dataclass(slots=True)
class Speed:
    """How long judging took.

    Attributes:
        seconds: For all records, judged together.
        alone: For each text of a sample, judged alone.
    """

    seconds: float = 0.0
    alone: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was found out.

    Attributes:
        speeds: Of each candidate.
        worst: Of each candidate.
    """

    tally: Tally
    speeds: list[Speed]
    worst: list[Worst]


def gather(
    datasets: Sequence[Dataset],
    names: Sequence[str],
    candidates: Sequence[Candidate],
    asked: Asked,
    progress: Callable[[int, int], None] = lambda _records, _read: None,
) -> Gathered:
    """Judge all records.

    Args:
        names: How reports call the data sets.
        progress: Told how many records have been judged, and how much of all files has been read.

    Raises:
        TenetError: For a record that cannot be understood.
        DetectorError: Where a candidate gives no verdict at all.
    """
    slices = datasets[0].layout.slices
    gathered = Gathered(
        Tally(candidates, names, slices),
        [Speed() for _ in candidates],
        [Worst(asked.worst, candidate.thresholds) for candidate in candidates],
    )
    asyncio.run(_Gathering(datasets, names, candidates, asked, progress, gathered).run())
    return gathered


class _Gathering:
    def __init__(
        self,
        datasets: Sequence[Dataset],
        names: Sequence[str],
        candidates: Sequence[Candidate],
        asked: Asked,
        progress: Callable[[int, int], None],
        into: Gathered,
    ) -> None:
        self._datasets = datasets
        self._names = names
        self._candidates = candidates
        self._asked = asked
        self._progress = progress
        self._into = into
        self._paces = [Pace(asked.together, Patience(each.guard.detectors.values())) for each in candidates]
        self._sample = _Sample(asked.timed, asked.seed)
        self._given = [False for _ in candidates]

    async def run(self) -> None:
        """Judge all records, and then the sample."""
        for candidate in self._candidates:
            candidate.guard.prepare()
        before = 0
        for number, dataset in enumerate(self._datasets):
            for batch in _batches(dataset.records(), self._asked.together):
                await self._judge(batch, number)
                self._progress(self._into.tally.records, before + batch[-1].read)
            before += dataset.total or 0
        self._check_given()
        for candidate, speed in zip(self._candidates, self._into.speeds, strict=True):
            await self._time(candidate, speed)

    async def _judge(self, batch: Sequence[Record], dataset: int) -> None:
        columns: list[list[Verdict]] = []
        for number, candidate in enumerate(self._candidates):
            began = time.perf_counter()
            verdicts = await asyncio.gather(*(self._verdict(candidate, self._paces[number], record) for record in batch))
            self._into.speeds[number].seconds += time.perf_counter() - began
            self._given[number] |= any(verdict.scores is not None for verdict in verdicts)
            columns.append(verdicts)
        for record, given in zip(batch, zip(*columns, strict=True), strict=True):
            self._into.tally.add(record, dataset, given)
            for worst, verdict in zip(self._into.worst, given, strict=True):
                worst.add(record, self._names[dataset], verdict.scores)
            self._sample.add(record)
        if self._into.tally.records >= _TRIED:
            self._check_given()

    async def _verdict(self, candidate: Candidate, pace: Pace, record: Record) -> Verdict:
        async def check() -> Decision:
            return await self._check(candidate, record)

        with complete():
            decision = await pace.run(check, went_well=lambda decided: not decided.failed)
        scores: dict[str, float] = {}
        for finding in decision.findings:
            scores[finding.category] = max(finding.score, scores.get(finding.category, 0.0))
        action = decision.action
        if not candidate.decides:
            action = Action.FLAG if candidate.reached(scores) else Action.ALLOW
        return Verdict(action, decision.rules, None if decision.failed else scores, decision.failed)

    async def _check(self, candidate: Candidate, record: Record) -> Decision:
        exchange = new_exchange(prompt=(Item(record.prompt, Stage.INPUT, Role.USER),) if record.prompt else ())
        stage = record.stage or self._asked.stage
        role = record.role or (self._asked.role if record.stage in (None, self._asked.stage) else None)
        return await candidate.guard.check(record.text, stage, role=role, exchange=exchange)

    async def _time(self, candidate: Candidate, speed: Speed) -> None:
        until = time.perf_counter() + self._asked.seconds
        for record in self._sample.records:
            began = time.perf_counter()
            await self._check(candidate, record)
            ended = time.perf_counter()
            speed.alone.append(ended - began)
            if ended > until:
                break

    def _check_given(self) -> None:
        for number, given in enumerate(self._given):
            if not given:
                detector = next(iter(self._into.tally.failed[number]), self._candidates[number].name)
                raise DetectorError(detector, f"not on one of {self._into.tally.records:,} records; the log says why")


class _Sample:
    """Some records, each with the same chance (reservoir sampling; Vitter, 1985, algorithm R)."""

    def __init__(self, most: int, seed: int) -> None:
        self._most = most
        self._chance = random.Random(seed)  # noqa: S311 - draws a sample, guards nothing
        self._seen = 0
        self.records: list[Record] = []

    def add(self, record: Record) -> None:
        self._seen += 1
        if len(self.records) < self._most:
            self.records.append(_shortened(record))
        elif self._most and (place := self._chance.randrange(self._seen)) < self._most:
            self.records[place] = _shortened(record)


def _shortened(record: Record) -> Record:
    return replace(record, text=record.text[:_SAMPLED], prompt=record.prompt[:_SAMPLED])


def _batches(records: Iterator[Record], together: int) -> Iterator[list[Record]]:
    batch: list[Record] = []
    characters = 0
    for record in records:
        batch.append(record)
        characters += len(record.text) + len(record.prompt)
        if len(batch) >= together or characters >= _MOST_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch
