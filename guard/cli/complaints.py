"""Show what detectors complain about, each complaint once, and not once for each of many texts."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


@contextmanager
def each_once(console: Console) -> Iterator[None]:
    """Print the warnings that are logged within, each once."""
    handler = _Once(console)
    log = logging.getLogger("guard")
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


class _Once(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message not in self._said:
            self._said.add(message)
            self._console.print(message, markup=False, highlight=False)
