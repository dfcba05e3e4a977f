"""Tasks of lm-evaluation-harness, run on both models where it is installed."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from typing import Any

from alignment.evaluation.columns import About, alone
from alignment.evaluation.result import Measure
from alignment.evaluation.settings import LmEval
from alignment.evaluation.subjects import LocalModel, Model
from guard.errors import TenetError


def require(settings: LmEval) -> None:
    """Raise TenetError where tasks are asked for and the harness is not installed."""
    if settings.tasks and importlib.util.find_spec("lm_eval") is None:
        raise TenetError("lm_eval.tasks need the package lm-eval: pip install lm-eval (or leave lm_eval.tasks empty)")


def of_tasks(settings: LmEval, baseline: Model, candidate: Model, seed: int) -> Iterator[Measure]:
    """Yield a measure for each figure of each task.

    Raises:
        TenetError: Where a model is not in a folder, or a task cannot be run.
    """
    if not settings.tasks:
        return
    before, after = (_run(settings, model, seed) for model in (baseline, candidate))
    for key in sorted(before.keys() & after.keys()):
        about = About(f"lm_eval/{key}", "helpfulness", f"lm-evaluation-harness: {key}", "higher", "score")
        yield alone(about, before[key], after[key], reason="the harness gives no figures of single prompts here")


def _run(settings: LmEval, model: Model, seed: int) -> Mapping[str, float]:
    if not isinstance(model, LocalModel):
        raise TenetError(
            f"{model.subject.name}: lm_eval.tasks need a model in a folder, got a server (leave lm_eval.tasks empty)"
        )
    lm_eval: Any = importlib.import_module("lm_eval")
    wrapped: Any = importlib.import_module("lm_eval.models.huggingface").HFLM
    loaded = model.loaded
    try:
        found: Any = lm_eval.simple_evaluate(
            model=wrapped(pretrained=loaded.model, tokenizer=loaded.tokenizer),
            tasks=list(settings.tasks),
            limit=settings.limit,
            random_seed=seed,
            numpy_random_seed=seed,
            torch_random_seed=seed,
            bootstrap_iters=0,
        )
    except (KeyError, ValueError, OSError, ConnectionError) as error:
        raise TenetError(f"lm_eval.tasks: {', '.join(settings.tasks)} cannot be run: {str(error)[:200]}") from error
    model.close()
    figures: dict[str, float] = {}
    for task, values in found["results"].items():
        for name, value in values.items():
            if isinstance(value, int | float) and "stderr" not in name:
                figures[f"{task}.{name.partition(',')[0]}"] = float(value)
    return figures
