"""Over which devices a model is spread, as a configuration of accelerate says it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from guard.errors import MissingExtra, TenetError

Manner = Literal["one", "ddp", "zero2", "sharded"]
"""`ddp`: each device has the whole; `zero2`: gradients and optimizer are spread; `sharded`: weights too (FSDP, ZeRO-3)."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How a model lies on devices.

    Attributes:
        devices: In all machines together.
        one_memory: Whether they share one memory, as processes on a processor do.
        masters: Whether the optimizer keeps weights of its own in float32, as DeepSpeed does in mixed precision.
        offloaded: Whether the optimizer lies in the machine's memory instead.
    """

    manner: Manner = "one"
    devices: int = 1
    one_memory: bool = False
    masters: bool = False
    offloaded: bool = False

    @property
    def words(self) -> str:
        """How it is told."""
        if self.devices == 1:
            return ""
        manner = {"ddp": "each with the whole model", "zero2": "ZeRO-2", "sharded": "sharded"}[self.manner]
        return f"on {self.devices} devices ({manner})"


def spread_of(file: Path) -> Spread:
    """Return how a configuration of accelerate spreads a model.

    Raises:
        TenetError: Where accelerate does not take it, or it says what is not known here.
    """
    try:
        from accelerate.commands.config.config_args import load_config_from_file  # type: ignore[import-untyped]
    except ImportError:
        raise MissingExtra("a configuration of accelerate", "alignment") from None
    try:
        found = load_config_from_file(str(file))
    except Exception as error:  # accelerate raises what its parsers do
        raise TenetError(f"{file}: expected a configuration of accelerate, got: {str(error).splitlines()[0][:200]}") from error
    kind = getattr(found.distributed_type, "value", found.distributed_type)
    devices = int(found.num_processes)
    if devices < 1:
        raise TenetError(f"{file}: num_processes: expected how many there are, got {devices}")
    cpu = bool(found.use_cpu)
    if kind == "NO" or devices == 1:
        return Spread(one_memory=cpu)
    if kind in ("MULTI_GPU", "MULTI_CPU"):
        return Spread("ddp", devices, one_memory=cpu)
    if kind == "FSDP":
        return Spread("sharded", devices, offloaded=_said(found.fsdp_config, "fsdp_offload_params"))
    if kind == "DEEPSPEED":
        return _deepspeed(file, found, devices)
    raise TenetError(f"{file}: distributed_type: expected NO, MULTI_GPU, MULTI_CPU, FSDP or DEEPSPEED, got {kind}")


def _deepspeed(file: Path, found: Any, devices: int) -> Spread:  # noqa: ANN401
    said = found.deepspeed_config or {}
    if "deepspeed_config_file" in said:
        raise TenetError(f"{file}: expected zero_stage in it, got a file of DeepSpeed's own, which is not read here")
    manner: dict[int, Manner] = {0: "ddp", 1: "zero2", 2: "zero2", 3: "sharded"}
    stage = int(said.get("zero_stage", 2))
    if stage not in manner:
        raise TenetError(f"{file}: deepspeed_config.zero_stage: expected 0, 1, 2 or 3, got {stage}")
    offloaded = str(said.get("offload_optimizer_device", "none")) != "none"
    return Spread(manner[stage], devices, masters=found.mixed_precision in ("bf16", "fp16"), offloaded=offloaded)


def _said(config: Any, key: str) -> bool:  # noqa: ANN401
    return str((config or {}).get(key, False)).lower() == "true"
