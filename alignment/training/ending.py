"""End a run in order: when it is told to, and before a step would spoil the weights."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch  # noqa: TID253 - this module is loaded by a training run only
from transformers import TrainerCallback  # noqa: TID253

from alignment.training.errors import TrainingError


class Stop(TrainerCallback):
    """Ends a run after the step under way, with a checkpoint, when the process is told to end.

    Attributes:
        asked: Number of the signal that came; 0 where none did.
    """

    def __init__(self) -> None:
        """Nothing has been asked yet."""
        self.asked = 0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
        """Save and stop where that was asked of any process of the run."""
        self.asked = _of_any(self.asked)
        if self.asked:
            control.should_save = True
            control.should_training_stop = True

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take SIGTERM and SIGINT for the wish to stop; a second one ends at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

        def stop(number: int, _frame: object) -> None:
            self.asked = number
            signal.signal(number, before[signal.Signals(number)] or signal.SIG_DFL)

        for number in before:
            signal.signal(number, stop)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class Sound(TrainerCallback):
    """Ends a run before its optimizer would take a step by gradients that are no numbers, so that the weights stay good."""

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **parts: Any) -> None:  # noqa: ANN401
        """Look at the gradients, which have been clipped: where their norm was infinite, they are no numbers now."""
        gradients = [parameter.grad for parameter in parts["model"].parameters() if parameter.grad is not None]
        if not gradients:
            return
        norm = torch.nn.utils.get_total_norm(gradients)
        norm = norm.full_tensor() if hasattr(norm, "full_tensor") else norm
        if not math.isfinite(norm.item()):
            raise TrainingError(
                f"step {state.global_step + 1}: the loss or its gradient is no finite number; the step was not taken, and "
                "checkpoints are from before it (lower learning_rate or max_grad_norm, or look for broken records)"
            )


def _of_any(asked: int) -> int:
    """Return what was asked of any process: all of them have to stop after the same step, or the others wait for ever."""
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return asked
    device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
    most = torch.tensor(asked, device=device)
    torch.distributed.all_reduce(most, op=torch.distributed.ReduceOp.MAX)
    return int(most.item())
