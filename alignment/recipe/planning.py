"""Estimate what a training step takes before it starts: memory by what it is for, and time; and what would fit instead.

No weight is read. A step is rehearsed without data (`alignment.recipe.rehearsal`) with every example as long as `max_length`:
what is told is what it takes at most.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from alignment.models.loading import check
from alignment.recipe.counting import Counted, Target, count
from alignment.recipe.machine import bytes_a_second, free_memory, operations_a_second
from alignment.recipe.spreading import Spread
from alignment.training.preflight import fitted
from alignment.training.settings import Common, Dpo, Kto, LoraSettings, ModelSettings, Online, method_of, name_of

_GIB = 1 << 30
_WORKING = 0.6 * _GIB
"""What Python, torch and the trainer take themselves on a processor; a GPU's context takes about as much of its memory."""
_UNUSED = {False: 0.5, True: 0.1}
"""Share of the activations that the allocator holds on top, in blocks which nothing fits into; by whether it is a GPU.

On a processor as measured with SmolLM2-135M (docs/scale.md); on a GPU what PyTorch's allocator is known for, not measured here.
"""
_REACHED = 0.5
"""Share of the speed on plain matrices that a model reaches."""
_MOST_DEVICES = 256
_ALONE = Spread()


@dataclass(frozen=True, slots=True)
class Plan:
    """What one step takes on each device.

    Attributes:
        parameters: Of the model.
        trained: Of them and of the adapters, those that learn.
        bytes: By what it is for.
        seconds: For an optimizer step at most, by how fast this machine multiplies and reads; None where there is no telling.
        available: Bytes that the device has.
        spread: Over which devices it lies.
        rehearsed: Whether its activations are those of a rehearsal; else by a formula, and rougher.
    """

    name: str
    method: str
    parameters: int
    trained: int
    bytes: dict[str, int]
    seconds: float | None
    available: int
    spread: Spread = _ALONE
    rehearsed: bool = True

    @property
    def total(self) -> int:
        """Bytes in all."""
        return sum(self.bytes.values())

    @property
    def fits(self) -> bool:
        """Whether the device has that much."""
        return self.total <= self.available


def plan(
    step: Common,
    model: ModelSettings,
    *,
    devices: int = 1,
    timed: bool = True,
    spread: Spread | None = None,
    target: Target | None = None,
) -> Plan:
    """Return what a step takes.

    Args:
        devices: Over which FSDP or DeepSpeed ZeRO-3 spreads what a model consists of, where `spread` does not say.
        timed: Whether it is measured how fast this machine multiplies, which takes half a second.
        spread: Over which devices it lies, and how.
        target: What it is to run on; this machine where None.

    Raises:
        ModelError: Where there is no such model.
    """
    check(model)
    step = fitted(step, model)
    target = target or Target.here()
    spread = spread or (Spread("sharded", devices) if devices > 1 else _ALONE)
    counted = count(step, model, target)
    found = _bytes(counted, spread, step)
    found["unused"] = round(counted.activations * _UNUSED[target.gpu])
    if spread.one_memory:
        found = {what: size * spread.devices for what, size in found.items()}
    seconds = _seconds(step, counted) if timed and target.is_here else None
    available = target.memory or free_memory()
    return Plan(
        name_of(step),
        method_of(step),
        counted.parameters,
        counted.trained,
        found,
        seconds,
        available,
        spread,
        counted.rehearsed,
    )


def would_fit(step: Common, model: ModelSettings, found: Plan, target: Target | None = None) -> Iterator[tuple[str, Plan]]:
    """Yield changes with which a step may fit, each alone, then all together, then more devices: in words, with the plan."""
    changes = list(_changes(step, model, target or Target.here()))
    together: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    for words, of_step, of_model in changes:
        together = ({**together[0], **of_step}, {**together[1], **of_model})
        yield words, _again(step, model, of_step, of_model, found, found.spread, target)
    if len(changes) > 1:
        yield "all of these", _again(step, model, *together, found, found.spread, target)
    if found.spread.one_memory:
        return
    devices = max(2, 2 * found.spread.devices if found.spread.manner == "sharded" else found.spread.devices)
    while devices <= _MOST_DEVICES:
        more = _again(step, model, {}, {}, found, Spread("sharded", devices), target)
        if more.fits or devices * 2 > _MOST_DEVICES:
            yield f"{devices} such devices with FSDP or ZeRO-3", more
            return
        devices *= 2


