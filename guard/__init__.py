"""Tenet: a constitution around any generator.

`Guard` is the engine, `GuardMiddleware` its ASGI form, `wrap` its form around a Python callable or generator.
Names load when first asked for, so that `import guard` stays quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from guard.engine import Guard, wrap
    from guard.errors import Blocked, PolicyError, TenetError
    from guard.middleware import GuardMiddleware
    from guard.values import Action, Decision, Finding, Role, Span, Stage

_HOME = {
    "Guard": "guard.engine",
    "wrap": "guard.engine",
    "GuardMiddleware": "guard.middleware",
    "Blocked": "guard.errors",
    "PolicyError": "guard.errors",
    "TenetError": "guard.errors",
    "Action": "guard.values",
    "Decision": "guard.values",
    "Finding": "guard.values",
    "Role": "guard.values",
    "Span": "guard.values",
    "Stage": "guard.values",
}

__all__ = [
    "Action",
    "Blocked",
    "Decision",
    "Finding",
    "Guard",
    "GuardMiddleware",
    "PolicyError",
    "Role",
    "Span",
    "Stage",
    "TenetError",
    "wrap",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name not in _HOME:
        raise AttributeError(f"module 'guard' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
