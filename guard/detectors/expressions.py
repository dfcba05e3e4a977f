"""Compile patterns with RE2, the linear-time engine, in the one way that suits detectors."""

from __future__ import annotations

from typing import Any

import re2

_MEMORY = 1 << 26
"""Bytes that one automaton may use; RE2's default of 8 MiB is too little for word lists, and none takes more than it needs."""


def compiled(expression: str, *, captures: bool = False) -> Any:  # noqa: ANN401
    """Return the expression as RE2 compiles it; it reads bytes in UTF-8. Without `captures` its groups capture nothing.

    Raises:
        ValueError: Where the expression is not of RE2's syntax; says why.
    """
    try:
        return re2.compile(expression.encode(), options(captures=captures))
    except re2.error as error:
        reason = error.args[0]
        raise ValueError(reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)) from error


def options(*, captures: bool = False) -> re2.Options:
    """Return the options that `compiled` uses, for sets of patterns."""
    chosen = re2.Options()
    chosen.max_mem = _MEMORY
    chosen.never_capture = not captures
    chosen.log_errors = False
    return chosen
