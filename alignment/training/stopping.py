"""Stop an online run at signs that it games its reward: the reward rises, and something that it does not see gets worse."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback  # noqa: TID253 - this module is loaded by a training run only

from alignment.training.checkpoints import WHOLE
from alignment.training.settings import StopEarly

WATCHED = "watch_"
"""Begins the names of rewards that are measured and do not count."""
REFUSALS = f"{WATCHED}refusals"


class Signs(TrainerCallback):
    """Compares the latest logs of a run with its first ones.

    Attributes:
        reason: What was seen; empty where nothing was.
        good: The last step before it.
    """

    def __init__(self, settings: StopEarly) -> None:
        """Take what counts as a sign."""
        self._settings = settings
        self._logs: list[tuple[int, dict[str, float]]] = []
        self.reason = ""
        self.good = 0

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:  # noqa: ANN401
        """Look for a sign, and stop the run where there is one."""
        if not logs or "reward" not in logs:
            return
        self._logs.append((state.global_step, {name: value for name, value in logs.items() if isinstance(value, int | float)}))
        window = self._settings.window
        if self.reason or len(self._logs) < 2 * window:
            return
        self.reason = self._sign(self._logs[:window], self._logs[-window:])
        if self.reason:
            self.good = self._logs[-window - 1][0]
            control.should_training_stop = True

    def _sign(self, first: Sequence[tuple[int, dict[str, float]]], last: Sequence[tuple[int, dict[str, float]]]) -> str:
        wanted = self._settings
        before, now = _means(first), _means(last)
        kl, length = now.get("kl", 0.0), "completions/mean_length"
        if wanted.kl is not None and kl > wanted.kl:
            return f"the KL to the reference model is {kl:.3g}, above {wanted.kl:g}"
        if wanted.longer is not None and before.get(length, 0.0) > 0 and now[length] > wanted.longer * before[length]:
            return f"answers are {now[length]:.0f} tokens long on average, {before[length]:.0f} at first"
        refusals = f"rewards/{REFUSALS}/mean"
        if wanted.refusals is not None and now.get(refusals, 0.0) - before.get(refusals, 0.0) > wanted.refusals:
            return f"{100 * now[refusals]:.0f} % of the answers refuse, {100 * before.get(refusals, 0.0):.0f} % at first"
        for name in (
            name for name in now if name.startswith(f"rewards/{WATCHED}") and name.endswith("/mean") and name != refusals
        ):
            fallen = before.get(name, 0.0) - now[name]
            if now["reward"] > before["reward"] and fallen > wanted.fall:
                judge = name.removeprefix(f"rewards/{WATCHED}").removesuffix("/mean")
                figures = f"from {before.get(name, 0.0):.3g} to {now[name]:.3g}"
                return f"the reward rises, and {judge}, which does not count, falls {figures}"
        return ""


def restore(checkpoints: Path, product: Path, good: int) -> int:
    """Put the weights of the last whole checkpoint up to a step in place of a product; return its step, 0 where there is none."""
    found = [(int(path.name.rpartition("-")[2]), path) for path in checkpoints.glob("checkpoint-*") if (path / WHOLE).is_file()]
    fitting = [(step, path) for step, path in found if step <= good]
    if not fitting:
        return 0
    step, path = max(fitting)
    for file in path.iterdir():
        if file.name.startswith(("adapter_", "model", "config.json", "generation_config")):
            shutil.copy2(file, product / file.name)
    return step


def _means(logs: Sequence[tuple[int, dict[str, float]]]) -> dict[str, float]:
    names = set.intersection(*(set(figures) for _, figures in logs))
    return {name: sum(figures[name] for _, figures in logs) / len(logs) for name in names}
