"""Run one training step: check all that can be checked, train, keep the product and its record."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from alignment.models.loading import Loaded, digest_of, load, load_tokenizer
from alignment.records_of_steps import FILE, StepRecord, versions, write_record
from alignment.training.checkpoints import latest
from alignment.training.data import material
from alignment.training.settings import Common, ModelSettings, Online, Reward, method_of, name_of, problems
from guard.errors import TenetError

if TYPE_CHECKING:
    from alignment.rewards.base import Reward as RewardSource

PRODUCT = "model"
"""The folder, within a step's, that holds what was trained: an adapter, or all weights."""


def run(
    step: Common,
    *,
    model: ModelSettings,
    data: Path,
    out: Path,
    seed: int = 0,
    rewards: Sequence[RewardSource] = (),
    inputs: dict[str, str] | None = None,
    tell: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
) -> StepRecord:
    """Train, and return the step's record; goes on from the last whole checkpoint where an earlier run was ended.

    Args:
        step: What to do; see `alignment.training.settings`.
        model: What to train.
        data: A folder that `align data` wrote.
        out: The step's folder: `model`, `metrics.jsonl`, `step.json`, and `checkpoints` until it is done.
        seed: Of shuffling, initialisation and sampling.
        rewards: What online methods are rewarded by.
        inputs: Digests of what else went in, for the record.
        tell: Is given a line now and then.

    Raises:
        TenetError: For settings, a model or data that cannot be trained with, before anything is trained.
        Stopped: Where the process was told to end; the same call goes on.
        TrainingError: Where the loss is no number any more, or the memory or the disk does not suffice.
    """
    faults = problems(step)
    if faults:
        path, expected, got = faults[0]
        raise TenetError(f"{name_of(step)}.{path}: expected {expected}, got {got}")
    if isinstance(step, Online) and not rewards:
        raise TenetError(f"{name_of(step)}: expected rewards, got none: {method_of(step)} learns from nothing else")
    began = time.monotonic()
    found = material(step, data, load_tokenizer(model))
    if found.truncated:
        tell(f"{found.truncated:,} of {len(found.train):,} records are longer than max_length, and are cut")
    loaded = load(model, head="score" if isinstance(step, Reward) else "causal", train=True)
    out.mkdir(parents=True, exist_ok=True)
    figures = _train(step, model, loaded, found, out, seed, rewards, tell)
    record = StepRecord(
        kind=method_of(step),
        name=name_of(step),
        settings=msgspec.to_builtins(step),
        inputs={"model": digest_of(model), "data": found.digest, **(inputs or {})},
        model=msgspec.to_builtins(_product(step, model, out)),
        figures={**figures, "records": float(len(found.train)), "truncated": float(found.truncated)},
        notes=tuple(reward.described for reward in rewards),
        versions=versions(),
        seed=seed,
        seconds=round(time.monotonic() - began, 1),
    )
    if _first_process():
        write_record(out, record)
        shutil.rmtree(out / "checkpoints", ignore_errors=True)
    return record


def done(out: Path) -> bool:
    """Return whether a step's folder holds its whole product."""
    return (out / FILE).is_file()


def _train(
    step: Common,
    model: ModelSettings,
    loaded: Loaded,
    found: Any,  # noqa: ANN401
    out: Path,
    seed: int,
    rewards: Sequence[RewardSource],
    tell: Callable[[str], None],
) -> dict[str, float]:
    import torch

    from alignment.training.progress import Progress, Stop, Stopped, TrainingError, Whole
    from alignment.training.trainers import Job, trainer_of

    progress, stop = Progress(out, tell), Stop()
    functions = [(reward.function, reward.weight) for reward in rewards]
    job = Job(step, model, loaded, found, out, seed, [progress, Whole(), stop], functions)
    checkpoint = latest(out / "checkpoints")
    try:
        trainer = trainer_of(job)
        if checkpoint is not None:
            tell(f"going on from {checkpoint.name}")
        with stop.listening():
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        if stop.asked and trainer.state.global_step < trainer.state.max_steps:
            raise Stopped(
                f"stopped after step {trainer.state.global_step} of {trainer.state.max_steps}; the same command goes on"
            )
        trainer.save_model(str(out / PRODUCT))
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise TrainingError(
            f"{name_of(step)}: the memory does not suffice (halve batch_size and double gradient_accumulation; "
            "or set gradient_checkpointing, a lower max_length, LoRA, or quantization: 4bit)"
        ) from error
    except OSError as error:
        if error.errno is None:
            raise
        raise TrainingError(
            f"{out}: cannot be written: {error.strerror}; earlier checkpoints are kept, and the same command goes on"
        ) from error
    if _first_process():
        loaded.tokenizer.save_pretrained(str(out / PRODUCT))
    return {name: float(value) for name, value in progress.last.items()}


def _product(step: Common, model: ModelSettings, out: Path) -> ModelSettings:
    """Return how the product is loaded."""
    if step.lora is None:
        return ModelSettings(path=str(out / PRODUCT), dtype=model.dtype)
    return msgspec.structs.replace(model, adapters=(*model.adapters, str(out / PRODUCT)))


def _first_process() -> bool:
    import os

    return os.environ.get("RANK", "0") == "0"
