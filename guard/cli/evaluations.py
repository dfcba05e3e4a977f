"""What `guard evaluate` does: measure, print tables or JSON, write a report with plots, and hold figures against a floor."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from guard.cli.complaints import each_once
from guard.detectors.registry import kinds
from guard.errors import MissingExtra, TenetError
from guard.evaluation.evaluate import Evaluated, Question, evaluate
from guard.evaluation.gathering import Asked
from guard.evaluation.layout import Layout
from guard.evaluation.plots import KINDS, plots, require_plots
from guard.evaluation.report import Report
from guard.evaluation.sheets import Sheet, as_plain, legend, page, sheets
from guard.evaluation.worst import Mistake
from guard.values import Role, Stage

_BELOW, _STOPPED = 1, 128 + signal.SIGINT


@dataclass(frozen=True, slots=True)
class Output:
    """Where the report goes.

    Attributes:
        folder: For the report's files; None for none.
        floors: `CATEGORY=NUMBER`: the least AUPRC of the first candidate.
    """

    folder: Path | None = None
    overwrite: bool = False
    json_output: bool = False
    floors: tuple[str, ...] = ()


def question(
    datasets: Sequence[str],
    detectors: Sequence[str],
    policies: Sequence[str],
    against: str,
    *,
    layout: Mapping[str, str],
    slices: Sequence[str],
    stage: str,
    role: str,
    numbers: Mapping[str, int],
) -> Question:
    """Return what is asked for.

    Raises:
        TenetError: For a value that makes no sense.
    """
    for option, value, known in (("--stage", stage, Stage), ("--role", role, Role)):
        if value not in list(known) and (value or option == "--stage"):
            raise TenetError(f"{option}: expected one of {', '.join(known)}, got {value!r}")
    fields = Layout(**layout, slices=tuple(slices))
    asked = Asked(Stage(stage), Role(role) if role else None, **numbers)
    return Question(tuple(datasets), tuple(detectors), tuple(policies), against, fields, asked)


def evaluate_files(asked: Question, output: Output) -> int:
    """Evaluate, print and write the report; return the exit status.

    Raises:
        TenetError: Where something cannot be used, read or written.
    """
    floors = dict(_floor(text) for text in output.floors)
    if output.folder is not None:
        _prepare(output.folder, overwrite=output.overwrite)
    console = Console(stderr=True)
    try:
        with each_once(console), _bar(console) as progress:
            done = evaluate(asked, kinds(), progress)
    except KeyboardInterrupt:
        print("stopped: nothing was written", file=sys.stderr)
        return _STOPPED
    if output.json_output:
        print(json.dumps(done.report.as_dict(), indent=2))
    else:
        _show(done.report)
    _show_worst(done, asked.asked.worst, stream=sys.stderr if output.json_output else sys.stdout)
    if output.folder is not None:
        _write(done.report, output.folder)
        print(f"written: {output.folder}", file=sys.stderr if output.json_output else sys.stdout)
    below = list(_below(done.report, floors))
    for line in below:
        print(line, file=sys.stderr)
    return _BELOW if below else 0


def _show(report: Report) -> None:
    console = Console(highlight=False, markup=False)
    for sheet in sheets(report):
        if console.is_terminal:
            console.print(_table(sheet))
        else:
            print(as_plain(sheet))
        print()
    print("\n".join(legend(report)))
    for note in report.notes:
        print(f"note: {note}")


def _table(sheet: Sheet) -> object:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(sheet.title), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    words = 2 if sheet.header[1:2] == ("row",) else 1
    for number, name in enumerate(sheet.header):
        table.add_column(Text(name), justify="left" if number < words else "right")
    for row in sheet.rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _show_worst(done: Evaluated, most: int, stream: TextIO) -> None:
    if not most:
        return
    lines = []
    for of, worst in zip(done.report.found, done.gathered.worst, strict=True):
        for title, mistakes in (("false alarms", worst.alarms), ("misses", worst.misses)):
            lines.append(f"{of.candidate.name}: worst {title}" + ("" if mistakes else ": none"))
            lines += [_mistake(each) for each in mistakes]
    print("\n".join(lines), file=stream)


def _mistake(each: Mistake) -> str:
    """Return one mistake as a line; whatever the text holds, it does nothing to a terminal."""
    text = "".join(letter if letter.isprintable() else " " for letter in each.text)
    return f"  {each.category} {each.score:.3f}  {each.place}  {text}"


def _floor(text: str) -> tuple[str, float]:
    name, equals, number = text.rpartition("=")
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    if not equals or not name or not 0 <= value <= 1:
        raise TenetError(f"--min-auprc: expected CATEGORY=NUMBER, the number in [0, 1], got {text!r}")
    return name, value


def _below(report: Report, floors: Mapping[str, float]) -> Iterator[str]:
    of = report.found[0]
    for name, least in floors.items():
        row = of.rows.get("any harm" if name == "any" else name)
        found = row.figures.get("auprc") if row else None
        if found is None or found < least:
            got = "which cannot be told on these records" if found is None else f"got {found:.4f}"
            yield f"--min-auprc {name}: expected at least {least:g} of {of.candidate.name}, {got}"


@contextmanager
def _bar(console: Console) -> Iterator[Callable[[int, int, int | None], None]]:
    columns = (SpinnerColumn(), BarColumn(), TextColumn("{task.fields[records]} records"), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=None, records="0")
        yield lambda records, read, total: bar.update(task, completed=read, total=total, records=f"{records:,}")


def _prepare(folder: Path, *, overwrite: bool) -> None:
    """Raise TenetError where the report could not be written in the end."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TenetError(f"--out {folder}: expected a folder to write to: {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise TenetError(f"--out {folder}: expected a folder to write to, it is read-only")
    if (folder / _JSON).exists() and not overwrite:
        raise TenetError(f"--out {folder}: has an {_JSON} already; name another folder, or say --overwrite")
    try:
        require_plots()
    except MissingExtra as error:
        print(f"there will be no plots: {error}", file=sys.stderr)


def _write(report: Report, folder: Path) -> None:
    try:
        drawn = dict(plots(report))
    except MissingExtra:
        drawn = {}
    files = dict(drawn)
    titles = {title: f"{kind}.svg" for kind, title in KINDS.items() if f"{kind}.svg" in drawn}
    files[_PAGE] = page(report, titles).encode()
    files[_JSON] = (json.dumps(report.as_dict(), indent=2) + "\n").encode()
    try:
        for stale in (f"{kind}.{form}" for kind in KINDS for form in ("png", "svg")):
            if stale not in files:
                (folder / stale).unlink(missing_ok=True)
        for name, data in files.items():
            beside = folder / f".{name}.{os.getpid()}"
            beside.write_bytes(data)
            beside.replace(folder / name)
    except OSError as error:
        raise TenetError(f"--out {folder}: cannot be written: {error.strerror}") from error


_JSON, _PAGE = "evaluation.json", "evaluation.md"
