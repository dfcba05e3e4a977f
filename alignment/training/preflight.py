"""What can be known to go wrong before anything is loaded or trained."""

from __future__ import annotations

import importlib.util
from typing import Any

import msgspec

from alignment.models.loading import ModelError, context_of_folder
from alignment.training.settings import Common, LoraSettings, ModelSettings, name_of, problems
from guard.errors import TenetError

_PACKAGES = {"tensorboard": ("tensorboard",), "mlflow": ("mlflow",), "wandb": ("wandb",)}
_ALL_LINEAR = "all-linear"


def check(step: Common, model: ModelSettings) -> None:
    """See that a step's settings fit together, and that what they name is installed.

    Raises:
        TenetError: Where they do not.
    """
    faults = [f"{name_of(step)}.{path}: expected {expected}, got {got}" for path, expected, got in problems(step)]
    if model.quantization != "none" and step.lora is None:
        faults.append(f"{name_of(step)}.lora: expected adapters, as weights in {model.quantization} cannot be trained, got null")
    for name in step.report_to:
        if all(importlib.util.find_spec(package) is None for package in _PACKAGES[name]):
            faults.append(f"{name_of(step)}.report_to: {name} needs: pip install {_PACKAGES[name][0]}")
    if faults:
        raise TenetError("\n".join(faults))


def fitted(step: Common, model: ModelSettings) -> Common:
    """Return a step whose `max_length` is at most the model's context.

    Raises:
        TenetError: Where an answer would have no room any more.
    """
    context = context_of_folder(model)
    if step.max_length <= context:
        return step
    shorter = msgspec.structs.replace(step, max_length=context)
    check(shorter, model)
    return shorter


def check_targets(model: Any, lora: LoraSettings | None) -> None:  # noqa: ANN401 - transformers' models
    """See that a model has the layers that get adapters.

    Raises:
        ModelError: Where it has not; the message names the linear layers that there are.
    """
    if lora is None or lora.target == _ALL_LINEAR or isinstance(lora.target, str):
        return
    names = [name for name, _ in model.named_modules()]
    missing = [target for target in lora.target if not any(name == target or name.endswith(f".{target}") for name in names)]
    if missing:
        from torch import nn

        known = sorted({name.rpartition(".")[2] for name, module in model.named_modules() if isinstance(module, nn.Linear)})
        raise ModelError(f"lora.target: expected layers of the model ({', '.join(known)}), got {', '.join(missing)}")