def told(found: Plan) -> Iterator[str]:
    """Yield the lines of a plan."""
    share = f"{found.trained:,} of {found.parameters:,} parameters learn"
    spread = f", {found.spread.words}" if found.spread.words else ""
    yield f"{found.name} ({found.method}): {share}{spread}"
    for what, size in sorted(found.bytes.items(), key=lambda pair: -pair[1]):
        yield f"  {what:<12} {size / _GIB:8.2f} GiB"
    pace = f"; at most {found.seconds:.3g} s an optimizer step" if found.seconds is not None else ""
    whose = "" if found.spread.devices == 1 or found.spread.one_memory else " on each device"
    yield f"  in all       {found.total / _GIB:8.2f} GiB{whose}, of {found.available / _GIB:.2f} GiB that are free{pace}"
    if not found.rehearsed:
        yield "  (activations by a formula, as this model cannot be rehearsed: take a third more to be sure)"


def _bytes(counted: Counted, spread: Spread, step: Common) -> dict[str, int]:
    share = spread.devices if spread.manner == "sharded" else 1
    of_learning = spread.devices if spread.manner in ("sharded", "zero2") else 1
    gradients = counted.gradients
    states = counted.trained * (12 if spread.masters else 8)
    found = {
        "weights": counted.weights // share + (2 * counted.largest if share > 1 else 0),
        "gradients": gradients // of_learning + (gradients if spread.manner == "ddp" else 0),  # and what is exchanged of them
        "optimizer": 0 if spread.offloaded else states // of_learning,
        "activations": counted.activations,
        "working": round(_WORKING),
    }
    if _has_reference(step):
        found["reference"] = counted.weights // share
    if counted.teacher:
        found["teacher"] = counted.teacher // share
    if counted.rewards:
        found["rewards"] = counted.rewards
    if counted.cache:
        found["KV cache"] = counted.cache
    return found


def _has_reference(step: Common) -> bool:
    """Return whether there is a second model; with adapters the reference is the model without them."""
    return step.lora is None and (isinstance(step, Dpo | Kto) or (isinstance(step, Online) and step.beta > 0))


def _seconds(step: Common, counted: Counted) -> float:
    pace = operations_a_second(counted.hidden) * _REACHED
    passes = counted.operations * step.gradient_accumulation / pace
    if not counted.cache or not isinstance(step, Online):
        return passes
    sampled = step.max_new_tokens * step.batch_size * step.gradient_accumulation
    reading = step.max_new_tokens * counted.weights / bytes_a_second()
    return passes + reading + 2 * counted.parameters * sampled / pace


def _changes(step: Common, model: ModelSettings, target: Target) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    least = 2 if isinstance(step, Kto) else 1
    if step.batch_size > least:
        more = step.gradient_accumulation * step.batch_size // least
        words = f"batch_size: {least}, gradient_accumulation: {more}"
        yield words, {"batch_size": least, "gradient_accumulation": more}, {}
    if not target.checkpoints(step):
        yield "gradient_checkpointing: true", {"gradient_checkpointing": True}, {}
    if step.lora is None:
        yield "lora: {rank: 16}", {"lora": LoraSettings()}, {}
    if model.quantization == "none" and target.gpu:
        adapters = {} if step.lora else {"lora": LoraSettings()}
        yield "model.quantization: 4bit" + (" with lora: {rank: 16}" if adapters else ""), adapters, {"quantization": "4bit"}
    shorter = step.max_length // 2
    if shorter >= 64 and (not isinstance(step, Online) or shorter > step.max_new_tokens):
        yield f"max_length: {shorter}", {"max_length": shorter}, {}


def _again(
    step: Common,
    model: ModelSettings,
    of_step: dict[str, Any],
    of_model: dict[str, Any],
    found: Plan,
    spread: Spread,
    target: Target | None,
) -> Plan:
    changed = plan(
        msgspec.structs.replace(step, **of_step),
        msgspec.structs.replace(model, **of_model),
        spread=spread,
        target=target,
        timed=False,
    )
    return replace(changed, available=found.available)
