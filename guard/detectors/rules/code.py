"""The detector `code`: commands and queries that destroy, for the tool calls of agents above all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from guard.detectors.rules import shell, sql
from guard.detectors.scanning import PatternScanner
from guard.policy.kinds import Mistake

VERSION = "code-1"
LANGUAGES = {"shell": shell.PATTERNS, "sql": sql.PATTERNS}
"""What each of the option's `languages` looks for."""


def make(name: str, options: Mapping[str, Any]) -> PatternScanner:
    """Return the scanner for `options["languages"]`, or for all."""
    chosen = options.get("languages") or tuple(LANGUAGES)
    return PatternScanner(name, [pattern for language in chosen for pattern in LANGUAGES[language]], VERSION)


def categories_of(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return `code/shell` and `code/sql`, or that of the chosen languages."""
    return tuple(f"code/{language}" for language in options.get("languages") or LANGUAGES)


def check(options: Mapping[str, Any]) -> Sequence[Mistake]:
    """Return the languages that are not known."""
    return [
        Mistake(("languages", index), f"one of {', '.join(LANGUAGES)}", repr(name))
        for index, name in enumerate(options.get("languages", ()))
        if name not in LANGUAGES
    ]
