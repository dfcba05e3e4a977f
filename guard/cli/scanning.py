"""`guard scan`: judge a file of records, show how far it is, and stop cleanly when told to."""

from __future__ import annotations

import json
import logging
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

from guard.errors import TenetError
from guard.scanning import scan as scanning
from guard.scanning.judging import Question
from guard.scanning.scan import Ended, Settings
from guard.scanning.summary import most_frequent
from guard.values import Role, Stage

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SIGNAL_STATUS = 128


def question(stage: str, role: str, together: int, *, keep_text: bool) -> Question:
    """Return what every record is asked.

    Raises:
        TenetError: For a stage or a role that does not exist.
    """
    if stage not in list(Stage):
        raise TenetError(f"--stage: expected input or output, got {stage!r}")
    if role and role not in list(Role):
        raise TenetError(f"--role: expected one of {', '.join(Role)}, got {role!r}")
    return Question(Stage(stage), Role(role) if role else None, keep_text, together)


def scan_file(settings: Settings, *, json_output: bool) -> int:
    """Scan, and print what was found; return the exit status.

    Raises:
        TenetError: Where something cannot be used, read or written.
    """
    console = Console(stderr=True)
    with _asked_to_stop() as asked, _each_warning_once(console), _bar(console) as bar:
        watch = _Watch(bar)
        ended = scanning.scan(settings, watch, lambda: bool(asked))
    if ended.stopped:
        way_out = (
            "run the same command again to go on" if ended.resumes else "a pipe cannot be read again: start anew with --overwrite"
        )
        print(f"stopped after {ended.summary.records:,} records; {way_out}", file=sys.stderr)
        return _SIGNAL_STATUS + asked[0]
    print(json.dumps(_as_dict(ended, settings), indent=2) if json_output else _summary(ended, settings))
    return 1 if ended.summary.broken else 0


class _Watch:
    """Moves the bar."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=None, rate="", flagged="")
        self._began: tuple[float, int] | None = None

    def __call__(self, progress: scanning.Progress) -> None:
        records = progress.summary.records
        if self._began is None:
            self._began = (monotonic(), records)
            if progress.resumed:
                self._bar.console.print(f"going on after {records:,} records")
        if not self._bar.disable:
            seconds = max(monotonic() - self._began[0], 1e-6)
            rate = f"{(records - self._began[1]) / seconds:,.0f} records/s"
            flagged = f"{progress.summary.flagged_share:.1%} flagged"
            self._bar.update(self._task, completed=progress.read, total=progress.total, rate=rate, flagged=flagged)


def _bar(console: Console) -> Progress:
    columns = (SpinnerColumn(), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[rate]}  {task.fields[flagged]}"))
    return Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal)


@contextmanager
def _asked_to_stop() -> Iterator[list[int]]:
    """Collect the signals that ask to stop; a second one does what it always did."""
    asked: list[int] = []
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def note(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in _SIGNALS:
        signal.signal(number, note)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _each_warning_once(console: Console) -> Iterator[None]:
    """Say once what a detector complains about, and not once for each record."""
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


def _as_dict(ended: Ended, settings: Settings) -> dict[str, object]:
    return {**ended.summary.as_dict(), "policy": ended.policy, "out": str(settings.out)}


def _summary(ended: Ended, settings: Settings) -> str:
    summary = ended.summary
    lines = [f"{summary.records:,} records, {summary.flagged_share:.1%} flagged; results in {settings.out}"]
    for title, counts in (("actions", summary.actions), ("rules", summary.rules), ("categories", summary.categories)):
        lines += _counted(title, counts)
    lines += _counted("no verdict from", summary.failed)
    if summary.broken:
        lines.append(f'{summary.broken:,} could not be judged; their results have an "error"')
    return "\n".join(lines)


def _counted(title: str, counts: Counter[str]) -> list[str]:
    if not counts:
        return []
    return [f"{title}:", *(f"  {name:<32} {count:>12,}" for name, count in most_frequent(counts))]
