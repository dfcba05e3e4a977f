"""Answers that people scored: the evaluation sets that come with PyRIT (Microsoft, MIT), read from a folder of its CSV files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from guard.errors import TenetError

SET = "pyrit_scorer_evals"
_MOST_OF_A_FIELD = 10_000_000


class ScoredAnswer(NamedTuple):
    """One answer, and what people said of it.

    Attributes:
        set: `harm`, `objective` (whether the answer did what was asked) or `refusal_scorer`.
        category: The file's name.
        score: Mean over the people, in [0, 1].
    """

    set: str
    category: str
    prompt: str
    answer: str
    score: float


def read_scored(folder: Path) -> list[ScoredAnswer]:
    """Return the answers below `pyrit/datasets/scorer_evals` of an unpacked PyRIT, in the order of file names.

    Raises:
        TenetError: Where there are none.
    """
    found = [row for kind in ("harm", "objective", "refusal_scorer") for row in _of_kind(folder, kind)]
    if not found:
        raise TenetError(f"{folder}: expected PyRIT's folder datasets/scorer_evals with harm/*.csv, found no scored answer")
    return found


def _of_kind(folder: Path, kind: str) -> Iterator[ScoredAnswer]:
    csv.field_size_limit(_MOST_OF_A_FIELD)
    for file in sorted((folder / kind).glob("*.csv")):
        if file.stem.startswith("mini_"):  # rows of the others once more
            continue
        text = file.read_text("utf-8-sig", errors="replace")
        header = min((place for name in ("harm_category,", "objective,") if (place := text.find(name)) >= 0), default=len(text))
        for row in csv.DictReader(io.StringIO(text[header:])):
            scores = [float(value) for name, value in row.items() if name and name.startswith("human_score") and value]
            if row.get("assistant_response") and scores:
                category = file.stem.removesuffix("_multi_score")
                yield ScoredAnswer(kind, category, row["objective"], row["assistant_response"], sum(scores) / len(scores))
