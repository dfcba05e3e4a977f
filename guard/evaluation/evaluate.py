"""Evaluate detectors and policies on labelled data sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from guard.errors import TenetError
from guard.evaluation.candidates import Candidate, candidates
from guard.evaluation.dataset import Dataset
from guard.evaluation.gathering import Asked, Gathered, gather
from guard.evaluation.layout import Layout
from guard.evaluation.report import Report, report
from guard.policy.kinds import Kind


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be evaluated on what.

    Attributes:
        datasets: Paths.
        detectors: Kinds, or names of detectors in a policy.
        policies: Names or paths.
        against: One more of either.
        layout: Where in a record its text and labels stand.
        asked: How records are judged.
    """

    datasets: tuple[str, ...]
    detectors: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    against: str = ""
    layout: Layout = field(default_factory=Layout)
    asked: Asked = field(default_factory=Asked)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What came of it: the report, and what was gathered for it."""

    report: Report
    gathered: Gathered


def evaluate(
    question: Question, kinds: Mapping[str, Kind], progress: Callable[[int, int, int | None], None] = lambda *_: None
) -> Evaluated:
    """Judge all records and measure what came of it.

    Args:
        kinds: What may stand behind `use:`.
        progress: Told how many records have been judged, how much of all files has been read, and how much there is.

    Raises:
        PolicyError: For mistakes in a policy.
        MissingExtra: Where a package is not installed.
        TenetError: For what cannot be used or read, and for records whose labels say nothing about the candidates.
        DetectorError: Where a candidate gives no verdict at all.
    """
    paths = question.datasets
    if len({PurePath(path) for path in paths}) < len(paths):
        raise TenetError("expected each data set once")
    found = [Dataset(path, replace(question.layout, known=None)) for path in paths]
    asked = candidates(question.detectors, question.policies, question.against, kinds, question.asked.stage)
    known = {name for each in asked for name in (*each.categories, *each.guard.policy.categories)}
    datasets = [Dataset(each.path, replace(question.layout, known=known)) for each in found]
    totals = [each.total for each in datasets]
    total = None if None in totals else sum(each or 0 for each in totals)
    names = _names(paths)
    gathered = gather(datasets, names, asked, question.asked, lambda records, read: progress(records, read, total))
    _check(gathered, asked, paths)
    return Evaluated(report(gathered, asked, paths, _settings(question)), gathered)


def _check(gathered: Gathered, asked: Sequence[Candidate], paths: Sequence[str]) -> None:
    """Raise TenetError where the labels say nothing about the candidates."""
    tally, where = gathered.tally, ", ".join(paths)
    if not tally.labelled:
        raise TenetError(f"{where}: expected labels, found none in {tally.records:,} records; label some of them with 0 or 1")
    reported = {name for each in asked for name in each.categories}
    says_any = len(tally.harm.rows) and not tally.columns
    if not any(each.decides for each in asked) and not says_any and reported.isdisjoint(tally.columns):
        said, can = (", ".join(sorted(names)) for names in (tally.columns, reported))
        raise TenetError(f"{where}: expected labels for what {asked[0].name} reports ({can}), found labels for {said}")


def _names(paths: Sequence[str]) -> list[str]:
    """Return what reports call the data sets: the names of the files, where those are different."""
    names = [PurePath(path).name for path in paths]
    return names if len(set(names)) == len(names) else list(paths)


def _settings(question: Question) -> dict[str, object]:
    asked = question.asked
    return {
        "stage": asked.stage.value,
        "role": asked.role.value if asked.role else None,
        "together": asked.together,
        "seed": asked.seed,
        "slices": list(question.layout.slices),
    }
