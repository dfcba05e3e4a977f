"""Estimate what a training step takes before it starts: memory by what it is for, and time; and what would fit where it does not.

Weights are counted from the config without loading them. Every example counts as max_length tokens, so this is what a step
takes at most. Activations follow V. Korthikanti et al., "Reducing Activation Recomputation in Large Transformer Models"
(2022): 34 bytes a token, layer and hidden unit at two bytes a number, with attention in its memory-saving form. The logits of
a large vocabulary come on top, and are often the most in small models.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from alignment.models.loading import check, dtype_of
from alignment.training.settings import (
    Common,
    Distil,
    Dpo,
    Kto,
    LoraSettings,
    ModelSettings,
    Online,
    Sft,
    method_of,
    name_of,
)

_GIB = 1 << 30
_WORKING = 0.6 * _GIB
"""What Python, torch and the trainer take themselves; measured with the tiny model of the tests."""
_PASSES = {"dpo": 2, "kto": 1, "reward": 2, "orpo": 2, "cpo": 2}
"""Sequences that an example of a method is; 1 where not named."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one step takes on each device.

    Attributes:
        parameters: Of the model.
        trained: Of them and of the adapters, those that learn.
        bytes: By what it is for.
        seconds: For an optimizer step at most, by how fast this machine multiplies; None where there is no telling.
        available: Bytes that the device has.
        devices: Over which weights, gradients and optimizer are spread.
    """

    name: str
    method: str
    parameters: int
    trained: int
    bytes: dict[str, int]
    seconds: float | None
    available: int
    devices: int = 1

    @property
    def total(self) -> int:
        """Bytes in all."""
        return sum(self.bytes.values())

    @property
    def fits(self) -> bool:
        """Whether the device has that much."""
        return self.total <= self.available


def plan(step: Common, model: ModelSettings, *, devices: int = 1, timed: bool = True) -> Plan:
    """Return what a step takes.

    Args:
        devices: Over which FSDP or DeepSpeed ZeRO-3 spreads what a model consists of.
        timed: Whether it is measured how fast this machine multiplies, which takes half a second.

    Raises:
        ModelError: Where there is no such model.
    """
    check(model)
    config, parameters, trained = _counted(step, model)
    size = dtype_of(model).itemsize
    weights = round(parameters * {"none": size, "8bit": 1, "4bit": 0.6}[model.quantization])
    sequences = step.batch_size * _PASSES.get(method_of(step), 1)
    tokens = sequences * step.max_length
    found = {
        "weights": weights // devices,
        "gradients": trained * size // devices,
        "optimizer": 2 * 4 * trained // devices,
        "activations": _activations(step, config, tokens, size),
        "logits": 3 * 4 * tokens * int(config.vocab_size),
        "working": round(_WORKING),
    }
    if step.lora is None and (isinstance(step, Dpo | Kto) or (isinstance(step, Online) and step.beta > 0)):
        found["reference"] = weights // devices
    if isinstance(step, Distil):
        found["teacher"] = _counted(Sft(lora=None), ModelSettings(path=step.teacher))[1] * size
    if isinstance(step, Online | Distil):
        found["sampling"] = _cache(config, step.batch_size, step.max_length, size)
    work = 6 * parameters * tokens * step.gradient_accumulation * (4 / 3 if _checkpoints(step) else 1)
    seconds = work / _speed() if timed else None
    return Plan(name_of(step), method_of(step), parameters, trained, found, seconds, _available(), devices)


def would_fit(step: Common, model: ModelSettings, found: Plan) -> Iterator[tuple[str, Plan]]:
    """Yield changes with which a step would fit, each alone and then all together: in words, with the plan."""
    changes: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
    if step.batch_size > 1:
        more = step.gradient_accumulation * step.batch_size
        least = 2 if isinstance(step, Kto) else 1
        changes.append(
            (
                f"batch_size: {least}, gradient_accumulation: {more // least}",
                {"batch_size": least, "gradient_accumulation": more // least},
                {},
            )
        )
    if not _checkpoints(step):
        changes.append(("gradient_checkpointing: true", {"gradient_checkpointing": True}, {}))
    if step.lora is None:
        changes.append(("lora: {rank: 16}", {"lora": LoraSettings()}, {}))
    if model.quantization == "none":
        changes.append(("model.quantization: 4bit (on a GPU)", {}, {"quantization": "4bit"}))
    together: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    for words, of_step, of_model in changes:
        together = ({**together[0], **of_step}, {**together[1], **of_model})
        yield words, _again(step, model, of_step, of_model, found)
    if len(changes) > 1:
        yield "all of these", _again(step, model, *together, found)


def told(found: Plan) -> Iterator[str]:
    """Yield the lines of a plan."""
    share = f"{found.trained:,} of {found.parameters:,} parameters learn"
    spread = f", over {found.devices} devices" if found.devices > 1 else ""
    yield f"{found.name} ({found.method}): {share}{spread}"
    for what, size in sorted(found.bytes.items(), key=lambda pair: -pair[1]):
        yield f"  {what:<12} {size / _GIB:8.2f} GiB"
    pace = f"; at most {found.seconds:.3g} s an optimizer step" if found.seconds is not None else ""
    yield f"  in all       {found.total / _GIB:8.2f} GiB, of {found.available / _GIB:.2f} GiB that are free{pace}"


def _again(step: Common, model: ModelSettings, of_step: dict[str, Any], of_model: dict[str, Any], found: Plan) -> Plan:
    changed = plan(
        msgspec.structs.replace(step, **of_step), msgspec.structs.replace(model, **of_model), devices=found.devices, timed=False
    )
    return replace(changed, available=found.available)


def _counted(step: Common, model: ModelSettings) -> tuple[Any, int, int]:
    """Return a model's config, its parameters, and how many numbers learn; no weight is read."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)  # peft asks a model by its older name
    more = {"gguf_file": model.gguf_file} if model.gguf_file else {}
    config = AutoConfig.from_pretrained(model.path, trust_remote_code=model.trust_remote_code, local_files_only=True, **more)
    with torch.device("meta"):
        empty: Any = AutoModelForCausalLM.from_config(config, trust_remote_code=model.trust_remote_code)  # type: ignore[no-untyped-call]
        parameters = sum(each.numel() for each in empty.parameters())
        if step.lora is None:
            return config, parameters, parameters
        from peft import LoraConfig, get_peft_model

        target = step.lora.target if isinstance(step.lora.target, str) else list(step.lora.target)
        with_adapters = get_peft_model(empty, LoraConfig(r=step.lora.rank, target_modules=target, task_type="CAUSAL_LM"))
        return config, parameters, sum(each.numel() for each in with_adapters.parameters() if each.requires_grad)


