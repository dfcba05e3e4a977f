"""Ways to write a `Kind` down without importing what it is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def late(module: str, function: str) -> Callable[..., Any]:
    """Return `function` of `module`, imported when first called."""

    def call(*arguments: Any) -> Any:  # noqa: ANN401
        return getattr(import_module(module), function)(*arguments)

    return call


def fixed(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[str, ...]]:
    """Return what gives these categories whatever the options are."""
    return lambda _options: tuple(names)
