"""Scan a file: read, judge, write, and go on where an earlier run of the same command stopped."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from guard.engine import Guard
from guard.errors import TenetError
from guard.scanning.checkpoint import Command
from guard.scanning.judging import Question
from guard.scanning.local import judge_here
from guard.scanning.lock import locked
from guard.scanning.output import Output
from guard.scanning.records import Judged, Position, Source
from guard.scanning.sources import open_source
from guard.scanning.summary import Summary
from guard.scanning.tables import require_parquet

ENGINES = ("local", "ray")


@dataclass(frozen=True, slots=True)
class Settings:
    """What to scan, and how.

    Attributes:
        source: A path, or `-` for standard input.
        out: Where the results go: lines of JSON, or Parquet where it ends in `.parquet`.
        text: Where a record's text stands.
        id: Where its own id stands; empty for none.
        overwrite: Whether an existing file, or what another command left unfinished, may be replaced.
    """

    source: str
    out: Path
    policy: str = "default"
    text: str = "text"
    id: str = ""
    question: Question = field(default_factory=Question)
    engine: str = "local"
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a scan is.

    Attributes:
        read: Bytes or rows of the input.
        total: Of those; None for a pipe.
        resumed: Whether it goes on where an earlier run stopped.
    """

    read: int
    total: int | None
    summary: Summary
    resumed: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """How a scan ended.

    Attributes:
        stopped: Whether it was told to stop before the end of its input.
        resumes: Whether the same command goes on from here.
    """

    summary: Summary
    policy: str
    stopped: bool
    resumes: bool


def scan(
    settings: Settings,
    watch: Callable[[Progress], None] = lambda _progress: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Ended:
    """Judge every record of a file and write what comes of each, in the file's order.

    Args:
        watch: Told again and again how far it is.
        stopped: Asked again and again whether to stop; what was judged by then is kept, to go on from.

    Raises:
        TenetError: Where something cannot be used, read or written; what was judged by then is kept too.
        MissingExtra: Where a package is not installed.
    """
    out = settings.out
    _check(settings)
    source = open_source(settings.source, settings.text, settings.id)
    guard = Guard(settings.policy)
    command = _command(settings, guard)
    with locked(out.with_name(out.name + ".lock")):
        try:
            with Output(out, command, overwrite=settings.overwrite, resumes=source.resumes) as output:
                if not output.done and not _run(settings, source, guard, output, watch, stopped):
                    return Ended(output.summary, guard.policy.digest, stopped=True, resumes=source.resumes)
                output.finish()
        except OSError as error:
            raise TenetError(
                f"{out}: cannot go on: {error.strerror or type(error).__name__}; the same command goes on later"
            ) from error
    return Ended(output.summary, guard.policy.digest, stopped=False, resumes=True)


def _run(
    settings: Settings,
    source: Source,
    guard: Guard,
    output: Output,
    watch: Callable[[Progress], None],
    stopped: Callable[[], bool],
) -> bool:
    """Judge what is left; return whether that was all."""

    def tell() -> None:
        watch(Progress(output.position.read, source.total, output.summary, output.resumed))

    tell()
    with closing(_judged(settings, source, output.position, guard, stopped)) as batches:
        for batch in batches:
            output.write(batch)
            tell()
            if stopped():
                break
    if stopped():
        output.save()
    return not stopped()


def _judged(
    settings: Settings, source: Source, start: Position, guard: Guard, stopped: Callable[[], bool]
) -> Generator[list[Judged]]:
    if settings.engine == "ray":
        from guard.scanning.on_ray import judge_on_ray

        return judge_on_ray(source, start, settings.policy, guard.policy.digest, settings.question)
    guard.prepare()
    return judge_here(source, start, guard, settings.question, stopped)


def _check(settings: Settings) -> None:
    out = settings.out
    if settings.engine not in ENGINES:
        raise TenetError(f"--engine: expected {' or '.join(ENGINES)}, got {settings.engine!r}")
    if out.name in ("", "-") or out.is_dir():
        raise TenetError(f"--out: expected a file, got {'a folder' if out.is_dir() else repr(str(out))}")
    if not out.absolute().parent.is_dir():
        raise TenetError(f"--out: expected a file in a folder that exists, found no {out.absolute().parent}")
    if settings.source != "-" and out.resolve() == Path(settings.source).resolve():
        raise TenetError("--out: expected another file than the input")
    if settings.engine == "ray":
        from guard.scanning.on_ray import require_ray

        require_ray(settings.source)
    if out.suffix == ".parquet":
        require_parquet()


def _command(settings: Settings, guard: Guard) -> Command:
    file = None if settings.source == "-" else Path(settings.source)
    state = file.stat() if file is not None and file.is_file() else None
    return Command(
        input=settings.source if file is None else str(file.absolute()),
        size=state.st_size if state else None,
        changed=state.st_mtime_ns if state else None,
        field=settings.text,
        id=settings.id,
        stage=settings.question.stage,
        role=settings.question.role or "",
        keep_text=settings.question.keep_text,
        policy=guard.policy.digest,
    )
