"""Count what a training step consists of, by the model's config alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from alignment.models.loading import check
from alignment.recipe.rehearsal import CannotRehearse, Rehearsed, fuse_head, largest_part, rehearse
from alignment.records_of_steps import FILE, read_record
from alignment.rewards.settings import ModelReward, StepReward
from alignment.training.settings import (
    Common,
    Distil,
    Dpo,
    Grpo,
    Kto,
    LoraSettings,
    ModelSettings,
    Online,
    Reward,
    Rloo,
    Sft,
    method_of,
)

_SEQUENCES = {"dpo": 2, "kto": 2, "reward": 2, "orpo": 2, "cpo": 2, "online_dpo": 2}
"""Sequences that an example of a method is; 1 where not named. With kto one of them is for its KL term."""
_FUSED = (Sft, Dpo, Kto, Rloo, Grpo)
"""Methods whose trainers work out logarithms of probabilities in pieces; the others have all logits at a time."""
_BYTES_4BIT = 0.53
"""A weight in NF4 with its scales, quantised once more: T. Dettmers et al., "QLoRA" (2023), section 3."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a step is to run on.

    Attributes:
        memory: Bytes of each device; 0 for those that are free here.
    """

    gpu: bool
    memory: int = 0

    @classmethod
    def here(cls) -> Target:
        """Return this machine."""
        import torch

        return cls(torch.cuda.is_available())

    @property
    def is_here(self) -> bool:
        """Whether it is this machine, so that its speed can be measured."""
        return not self.memory

    def checkpoints(self, step: Common) -> bool:
        """Return whether activations are computed twice there, as the trainers decide it."""
        return self.gpu if step.gradient_checkpointing is None else step.gradient_checkpointing


@dataclass(frozen=True, slots=True)
class Counted:
    """What a step consists of, on one device that has all of it.

    Attributes:
        parameters: Of the model.
        trained: Numbers that learn.
        weights: Bytes.
        gradients: Bytes.
        activations: Bytes at the most, with the logits and what comes and goes beside them.
        operations: Of a forward and a backward pass over one batch.
        largest: Bytes of the largest part that is gathered as one where weights are spread.
        teacher: Bytes of the larger model, where there is one.
        rewards: Bytes of reward models.
        cache: Bytes of keys and values while answers are sampled.
        hidden: Size of a layer's output.
        rehearsed: Whether activations and operations come of a rehearsal, or of a formula.
    """

    parameters: int
    trained: int
    weights: int
    gradients: int
    activations: int
    operations: int
    largest: int
    teacher: int
    rewards: int
    cache: int
    hidden: int
    rehearsed: bool


@lru_cache(maxsize=64)
def count(step: Common, model: ModelSettings, target: Target) -> Counted:
    """Return what a step consists of.

    Raises:
        ModelError: Where there is no such model, or no such teacher or reward model.
    """
    size = _size(model, target, trained=step.lora is None)
    config = _config(model)
    empty = _empty(config, model, size, score=isinstance(step, Reward))
    base = sum(each.numel() for each in empty.parameters())
    weights = _weights(empty, model, size)
    largest = largest_part(empty)
    learning = _learning(empty, step, target)
    sequences = step.batch_size * _SEQUENCES.get(method_of(step), 1)
    found, rehearsed = _rehearsed(learning, base, step, sequences, target), True
    gradients = sum(each.numel() * each.element_size() for each in learning.parameters() if each.requires_grad)
    if found is None:
        found, rehearsed = _by_formula(step, config, base, learning, sequences, target), False
    tokens, vocabulary = sequences * step.max_length, int(_text(config).vocab_size)
    beside = 2 * 4 * tokens * vocabulary if isinstance(step, Distil) else 0  # the teacher's view, and the difference
    return Counted(
        parameters=base,
        trained=found.trained,
        weights=weights,
        gradients=gradients,
        activations=max(found.peak - gradients, 0) + beside,
        operations=found.operations,
        largest=largest * size,
        teacher=_of_model(ModelSettings(path=step.teacher), target) if isinstance(step, Distil) else 0,
        rewards=_rewards(step, model, target),
        cache=_cache(step, _text(config), size),
        hidden=int(_text(config).hidden_size),
        rehearsed=rehearsed,
    )


def _size(model: ModelSettings, target: Target, *, trained: bool) -> int:
    """Return the bytes of a weight, as `alignment.training.running` loads it."""
    if model.dtype == "auto":
        return 2 if target.gpu and not trained else 4
    return 2 if model.dtype == "bfloat16" else 4


def _config(model: ModelSettings) -> Any:  # noqa: ANN401
    from transformers import AutoConfig

    more = {"gguf_file": model.gguf_file} if model.gguf_file else {}
    return AutoConfig.from_pretrained(model.path, trust_remote_code=model.trust_remote_code, local_files_only=True, **more)


def _text(config: Any) -> Any:  # noqa: ANN401
    """Return the part of a config that speaks of the language model, where there are others."""
    return config.get_text_config()


def _empty(config: Any, model: ModelSettings, size: int, *, score: bool) -> Any:  # noqa: ANN401
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    kind = AutoModelForSequenceClassification if score else AutoModelForCausalLM
    if score:
        config.num_labels, config.pad_token_id = 1, config.pad_token_id or 0
    dtype = torch.bfloat16 if size == 2 else torch.float32
    with torch.device("meta"):
        return kind.from_config(config, trust_remote_code=model.trust_remote_code, dtype=dtype)  # type: ignore[no-untyped-call]  # it has no types


def _weights(empty: Any, model: ModelSettings, size: int) -> int:  # noqa: ANN401
    """Return the bytes of the weights; what is quantised is the linear layers but the head."""
    from torch import nn

    everything = int(sum(each.numel() for each in empty.parameters()))
    if model.quantization == "none":
        return everything * size
    linear = sum(
        part.weight.numel()
        for name, part in empty.named_modules()
        if isinstance(part, nn.Linear) and not name.endswith(("lm_head", "score"))
    )
    return round(linear * (1 if model.quantization == "8bit" else _BYTES_4BIT) + (everything - linear) * size)


def _learning(empty: Any, step: Common, target: Target) -> Any:  # noqa: ANN401
    """Return a model as its trainer has it: with adapters, and with activations computed twice where that is asked for."""
    import torch

    if isinstance(step, _FUSED):
        fuse_head(empty)
    if step.lora is not None:
        with torch.device("meta"):
            empty = _adapted(empty, step.lora, "SEQ_CLS" if isinstance(step, Reward) else "CAUSAL_LM")
    empty.train()
    if target.checkpoints(step):
        getattr(empty, "activation_checkpointing_enable", empty.gradient_checkpointing_enable)()  # its older name goes
        if step.lora is not None:
            empty.enable_input_require_grads()
    return empty


def _adapted(empty: Any, lora: LoraSettings, task: str) -> Any:  # noqa: ANN401
    from peft import LoraConfig, get_peft_model

    from alignment.training.preflight import check_targets

    check_targets(empty, lora)
    layers = lora.target if isinstance(lora.target, str) else list(lora.target)
    return get_peft_model(empty, LoraConfig(r=lora.rank, lora_dropout=lora.dropout, target_modules=layers, task_type=task))


def _rehearsed(learning: Any, base: int, step: Common, sequences: int, target: Target) -> Rehearsed | None:  # noqa: ANN401
    try:
        bf16 = target.gpu if step.bf16 is None else step.bf16
        return rehearse(learning, base, sequences, step.max_length, bf16=bf16)
    except CannotRehearse:
        return None


def _by_formula(step: Common, config: Any, base: int, learning: Any, sequences: int, target: Target) -> Rehearsed:  # noqa: ANN401
    """Follow V. Korthikanti et al., "Reducing Activation Recomputation in Large Transformer Models" (2022): 34 bytes.

    That is for a token, layer and hidden unit at two bytes a number, with attention in memory-saving form. The logits, their
    logarithms and their gradients come on top.
    """
    text = _text(config)
    size = 2 if target.gpu else 4
    tokens = sequences * step.max_length
    layer = 34 * tokens * int(text.hidden_size) * size // 2
    layers = int(text.num_hidden_layers)
    kept = layer + layers * tokens * int(text.hidden_size) * size if target.checkpoints(step) else layers * layer
    learn = [each for each in learning.parameters() if each.requires_grad]
    gradients = sum(each.numel() * each.element_size() for each in learn)
    operations = 2 * base * tokens * (3 + target.checkpoints(step))
    peak = kept + 3 * 4 * tokens * int(text.vocab_size) + gradients
    return Rehearsed(base, sum(each.numel() for each in learn), peak, operations, 0)


def _rewards(step: Common, model: ModelSettings, target: Target) -> int:
    """Return the bytes of the reward models that are loaded beside a step."""
    found = 0
    for reward in step.rewards if isinstance(step, Online) else ():
        if isinstance(reward, ModelReward):
            record = Path(reward.path) / FILE
            kept = read_record(record.parent).model if record.is_file() else {"path": reward.path}
            found += _of_model(msgspec.convert(kept, ModelSettings), target)
        elif isinstance(reward, StepReward):  # it is made of the recipe's model
            found += _of_model(model, target)
    return found


def _of_model(model: ModelSettings, target: Target) -> int:
    check(model)
    size = _size(model, target, trained=False)
    return _weights(_empty(_config(model), model, size, score=False), model, size)


def _cache(step: Common, text: Any, size: int) -> int:  # noqa: ANN401
    """Return the bytes of keys and values of all the answers that are sampled at a time."""
    if not isinstance(step, Online | Distil):
        return 0
    sequences = step.batch_size * _SEQUENCES.get(method_of(step), step.gradient_accumulation if isinstance(step, Online) else 1)
    heads = int(getattr(text, "num_key_value_heads", None) or text.num_attention_heads)
    width = int(getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads)
    return 2 * int(text.num_hidden_layers) * heads * width * sequences * step.max_length * size
