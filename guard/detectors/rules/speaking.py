"""Which language somebody writes: told by the script where that is enough, else by py3langid (BSD-3-Clause)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec

from guard.detectors.rules.language import SKIPPED, load_identifier
from guard.detectors.rules.scripts import HAN, LANGUAGES, SAME, stretches

_MOST = 2_000
"""Characters that are looked at, from the end."""
_LEAST = 6
"""Letters that a text has at least."""
_SURE = 0.45
_TIMES = 1.5
"""How probable the likeliest language is, and how many times as probable as the next; else none is told."""


def is_installed() -> bool:
    """Return whether languages that share a script can be told apart."""
    return find_spec("py3langid") is not None


def languages_of(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the language that most of these texts is written in, as ISO 639 code; none where it can't be told."""
    text = SKIPPED.sub(" ", "\n".join(texts)[-_MOST:])
    found = max(stretches(text), key=lambda stretch: stretch.letters, default=None)
    if found is None:
        return ()
    codes = LANGUAGES.get(found.script, frozenset())
    if found.script == HAN:  # Japanese has other signs between them
        return ("zh",)
    if len(codes) == 1:
        return tuple(codes)
    if found.letters < _LEAST or not is_installed():
        return ()
    return _told(" ".join(text.split()), codes)


def _told(text: str, codes: frozenset[str]) -> tuple[str, ...]:
    """Return the language of a text in a script of these languages."""
    chances: dict[str, float] = {}
    for code, chance in _rank()(text):
        if code in codes or _same(code) in codes:
            chances[_same(code)] = chances.get(_same(code), 0.0) + chance
    first, second, *_ = [*sorted(chances, key=lambda code: -chances[code]), "", ""]
    total = sum(chances.values())
    sure = bool(first) and chances[first] >= _SURE * total and chances[first] >= _TIMES * chances.get(second, 0.0)
    return (first,) if sure else ()


def _same(code: str) -> str:
    return SAME.get(code, code)


@cache
def _rank() -> Callable[[str], list[tuple[str, float]]]:
    return load_identifier().rank
