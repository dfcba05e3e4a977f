"""Rehearse a training step on tensors without data, as PyTorch's FakeTensorMode has them: no weight is read, nothing is computed.

What the real step would hold and multiply is counted on the way, so it is right for any architecture, adapter and attention.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

_DEVICE = "cpu"
"""Also where a GPU is meant: kernels written for GPUs cannot be rehearsed, and what they take is little less."""
_SATURATED = 4096
"""Tokens at which TRL's head has pieces of their full size (its TOKEN_CHUNK_SIZE)."""
_FUSED = "_tenet_fused_head"


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What a forward and a backward pass take.

    Attributes:
        parameters: Of the model, without adapters.
        trained: Numbers that learn.
        peak: Bytes at the most, gradients included and weights not.
        operations: Multiplications and additions, counted as two.
        largest: Parameters of the largest part that is gathered as one where weights are spread: a layer, or the embeddings.
    """

    parameters: int
    trained: int
    peak: int
    operations: int
    largest: int


def rehearse(model: Any, base: int, sequences: int, length: int, *, bf16: bool) -> Rehearsed:  # noqa: ANN401
    """Return what a step with a model on the device `meta` takes.

    Args:
        base: Parameters of it without adapters.
        sequences: In one batch.
        length: Tokens of each.
        bf16: Whether it is multiplied in mixed precision.

    Raises:
        CannotRehearse: Where the model asks for values of numbers on its way, as some mixtures of experts do.
    """
    from torch._subclasses.fake_tensor import FakeTensorMode

    some = max(1, -(-_SATURATED // length))
    with FakeTensorMode():
        _fill(model)
        try:
            if sequences <= 2 * some:
                peak, operations = _pass(model, sequences, length, bf16)
            else:  # beyond, each further sequence takes the same
                (peak, operations), (twice, doubled) = (_pass(model, each * some, length, bf16) for each in (1, 2))
                more = (sequences - some) / some
                peak, operations = round(peak + more * (twice - peak)), round(operations + more * (doubled - operations))
        except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
            raise CannotRehearse(type(error).__name__) from error
    trained = sum(each.numel() for each in model.parameters() if each.requires_grad)
    return Rehearsed(base, trained, peak, operations, largest_part(model))


def _pass(model: Any, sequences: int, length: int, bf16: bool) -> tuple[int, int]:  # noqa: ANN401
    """Return the bytes that a forward and a backward pass hold at the most, and their operations."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    held, flops = _held_type()(), FlopCounterMode(display=False)
    words = torch.zeros(sequences, length, dtype=torch.long, device=_DEVICE)
    with held, flops:
        with torch.autocast(_DEVICE, torch.bfloat16, enabled=bf16):
            loss = _loss(model, words)
        loss.backward()
    for parameter in model.parameters():
        parameter.grad = None
    return held.peak, flops.get_total_flops()


class CannotRehearse(Exception):
    """A model that cannot be rehearsed."""


def largest_part(model: Any) -> int:  # noqa: ANN401
    """Return the parameters of the largest layer, or of the embeddings where they have more."""
    from torch import nn

    layers = [layer for part in model.modules() if isinstance(part, nn.ModuleList) for layer in part]
    embeddings = [part for part in model.modules() if isinstance(part, nn.Embedding)]
    return max((sum(each.numel() for each in part.parameters()) for part in (*layers, *embeddings)), default=0)


def _loss(model: Any, words: Any) -> Any:  # noqa: ANN401
    if getattr(model.config, "num_labels", 2) == 1 and not hasattr(model, "lm_head"):
        return model(input_ids=words, use_cache=False).logits.sum()
    if hasattr(model, _FUSED):
        return model(input_ids=words, labels=words, use_cache=False, fused_lm_head=True).loss
    return model(input_ids=words, labels=words, use_cache=False).loss


def fuse_head(model: Any) -> None:  # noqa: ANN401
    """Give a model the head that TRL gives it, which never has all logits at a time; nothing where this TRL has none."""
    from trl.trainer import utils

    add = getattr(utils, "add_fused_lm_head", None)
    if add is not None:
        add(model, outputs=("log_probs", "entropy", "is_top1"))
        setattr(model, _FUSED, True)


def _fill(model: Any) -> None:  # noqa: ANN401
    """Put tensors without data in the place of those of the device `meta`; what is shared stays shared."""
    import torch

    made: dict[int, Any] = {}
    for part in model.modules():
        for store in (part._parameters, part._buffers):
            for name, value in store.items():
                if value is None:
                    continue
                if id(value) not in made:
                    empty = torch.empty(value.shape, dtype=value.dtype, device=_DEVICE)
                    parameter = isinstance(value, torch.nn.Parameter)
                    made[id(value)] = torch.nn.Parameter(empty, value.requires_grad) if parameter else empty
                store[name] = made[id(value)]


def _held_type() -> type[Any]:
    """Return the class that counts the bytes of tensors that are alive; it is made here, as its base is torch's."""
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Held(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's class has no types
        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self.now = self.peak = 0
            self._known: weakref.WeakSet[Any] = weakref.WeakSet()

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
            before = {id(each.untyped_storage()) for each in tree_leaves((args, kwargs)) if hasattr(each, "untyped_storage")}
            result = func(*args, **(kwargs or {}))
            for each in tree_leaves(result):
                if hasattr(each, "untyped_storage"):
                    storage = each.untyped_storage()
                    if id(storage) not in before and storage not in self._known:
                        self._take(storage)
            return result

        def _take(self, storage: Any) -> None:  # noqa: ANN401
            size = storage.nbytes()
            self._known.add(storage)
            self.now += size
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._release, size)

        def _release(self, size: int) -> None:
            self.now -= size

    return Held
