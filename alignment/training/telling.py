"""Tell how a run goes: lines in a log; on a terminal, one line that is replaced."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Tell = Callable[[str], None]


@contextmanager
def telling(tell: Tell | None) -> Iterator[tuple[Tell, Tell]]:
    """Give what tells a line that stays, and what shows a step, whose line the next may replace.

    Args:
        tell: What does both; None for standard error.
    """
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    if tell is not None:
        yield tell, tell
    elif not console.is_terminal:
        yield _line, _line
    else:
        with console.status(Text("getting ready")) as status:
            yield (lambda line: console.print(Text(line))), (lambda line: status.update(Text(line)))


def quieten() -> None:
    """Let the libraries below show no bars of their own; how long the work takes is told by `telling`."""
    import datasets
    from transformers.utils import logging

    datasets.disable_progress_bars()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # it has no types


def _line(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
