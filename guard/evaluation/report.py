"""What an evaluation found, as values: nothing in it repeats a text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from guard.evaluation import binomial
from guard.evaluation.candidates import Candidate
from guard.evaluation.gathering import Gathered, Speed
from guard.evaluation.measured import BLOCKED, Difference, Measured, Row, compared, measured, rows_of
from guard.evaluation.tally import Counted, Parts, Tally
from guard.values import Action

FEW = 20
"""Positives or negatives below which a figure is hardly more than an anecdote."""


@dataclass(frozen=True, slots=True)
class Of:
    """What was found about one candidate.

    Attributes:
        rows: By category, for any harm and for decisions.
        parts: The same for each value of each field by which records are divided.
        benign: On records whose known labels are all 0.
        harmful: On records with a label 1.
        speed: How long it took.
        failed: How often each detector gave no verdict.
    """

    candidate: Candidate
    rows: Mapping[str, Measured]
    parts: Mapping[str, Mapping[str, Mapping[str, Measured]]]
    benign: Counted
    harmful: Counted
    speed: Speed
    failed: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Report:
    """What an evaluation found.

    Attributes:
        datasets: Their names.
        rows: The scores themselves, for plots.
        differences: Of the second candidate from the first, by row and figure; empty where there is one.
        notes: What to bear in mind.
        settings: How records were judged.
    """

    datasets: tuple[str, ...]
    tally: Tally
    rows: tuple[Row, ...]
    found: tuple[Of, ...]
    differences: Mapping[str, Mapping[str, Difference]]
    notes: tuple[str, ...]
    settings: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON values, rounded to 4 decimals."""
        tally = self.tally
        return {
            "datasets": list(self.datasets),
            "records": tally.records,
            "labelled": tally.labelled,
            "settings": dict(self.settings),
            "candidates": [_of_as_dict(each, tally) for each in self.found],
            "comparison": self._comparison(),
            "notes": list(self.notes),
        }

    def _comparison(self) -> dict[str, Any] | None:
        if len(self.found) < 2:
            return None
        rows = {
            row: {
                name: {"difference": _signed(each.value), "interval": [_signed(bound) for bound in each.interval]}
                for name, each in figures.items()
            }
            for row, figures in self.differences.items()
        }
        first, second = (each.candidate.name for each in self.found)
        return {"first": first, "second": second, "rows": rows}


def report(gathered: Gathered, candidates: Sequence[Candidate], datasets: Sequence[str], settings: Mapping[str, Any]) -> Report:
    """Work out the figures.

    Args:
        settings: With the `seed` of what is drawn.
    """
    tally, seed = gathered.tally, int(settings["seed"])
    rows = rows_of(tally, candidates)
    found = tuple(_of(number, candidate, gathered, rows, seed) for number, candidate in enumerate(candidates))
    differences = {row.name: compared(row, seed) for row in rows} if len(candidates) > 1 else {}
    return Report(
        tuple(datasets), tally, tuple(rows), found, differences, tuple(dict.fromkeys(_notes(tally, rows, found))), settings
    )


def _of(number: int, candidate: Candidate, gathered: Gathered, rows: Sequence[Row], seed: int) -> Of:
    tally = gathered.tally
    own = [row for row in rows if row.name != BLOCKED or candidate.decides]
    whole = {row.name: measured(row, number, seed=seed) for row in own}
    parts = {part.by: _by_part(part, own, number) for part in tally.parts}
    benign, harmful = tally.counted[number]
    return Of(candidate, whole, parts, benign, harmful, gathered.speeds[number], tally.failed[number])


def _by_part(part: Parts, rows: Sequence[Row], candidate: int) -> dict[str, dict[str, Measured]]:
    codes = np.array(part.codes, dtype=np.uint16)
    found: dict[str, dict[str, Measured]] = {}
    for value, code in sorted(part.values.items()):
        chosen = (row.part(codes[row.rows] == code) for row in rows)
        found[value] = {row.name: measured(row, candidate) for row in chosen if row.rows.size}
    return found


