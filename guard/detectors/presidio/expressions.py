"""Presidio's regular expressions, kept from running away: they backtrack, and texts come from strangers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from guard.errors import TenetError

if TYPE_CHECKING:
    from presidio_analyzer import EntityRecognizer, PatternRecognizer

SECONDS = 2.0
"""How long one expression may search one window; every one of Presidio's own takes milliseconds."""

_LONGEST_HOST = 253


class TooSlow(TenetError):
    """An expression that did not come to an end. Presidio would log that and go on as if it had found nothing."""


class Limited:
    """A compiled expression that raises when its time is up. Stands where Presidio keeps a compiled one."""

    def __init__(self, name: str, compiled: Any) -> None:  # noqa: ANN401
        self._name = name
        self._compiled = compiled

    def finditer(self, text: str, timeout: float | None = None) -> Iterator[Any]:
        """Yield the matches, as the package `regex` does.

        Raises:
            TooSlow: After `SECONDS`; `timeout` is Presidio's own and longer.
        """
        try:
            yield from self._compiled.finditer(text, timeout=SECONDS)
        except TimeoutError:
            raise TooSlow(f"its pattern '{self._name}' did not come to an end within {SECONDS:g} s") from None


class Hosts:
    """The expression for addresses without a scheme, tried only where the name of a top-level domain follows.

    Presidio's own is tried at every character and looks ahead as far as a host's name may be long: a second for a thousand dots.
    What it finds is the same, but for a host of more than 253 characters, which there is none.
    """

    def __init__(self, expression: str, flags: int) -> None:
        import regex

        self._compiled = regex.compile(expression, flags)
        domains = set(re.findall(r"\(\?:([a-z]+)\)", expression))
        self._ending = regex.compile(r"\.\L<domains>", flags, domains=domains)

    def finditer(self, text: str, timeout: float | None = None) -> Iterator[Any]:
        """Yield the matches, as the package `regex` does."""
        done = 0
        for ending in self._ending.finditer(text):
            start = _host_start(text, ending.start(), done)
            match = self._compiled.match(text, start, timeout=timeout) if start < ending.start() else None
            if match:
                yield match
                done = match.end()


def limit(recognizer: EntityRecognizer) -> None:
    """Keep a recognizer's expressions from running away. Changes it, and nothing that it shares with others of its class."""
    from presidio_analyzer import Pattern, PatternRecognizer

    if isinstance(recognizer, PatternRecognizer):
        own: Any = recognizer
        own.patterns = [_limited(Pattern(one.name, one.regex, one.score), recognizer) for one in own.patterns]


def _limited(pattern: Any, recognizer: PatternRecognizer) -> Any:  # noqa: ANN401
    import regex
    from presidio_analyzer.predefined_recognizers import UrlRecognizer

    flags = recognizer.global_regex_flags or 0
    bare = isinstance(recognizer, UrlRecognizer) and pattern.regex == f"(?i){UrlRecognizer.BASE_URL_REGEX}"
    compiled = Hosts(pattern.regex, flags) if bare else regex.compile(pattern.regex, flags)
    pattern.compiled_regex = Limited(pattern.name, compiled)
    pattern.compiled_with_flags = flags
    return pattern


def _host_start(text: str, end: int, first: int) -> int:
    """Return where the host that ends at `end` begins, at `first` or later."""
    start, least = end, max(first, end - _LONGEST_HOST)
    while start > least and ((text[start - 1].isascii() and text[start - 1].isalnum()) or text[start - 1] in ".-"):
        start -= 1
    return start
