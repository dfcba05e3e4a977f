"""Follow a training run: metrics as JSON lines, a line to read, and an end in order when it goes wrong or has to stop."""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import TrainerCallback  # this module is loaded by a training run only

from alignment.training.checkpoints import WHOLE
from guard.errors import TenetError

METRICS = "metrics.jsonl"
_SHOWN = (
    ("loss", "loss"),
    ("eval_loss", "validation loss"),
    ("rewards/margins", "margin"),
    ("rewards/accuracies", "accuracy"),
    ("accuracy", "accuracy"),
    ("reward", "reward"),
    ("kl", "KL"),
    ("mean_token_accuracy", "token accuracy"),
)


class TrainingError(TenetError):
    """A run that had to end: why, and how to go on."""


class Stopped(TrainingError):
    """A run that was told to stop, and has left a checkpoint."""


class Progress(TrainerCallback):
    """Writes every log of a trainer to metrics.jsonl, and tells a line of it."""

    def __init__(self, out: Path, tell: Callable[[str], None]) -> None:
        """Write to a step's folder, and tell lines."""
        self._file = out / METRICS
        self._tell = tell
        self._began = time.monotonic()
        self._first = 0
        self.last: dict[str, float] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
        """Forget what metrics say of steps that are done again."""
        self._began, self._first = time.monotonic(), state.global_step
        if not state.is_world_process_zero or not self._file.is_file():
            return
        kept = [line for line in self._file.read_text().splitlines() if json.loads(line)["step"] <= state.global_step]
        self._file.write_text("".join(f"{line}\n" for line in kept))

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:  # noqa: ANN401
        """Keep a log, and stop where the loss is no number any more."""
        figures = {name: value for name, value in (logs or {}).items() if isinstance(value, int | float)}
        loss = figures.get("loss", 0.0)
        if not math.isfinite(loss) or not math.isfinite(figures.get("grad_norm", 0.0)):
            raise TrainingError(
                f"step {state.global_step}: the loss is {loss}, so the weights are lost; the last checkpoint is from before"
                " (lower learning_rate, or max_grad_norm)"
            )
        self.last |= figures
        if state.is_world_process_zero:
            with self._file.open("a") as file:
                file.write(json.dumps({"step": state.global_step, **figures}) + "\n")
            self._tell(self._line(state, figures))

    def _line(self, state: Any, figures: dict[str, float]) -> str:  # noqa: ANN401
        done = state.global_step - self._first
        seconds = time.monotonic() - self._began
        left = (state.max_steps - state.global_step) * seconds / done if done else 0.0
        shown = [f"{word} {figures[name]:.4g}" for name, word in _SHOWN if name in figures]
        return f"step {state.global_step} of {state.max_steps}: {', '.join(shown)}; {_clock(left)} left"


class Whole(TrainerCallback):
    """Marks each checkpoint that was written to its end."""

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
        """Mark the checkpoint of this step."""
        if state.is_world_process_zero:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / WHOLE).touch()


class Stop(TrainerCallback):
    """Ends a run after the step under way, with a checkpoint, when the process is told to end."""

    def __init__(self) -> None:
        """Nothing has been asked yet."""
        self.asked = False

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
        """Save and stop where that was asked."""
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
            self.asked = True
            signal.signal(number, before[signal.Signals(number)] or signal.SIG_DFL)

        for number in before:
            signal.signal(number, stop)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
