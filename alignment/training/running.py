"""Run one training step: check all that can be checked, train, keep the product and its record."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from alignment.data.rows import DataError
from alignment.models.loading import digest_of, load, load_tokenizer
from alignment.records_of_steps import FILE, StepRecord, read_record, versions, write_record
from alignment.training.checkpoints import latest, not_written, same_run
from alignment.training.data import Material, material
from alignment.training.errors import Stopped, TrainingError
from alignment.training.preflight import check, check_targets, fitted
from alignment.training.settings import Common, ModelSettings, Online, Reward, method_of, name_of
from alignment.training.telling import Tell, quieten, telling
from guard.errors import TenetError
from guard.scanning.lock import locked

if TYPE_CHECKING:
    from alignment.rewards.base import Reward as RewardSource

PRODUCT = "model"
"""The folder, within a step's, that holds what was trained: an adapter, or all weights."""

_OF_NO_CONSEQUENCE = ("name", "data", "log_every", "evaluate_every", "checkpoint_every", "keep_checkpoints", "report_to")
"""Settings that may differ when a run goes on: the weights become the same."""


def run(
    step: Common,
    *,
    model: ModelSettings,
    data: Path,
    out: Path,
    seed: int = 0,
    rewards: Sequence[RewardSource] = (),
    inputs: dict[str, str] | None = None,
    tell: Tell | None = None,
) -> StepRecord:
    """Train, and return the step's record; goes on from the last whole checkpoint where an earlier run was ended.

    A step that is done already is not done again.

    Args:
        step: What to do; see `alignment.training.settings`.
        model: What to train.
        data: A folder that `align data` wrote.
        out: The step's folder: `model`, `metrics.jsonl`, `step.json`, and `checkpoints` until it is done.
        seed: Of shuffling, initialisation and sampling.
        rewards: What online methods are rewarded by.
        inputs: Digests of what else went in, for the record.
        tell: Is given a line now and then; standard error where None.

    Raises:
        TenetError: For settings, a model or data that cannot be trained with, before anything is trained.
        Stopped: Where the process was told to end; the same call goes on.
        TrainingError: Where the loss is no number any more, or the memory or the disk does not suffice.
    """
    check(step, model)
    if isinstance(step, Online) and not rewards:
        raise TenetError(f"{name_of(step)}: expected rewards, got none: {method_of(step)} learns from nothing else")
    began = time.monotonic()
    shorter = fitted(step, model)
    found = material(shorter, data, load_tokenizer(model))
    if isinstance(step, Reward) and found.truncated == len(found.train):
        raise DataError(f"{data}: expected pairs of at most max_length ({shorter.max_length:,}) tokens, found only longer ones")
    made_of = {"model": digest_of(model), "data": found.digest, **(inputs or {})}
    settings = _plain(step)
    with telling(tell) as (say, show), _alone(out):
        before = _done_before(out, settings, made_of, seed)
        if before is not None:
            say(f"{out}: done already")
            return before
        _say_lengths(step, shorter, found, say)
        job = _Asked(shorter, model, found, out, seed, rewards, say, show)
        figures, notes = _train(
            job, {**_weighty(settings), **made_of, "seed": seed, "processes": os.environ.get("WORLD_SIZE", "1")}
        )
        record = StepRecord(
            kind=method_of(step),
            name=name_of(step),
            settings=settings,
            inputs=made_of,
            model=_plain(_product(step, model, out)),
            figures={**figures, **_counts(found)},
            notes=(*(reward.described for reward in rewards), *notes),
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


class _Asked(msgspec.Struct, frozen=True):
    step: Common
    model: ModelSettings
    found: Material
    out: Path
    seed: int
    rewards: Sequence[Any]
    say: Tell
    show: Tell


def _train(asked: _Asked, made_of: dict[str, Any]) -> tuple[dict[str, float], tuple[str, ...]]:
    step, out, checkpoints = asked.step, asked.out, asked.out / "checkpoints"
    quieten()
    loaded = load(_as_trained(step, asked.model), head="score" if isinstance(step, Reward) else "causal", train=True)
    check_targets(loaded.model, step.lora)
    if _first_process():
        same_run(checkpoints, made_of)
    from alignment.training.ending import Sound, Stop
    from alignment.training.progress import Progress, Whole
    from alignment.training.stopping import Signs, restore
    from alignment.training.trainers import Job, trainer_of

    progress, stop, checkpoint = Progress(out, asked.show), Stop(), latest(checkpoints)
    functions = [(reward.function, reward.weight) for reward in asked.rewards]
    signs = Signs(step.stop_early) if isinstance(step, Online) and step.stop_early is not None else None
    watching = [progress, Sound(), Whole(), stop, *([signs] if signs is not None else [])]
    job = Job(step, asked.model, loaded, asked.found, out, asked.seed, watching, functions)
    notes: tuple[str, ...] = ()
    try:
        with stop.listening():
            trainer = trainer_of(job)
            if checkpoint is not None:
                asked.say(f"going on from {checkpoint.name}")
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        state = trainer.state
        if stop.asked and state.global_step < state.max_steps:
            told = f"stopped after step {state.global_step} of {state.max_steps}; the same command goes on from there"
            raise Stopped(told, status=128 + stop.asked)
        trainer.save_model(str(out / PRODUCT))
        if _first_process():
            loaded.tokenizer.save_pretrained(str(out / PRODUCT))
        if signs is not None and signs.reason:
            kept = restore(checkpoints, out / PRODUCT, signs.good) if _first_process() else 0
            which = f"the weights are those of step {kept or state.global_step}"
            notes = (f"stopped early at step {state.global_step}: {signs.reason}; {which}",)
            asked.say(notes[0])
    except Exception as error:
        told_error = _as_told(error, step, out)
        if told_error is None:
            raise
        raise told_error from error
    return {name: float(value) for name, value in progress.last.items()}, notes


def _as_told(error: Exception, step: Common, out: Path) -> TenetError | None:
    """Return what a user is told of an error; None for one that nobody expected."""
    if isinstance(error, TenetError):
        return None
    from accelerate.utils.memory import should_reduce_batch_size  # type: ignore[import-untyped]  # it ships no types

    if isinstance(error, MemoryError) or should_reduce_batch_size(error):
        return TrainingError(
            f"{name_of(step)}: the memory does not suffice; checkpoints are kept (halve batch_size and double "
            "gradient_accumulation; or set gradient_checkpointing, a lower max_length, LoRA, or quantization: 4bit; "
            "`align train --plan` says what would fit)"
        )
    return not_written(error, out)


def _as_trained(step: Common, model: ModelSettings) -> ModelSettings:
    """Return a model as it is loaded to be trained: where all weights learn, as float32, or small steps would be rounded away."""
    if step.lora is None and model.dtype == "auto":
        return msgspec.structs.replace(model, dtype="float32")
    return model


def _alone(out: Path) -> AbstractContextManager[None]:
    """Hold the folder against other runs; the processes of one run share it."""
    if not _first_process():
        return nullcontext()
    try:
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TenetError(f"{out}: cannot be made: {error.strerror}") from error
    return locked(out.absolute().with_name(f"{out.name}.lock"))


def _done_before(out: Path, settings: dict[str, Any], made_of: dict[str, str], seed: int) -> StepRecord | None:
    if not done(out):
        return None
    record = read_record(out)
    if (_weighty(record.settings), record.inputs, record.seed) == (_weighty(settings), made_of, seed):
        return record
    raise TenetError(
        f"{out}: expected nothing there, found the product of another step (remove it, or train into another folder)"
    )


def _weighty(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in _OF_NO_CONSEQUENCE}


def _plain(settings: msgspec.Struct) -> dict[str, Any]:
    """Return settings as they come back from a file."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(settings))
    return plain


def _say_lengths(step: Common, shorter: Common, found: Material, say: Tell) -> None:
    if found.truncated:
        what = "left out" if isinstance(step, Reward) else "cut at their end"
        limit = "max_length" if shorter.max_length == step.max_length else "the model's context"
        say(
            f"{found.truncated:,} of {len(found.train):,} records are longer than {limit} ({shorter.max_length:,} tokens), "
            f"and are {what}: {found.lost:,} tokens too many"
        )


def _counts(found: Material) -> dict[str, float]:
    counted = {"records": len(found.train), "truncated": found.truncated, "tokens_lost": found.lost, "tokens": found.tokens}
    return {name: float(count) for name, count in counted.items()}


def _product(step: Common, model: ModelSettings, out: Path) -> ModelSettings:
    """Return how the product is loaded."""
    if step.lora is None:
        return ModelSettings(path=str(out / PRODUCT), dtype=model.dtype)
    return msgspec.structs.replace(model, adapters=(*model.adapters, str(out / PRODUCT)))


def _first_process() -> bool:
    return os.environ.get("RANK", "0") == "0"
