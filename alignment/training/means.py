"""Log what single rewards came to, and under the names that other online methods use, where a trainer does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback  # noqa: TID253 - this module is loaded by a training run only

_RENAMED = {"objective/scores": "reward", "objective/kl": "kl"}


class Means(TrainerCallback):
    """Adds `rewards/NAME/mean`, `reward`, `kl` and the answers' length to a trainer's logs; stands before whoever reads them."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self._seen: dict[str, list[float]] = {}

    def of(self, reward: Callable[..., list[float | None]]) -> Callable[..., list[float | None]]:
        """Return a reward whose values are kept until the next log."""

        def function(*, completion_ids: Any, **given: Any) -> list[float | None]:  # noqa: ANN401
            worth = reward(completion_ids=completion_ids, **given)
            self._keep(f"rewards/{reward.__name__}/mean", [value for value in worth if value is not None])
            self._keep("completions/mean_length", [float(len(ids)) for ids in completion_ids])
            return worth

        function.__name__ = reward.__name__
        return function

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:  # noqa: ANN401
        """Complete a log."""
        if logs is None or "objective/scores" not in logs:
            return
        logs |= {name: sum(values) / len(values) for name, values in self._seen.items() if values}
        logs |= {new: logs[old] for old, new in _RENAMED.items()}
        self._seen = {}

    def _keep(self, name: str, values: list[float]) -> None:
        self._seen.setdefault(name, []).extend(values)
