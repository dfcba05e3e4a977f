"""Build TRL's trainer for a step: its own configuration from the step's settings, and nothing that TRL does itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch  # this module is loaded by a training run only
import trl
from datasets import Dataset
from peft import LoraConfig
from transformers import PrinterCallback, TrainingArguments, set_seed

from alignment.models.loading import Loaded, ModelError, load
from alignment.training.data import Material
from alignment.training.means import Means
from alignment.training.settings import (
    Common,
    Cpo,
    Distil,
    Dpo,
    Grpo,
    Kto,
    LoraSettings,
    ModelSettings,
    Online,
    OnlineDpo,
    Orpo,
    Reward,
    Rloo,
    Sft,
    name_of,
)

RewardFunction = Callable[..., list[float | None]]
Values = dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """All that a trainer is built of.

    Attributes:
        rewards: For online methods, with their weights.
    """

    step: Common
    model: ModelSettings
    loaded: Loaded
    material: Material
    out: Path
    seed: int
    callbacks: Sequence[Any] = ()
    rewards: Sequence[tuple[RewardFunction, float]] = ()


def trainer_of(job: Job) -> Any:  # noqa: ANN401 - TRL's trainers have no common type of their own
    """Return the trainer of a job, ready to train."""
    set_seed(job.seed)
    step = job.step
    build = _BUILDERS[type(step)]
    trainer = build(step, job)
    trainer.remove_callback(PrinterCallback)  # lines are told by a callback of the job
    return trainer


def _sft(step: Sft, job: Job) -> Any:  # noqa: ANN401
    config = trl.SFTConfig(**_common(job), max_length=step.max_length, packing=step.packing)
    rows = [_completed(row) for row in job.material.train]
    return trl.SFTTrainer(**_parts(job, config, rows, [_completed(row) for row in job.material.validation]))


def _completed(row: Mapping[str, Any]) -> Values:
    """Return a conversation as a prompt and its last answer, so that only the answer is learned."""
    if "messages" not in row:
        return dict(row)
    return {"prompt": row["messages"][:-1], "completion": row["messages"][-1:]}


def _reward(step: Reward, job: Job) -> Any:  # noqa: ANN401
    config = trl.RewardConfig(**_common(job), max_length=step.max_length, center_rewards_coefficient=step.center)
    return trl.RewardTrainer(**_parts(job, config, task="SEQ_CLS"))


def _dpo(step: Dpo, job: Job) -> Any:  # noqa: ANN401
    losses: list[str] = [step.loss, "sft"] if step.sft_weight else [step.loss]
    config = trl.DPOConfig(
        **_common(job),
        max_length=step.max_length,
        beta=step.beta,
        loss_type=losses,
        loss_weights=[1.0, step.sft_weight] if step.sft_weight else None,
        label_smoothing=step.label_smoothing,
        precompute_ref_log_probs=_reads_all(step, job),
    )
    return trl.DPOTrainer(**_parts(job, config), ref_model=_reference(job))


def _kto(step: Kto, job: Job) -> Any:  # noqa: ANN401
    config = trl.KTOConfig(
        **_common(job),
        max_length=step.max_length,
        beta=step.beta,
        desirable_weight=step.desirable_weight,
        undesirable_weight=step.undesirable_weight,
    )
    shuffled = Dataset.from_list(list(job.material.train)).shuffle(seed=job.seed)  # TRL keeps the order, as its KL term wants it
    return trl.KTOTrainer(**_parts(job, config, list(shuffled)), ref_model=_reference(job))


def _orpo(step: Orpo, job: Job) -> Any:  # noqa: ANN401
    from trl.experimental.orpo import ORPOConfig, ORPOTrainer

    config = ORPOConfig(**_common(job), max_length=step.max_length, beta=step.beta)
    return ORPOTrainer(**_parts(job, config))


def _cpo(step: Cpo, job: Job) -> Any:  # noqa: ANN401
    from trl.experimental.cpo import CPOConfig, CPOTrainer

    config = CPOConfig(**_common(job), max_length=step.max_length, beta=step.beta, loss_type=step.loss)
    return CPOTrainer(**_parts(job, config))


def _distil(step: Distil, job: Job) -> Any:  # noqa: ANN401
    teacher = load(ModelSettings(path=step.teacher))
    if len(teacher.tokenizer) != len(job.loaded.tokenizer) or teacher.tokenizer.get_vocab() != job.loaded.tokenizer.get_vocab():
        raise ModelError(f"{step.teacher}: expected a teacher with the tokenizer of {job.model.path}, found another one")
    config = trl.DistillationConfig(
        **_common(job), max_completion_length=step.max_new_tokens, temperature=step.temperature, beta=step.beta
    )
    return trl.DistillationTrainer(**_parts(job, config), teacher_model=teacher.model)


def _rloo(step: Rloo, job: Job) -> Any:  # noqa: ANN401
    config = trl.RLOOConfig(**_common(job), **_sampling(step, job))
    return trl.RLOOTrainer(**_parts(job, config), reward_funcs=[reward for reward, _ in job.rewards])


def _grpo(step: Grpo, job: Job) -> Any:  # noqa: ANN401
    config = trl.GRPOConfig(**_common(job), **_sampling(step, job), loss_type=step.loss)
    return trl.GRPOTrainer(**_parts(job, config), reward_funcs=[reward for reward, _ in job.rewards])


def _online_dpo(step: OnlineDpo, job: Job) -> Any:  # noqa: ANN401
    from trl.experimental.online_dpo import OnlineDPOConfig, OnlineDPOTrainer

    means = Means()
    config = OnlineDPOConfig(
        **_common(job),
        max_length=step.max_length,
        max_new_tokens=step.max_new_tokens,
        temperature=step.temperature,
        beta=step.beta,
        loss_type=step.loss,
        reward_weights=[weight for _, weight in job.rewards],
        use_vllm=step.vllm != "no",
        **({"vllm_mode": step.vllm} if step.vllm != "no" else {}),
    )
    parts = _parts(dataclasses.replace(job, callbacks=[means, *job.callbacks]), config)
    rewards = [means.of(reward) for reward, _ in job.rewards]
    return OnlineDPOTrainer(**parts, ref_model=_reference(job), reward_funcs=rewards)


_BUILDERS: Mapping[type[Common], Callable[..., Any]] = {
    Sft: _sft,
    Reward: _reward,
    Dpo: _dpo,
    Kto: _kto,
    Orpo: _orpo,
    Cpo: _cpo,
    Distil: _distil,
    Rloo: _rloo,
    Grpo: _grpo,
    OnlineDpo: _online_dpo,
}


_FIELDS = {field.name for field in dataclasses.fields(TrainingArguments)}
_CHECKPOINTING = next(name for name in ("activation_checkpointing", "gradient_checkpointing") if name in _FIELDS)
"""Its older name went with transformers 5.20."""


def _common(job: Job) -> Values:
    """Return what all of TRL's configurations know."""
    step, gpu = job.step, torch.cuda.is_available()
    bf16 = step.bf16 if step.bf16 is not None else gpu and torch.cuda.is_bf16_supported()
    evaluates = step.evaluate_every > 0 and bool(job.material.validation)
    return {
        "output_dir": str(job.out / "checkpoints"),
        "learning_rate": step.learning_rate,
        "num_train_epochs": step.epochs,
        "max_steps": step.max_steps,
        "per_device_train_batch_size": step.batch_size,
        "per_device_eval_batch_size": step.batch_size,
        "gradient_accumulation_steps": step.gradient_accumulation,
        "warmup_steps": step.warmup,
        "lr_scheduler_type": step.schedule,
        "weight_decay": step.weight_decay,
        "max_grad_norm": step.max_grad_norm,
        "bf16": bf16,
        _CHECKPOINTING: step.gradient_checkpointing if step.gradient_checkpointing is not None else gpu,
        "save_strategy": "steps",
        "save_steps": step.checkpoint_every,
        "save_total_limit": step.keep_checkpoints,
        "logging_steps": step.log_every,
        "logging_nan_inf_filter": False,
        "eval_strategy": "steps" if evaluates else "no",
        "eval_steps": step.evaluate_every or None,
        "seed": job.seed,
        "data_seed": job.seed,
        "use_cpu": not gpu,
        "dataloader_pin_memory": gpu,
        "report_to": [name for name in step.report_to if name != "tensorboard"] or "none",
        "run_name": name_of(step),
        "disable_tqdm": True,
    }


