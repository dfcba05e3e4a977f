"""Figures of single prompts, and the measure that they make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alignment.evaluation.result import Aspect, Judge, Measure
from alignment.evaluation.settings import EvaluationSettings
from alignment.evaluation.statistics import Floats, compared, interval_of, needed


@dataclass(frozen=True, slots=True)
class About:
    """What a measure is about, whatever is found."""

    name: str
    aspect: Aspect
    meaning: str
    better: str = ""
    unit: str = "rate"


def measure(
    about: About,
    before: Floats,
    after: Floats,
    settings: EvaluationSettings,
    *,
    part: str = "",
    answers: int = 1,
    judges: Sequence[Judge] = (),
) -> Measure:
    """Return the measure of one figure of each prompt.

    Args:
        before: The baseline's.
        after: The candidate's, of the same prompts.
        answers: To each prompt; a figure is their mean.
        judges: Who judged; their names are joined, and they are independent where all of them are.
    """
    named: Any = {"name": about.name, "aspect": about.aspect, "meaning": about.meaning, "better": about.better}
    rate = about.unit == "rate"
    told: dict[str, Any] = {
        "part": part,
        "unit": about.unit,
        "evaluator": "+".join(judge.name for judge in judges),
        "independent": all(judge.independent for judge in judges),
        "prompts": before.size,
        "answers": before.size * answers,
    }
    if not before.size:
        return Measure(**named, **told, reason="no prompt")
    how: dict[str, Any] = {"level": settings.level, "draws": settings.draws, "rate": rate, "seed": settings.asking.seed}
    spread = float((after - before).std(ddof=1)) if before.size > 1 else None
    difference = compared(before, after, **how)
    wanted = needed(spread, settings.margin, settings.level) if rate and spread is not None else None
    few = "" if difference.interval else f"too few prompts for an interval: {before.size}"
    return Measure(
        **named,
        **told,
        baseline=float(before.mean()),
        candidate=float(after.mean()),
        baseline_interval=interval_of(before, **how),
        candidate_interval=interval_of(after, **how),
        difference=difference,
        spread=spread,
        needed=wanted,
        reason=few,
    )


def alone(about: About, baseline: float | None, candidate: float | None, *, answers: int = 0, reason: str = "") -> Measure:
    """Return a measure of all answers together, which has no figure of single prompts."""
    named: Any = {"name": about.name, "aspect": about.aspect, "meaning": about.meaning, "better": about.better}
    return Measure(**named, unit=about.unit, answers=answers, baseline=baseline, candidate=candidate, reason=reason)


def means(values: Sequence[Sequence[float | bool]]) -> Floats:
    """Return the mean over the answers of each prompt."""
    return np.array([float(np.mean(each)) for each in values], dtype=np.float64)


def each_answer(answers: Sequence[Sequence[Any]], figure: Callable[[Any], float]) -> Floats:
    """Return the mean of a figure over the answers of each prompt."""
    return means([[figure(answer) for answer in some] for some in answers])
