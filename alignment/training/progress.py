"""Follow a training run: metrics as JSON lines, and a line to read."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from transformers import TrainerCallback  # this module is loaded by a training run only

from alignment.training.checkpoints import seal
from alignment.training.errors import TrainingError

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
    ("tokens_per_second", "tokens/s"),
)


class Progress(TrainerCallback):
    """Writes every log of a trainer to metrics.jsonl, and shows a line of it.

    Attributes:
        last: The last value of each figure, of an earlier part of the run where this one has none.
    """

    def __init__(self, out: Path, show: Callable[[str], None]) -> None:
        """Write to a step's folder, and show lines."""
        self._file = out / METRICS
        self._show = show
        self._began = time.monotonic()
        self._first = 0
        self._counted = (self._began, 0.0)
        self.last: dict[str, float] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
        """Forget what metrics say of steps that are done again."""
        self._began, self._first = time.monotonic(), state.global_step
        if not state.is_world_process_zero or not self._file.is_file():
            return
        kept = [row for row in _whole_rows(self._file) if row["step"] <= state.global_step]
        for row in kept:
            self.last |= {name: value for name, value in row.items() if name != "step"}
        beside = self._file.with_name(f".{self._file.name}")
        beside.write_text("".join(f"{json.dumps(row)}\n" for row in kept))
        os.replace(beside, self._file)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:  # noqa: ANN401
        """Keep a log, and stop where the loss is no number any more."""
        figures = {name: value for name, value in (logs or {}).items() if isinstance(value, int | float)}
        if not math.isfinite(figures.get("loss", 0.0)):
            raise TrainingError(
                f"step {state.global_step}: the loss is {figures['loss']}, though its gradients are numbers; checkpoints stay "
                "(look for broken records, or lower learning_rate)"
            )
        figures = {name: value for name, value in figures.items() if math.isfinite(value)}
        figures |= self._speed(figures)
        self.last |= figures
        if state.is_world_process_zero:
            with self._file.open("a") as file:
                file.write(json.dumps({"step": state.global_step, **figures}) + "\n")
            if any(name in figures for name, _ in _SHOWN):
                self._show(self._line(state, figures))

    def _speed(self, figures: dict[str, float]) -> dict[str, float]:
        """Return tokens per second since the log before, where the trainer counts tokens."""
        if "num_tokens" not in figures:
            return {}
        now, (before, tokens) = time.monotonic(), self._counted
        self._counted = (now, figures["num_tokens"])
        return {"tokens_per_second": round((figures["num_tokens"] - tokens) / max(now - before, 1e-9), 1)}

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
            seal(Path(args.output_dir) / f"checkpoint-{state.global_step}")


def _whole_rows(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of metrics, but for a last line that a kill cut short."""
    for line in file.read_text().splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            return


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