def _activations(step: Common, config: Any, tokens: int, size: int) -> int:  # noqa: ANN401
    layers, hidden = int(config.num_hidden_layers), int(config.hidden_size)
    of_a_layer = 34 * tokens * hidden * size // 2
    return of_a_layer + layers * tokens * hidden * size if _checkpoints(step) else layers * of_a_layer


def _cache(config: Any, sequences: int, length: int, size: int) -> int:  # noqa: ANN401
    heads = int(getattr(config, "num_key_value_heads", None) or config.num_attention_heads)
    width = int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)
    return 2 * int(config.num_hidden_layers) * heads * width * sequences * length * size


def _checkpoints(step: Common) -> bool:
    import torch

    return torch.cuda.is_available() if step.gradient_checkpointing is None else step.gradient_checkpointing


def _available() -> int:
    """Return the bytes that are free: of the GPU where there is one, else of the machine."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0])
    with open("/proc/meminfo", encoding="ascii") as file:
        lines = dict(line.split(":", 1) for line in file)
    return int(lines["MemAvailable"].split()[0]) * 1024


def _speed() -> float:
    """Return how many multiplications and additions this machine does in a second, by doing some."""
    import torch

    gpu = torch.cuda.is_available()
    size = 4096 if gpu else 1024
    left = torch.ones(size, size, device="cuda" if gpu else "cpu", dtype=torch.bfloat16 if gpu else torch.float32)
    left @ left  # the first one warms up
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < 0.3:
        left @ left
        if gpu:
            torch.cuda.synchronize()
        done += 1
    return 2 * size**3 * done / (time.perf_counter() - started) * 0.5  # a model reaches about half of that
