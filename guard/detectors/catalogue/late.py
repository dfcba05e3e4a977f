"""Ways to write a `Kind` down without importing what it is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from guard.policy.kinds import Scores


def late(module: str, function: str) -> Callable[..., Any]:
    """Return `function` of `module`, imported when first called."""

    def call(*arguments: Any) -> Any:  # noqa: ANN401
        return getattr(import_module(module), function)(*arguments)

    return call


def fixed(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[str, ...]]:
    """Return what gives these categories whatever the options are."""
    return lambda _options: tuple(names)


def graded(lowest: float) -> Callable[[Mapping[str, Any]], Scores]:
    """Return what says that a model measures the scores, and that none below `lowest` is reported."""
    return lambda _options: Scores(lowest, graded=True)
