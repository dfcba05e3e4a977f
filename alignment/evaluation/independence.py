"""Which evaluators took no part in what a model was trained with: else a model is proved safe by what it was taught to please."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from alignment.data.sources import CARD
from alignment.evaluation.result import Judge
from guard.policy.model import Policy

CIRCULAR = "circular: an evaluator also made labels or rewards"
_MODEL_OPTIONS = ("model", "path", "url", "folder")
_WORD = re.compile(r"[^a-z0-9/.:]+")


class Overlap(NamedTuple):
    """What an evaluator shares with what made labels and rewards."""

    evaluator: str
    names: tuple[str, ...]


def independent_of(made_from: Iterable[str], labels: Iterable[str], rewards: Iterable[str]) -> tuple[str, ...]:
    """Return the names that stand on both sides, sorted: none where an evaluator took no part in labels and rewards.

    Args:
        made_from: Data sets and detectors that the evaluator was made from, itself included.
        labels: Those that made the labels; `sources_of` says what stands behind a policy.
        rewards: Those that made the rewards.
    """
    part = {name_of(each) for each in (*labels, *rewards)}
    return tuple(sorted({name_of(each) for each in made_from} & part))


def sources_of(names: Sequence[str], policy: Policy | None) -> tuple[str, ...]:
    """Return all that stands behind names of a recipe: `policy` stands for its detectors, a detector for its data sets."""
    found: set[str] = set()
    for name in names:
        if name == "policy":
            found |= {"policy"} | {each for config in (policy.detectors.values() if policy else ()) for each in _behind(config)}
        elif name_of(name) == "embedded":
            found |= _embedded()
        else:
            found.add(name_of(name))
    return tuple(sorted(found))


def data_sets_of(folders: Sequence[str]) -> tuple[str, ...]:
    """Return the data sets that training data came from: files by their names, folders by what their data card counts."""
    found: set[str] = set()
    for folder in map(Path, folders):
        found.add(name_of(folder.name))
        try:
            card = json.loads((folder / CARD).read_bytes()) if folder.is_dir() else {}
        except (OSError, ValueError):
            card = {}
        found |= {name_of(name) for name in card.get("sources", ()) if isinstance(name, str)}
    return tuple(sorted(found))


def judge_of(
    evaluator: Any,  # noqa: ANN401 - whatever has a name, a version and what it was made from
    judges: str,
    part: tuple[Sequence[str], Sequence[str]],
) -> Judge:
    """Return what the result says of an evaluator."""
    overlap = independent_of((evaluator.name, *evaluator.made_from), *part)
    return Judge(
        name=evaluator.name,
        judges=judges,
        version=evaluator.version,
        made_from=tuple(evaluator.made_from),
        overlap=overlap,
        independent=not overlap,
    )


def name_of(source: str) -> str:
    """Return a data set's or a detector's name as names are compared: without folder, ending, case and punctuation."""
    plain = source.strip().casefold()
    if "://" not in plain and ":" not in plain:
        plain = re.sub(r"\.(jsonl|json|csv|tsv|parquet|gz)\b", "", plain.rstrip("/").rpartition("/")[2])
    return _WORD.sub("_", plain)


def _behind(config: Any) -> set[str]:  # noqa: ANN401 - DetectorConfig, whose options are plain values
    if config.use == "embedded":
        return _embedded()
    named = {str(config.options[option]) for option in _MODEL_OPTIONS if config.options.get(option)}
    return {name_of(config.use), *(name_of(each) for each in named)}


def _embedded() -> set[str]:
    from alignment.classifiers.sources import SOURCES

    return {"embedded", *SOURCES}