def _parts(
    job: Job,
    config: Any,  # noqa: ANN401
    train: Sequence[Mapping[str, Any]] | None = None,
    validation: Sequence[Mapping[str, Any]] | None = None,
    *,
    task: str = "CAUSAL_LM",
) -> Values:
    held = job.material.validation if validation is None else validation
    return {
        "model": job.loaded.model,
        "args": config,
        "train_dataset": Dataset.from_list(list(job.material.train if train is None else train)),
        "eval_dataset": Dataset.from_list(list(held)) if held and job.step.evaluate_every else None,
        "processing_class": job.loaded.tokenizer,
        "peft_config": _lora(job.step.lora, task),
        "callbacks": [*job.callbacks, *_tensorboard(job)],
    }


def _tensorboard(job: Job) -> list[Any]:
    """Return what writes for TensorBoard, beside the metrics, as checkpoints are gone in the end."""
    if "tensorboard" not in job.step.report_to:
        return []
    from torch.utils.tensorboard import SummaryWriter
    from transformers.integrations.integration_utils import TensorBoardCallback

    writer = SummaryWriter(str(job.out / "tensorboard"))
    return [TensorBoardCallback(writer)]  # type: ignore[no-untyped-call]  # it has no types


def _lora(settings: LoraSettings | None, task: str) -> LoraConfig | None:
    if settings is None:
        return None
    target = settings.target if isinstance(settings.target, str) else list(settings.target)
    return LoraConfig(
        r=settings.rank, lora_alpha=settings.alpha, lora_dropout=settings.dropout, target_modules=target, task_type=task
    )


def _reads_all(step: Common, job: Job) -> bool:
    """Return whether a run comes to every record, so that knowing the reference's view of all of them saves time."""
    read = step.max_steps * step.batch_size * step.gradient_accumulation
    return read >= len(job.material.train) if step.max_steps > 0 else step.epochs >= 1


def _reference(job: Job) -> Any:  # noqa: ANN401
    """Return the model as it was; None with adapters, where it is the model with the adapter off."""
    return load(job.model).model if job.step.lora is None else None


def _sampling(step: Online, job: Job) -> Values:
    return {
        "num_generations": step.generations,
        "max_completion_length": step.max_new_tokens,
        "temperature": step.temperature,
        "beta": step.beta,
        "reward_weights": [weight for _, weight in job.rewards],
        "use_vllm": step.vllm != "no",
        **({"vllm_mode": step.vllm} if step.vllm != "no" else {}),
    }