def _of_as_dict(of: Of, tally: Tally) -> dict[str, Any]:
    candidate = of.candidate
    return {
        "name": candidate.name,
        "kind": "policy" if candidate.decides else "detector",
        **({"policy": candidate.digest} if candidate.decides else {}),
        "detectors": candidate.versions,
        "rows": {name: each.as_dict() for name, each in of.rows.items()},
        "benign": _counted(of.benign, candidate, with_categories=True),
        "harmful": _counted(of.harmful, candidate),
        "slices": {
            by: {value: {name: each.as_dict() for name, each in rows.items()} for value, rows in values.items()}
            for by, values in of.parts.items()
        },
        "speed": _speed(of.speed, tally),
        "no_verdict": dict(of.failed),
    }


def _counted(counted: Counted, candidate: Candidate, *, with_categories: bool = False) -> dict[str, Any]:
    records = counted.records
    flagged = records - counted.actions[Action.ALLOW]
    found: dict[str, Any] = {"records": records, "flagged": flagged, "flagged_rate": _rate(flagged, records)}
    if records:
        found["flagged_interval"] = [round(bound, 4) for bound in binomial.interval(flagged, records)]
    if candidate.decides:
        found["actions"] = {action.word: counted.actions[action] for action in Action}
        fired = {rule.id for rule in candidate.guard.policy.rules}
        found["rules"] = {rule: count for rule, count in counted.rules.most_common() if rule in fired}
    if with_categories:
        found["categories"] = {
            name: {"reached": count, "rate": _rate(count, records)} for name, count in counted.reached.most_common()
        }
    return found


def _speed(speed: Speed, tally: Tally) -> dict[str, Any]:
    found: dict[str, Any] = {
        "texts_per_second": round(tally.records / speed.seconds, 1) if speed.seconds else None,
        "characters_per_second": round(tally.characters / speed.seconds) if speed.seconds else None,
    }
    if speed.alone:
        middle, late, last = (float(each) * 1000 for each in np.quantile(speed.alone, (0.5, 0.95, 0.99)))
        milliseconds = {"p50": round(middle, 3), "p95": round(late, 3), "p99": round(last, 3)}
        found["alone"] = {"texts": len(speed.alone), "milliseconds": milliseconds}
    return found


def _signed(value: float) -> float:
    """Return a number rounded, and never a zero below zero."""
    return round(value, 4) + 0.0


def _rate(count: int, records: int) -> float | None:
    return round(count / records, 4) if records else None


def _notes(tally: Tally, rows: Sequence[Row], found: Sequence[Of]) -> Iterator[str]:
    if tally.records > tally.labelled:
        yield f"{tally.records - tally.labelled:,} of {tally.records:,} records have no label; they count for speed alone"
    if tally.empty:
        yield f"{tally.empty:,} records have an empty text"
    if not any(of.harmful.records + of.harmful.failed for of in found):
        yield "no record has a label 1, so only false alarms can be told"
    elif not any(of.benign.records + of.benign.failed for of in found):
        yield "no record has only labels 0, so nothing can be said of benign texts"
    for of in found:
        for name, each in of.rows.items():
            if each.reason:
                yield f"{of.candidate.name}: {name}: {each.reason}"
        few = [name for name, each in of.rows.items() if not each.reason and min(each.positives, each.negatives) < FEW]
        if few:
            yield f"fewer than {FEW} positives or negatives tell little: {', '.join(few)}"
        yield from _silent(of, rows, found.index(of))
        for detector, count in of.failed.items():
            yield f"{of.candidate.name}: {detector} gave no verdict on {count:,} records; no score of theirs counts"


def _silent(of: Of, rows: Sequence[Row], number: int) -> Iterator[str]:
    for row in rows:
        looked_for = row.name in of.candidate.categories and row.labels.any()
        if looked_for and not row.scores[number].any():
            way_out = "if it is not the user who says such things, name the --stage or --role"
            yield f"{of.candidate.name}: {row.name}: nothing was found in any record; {way_out}"
