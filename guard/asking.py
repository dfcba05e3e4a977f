"""Ask detectors, and drive streams through their verdicts: the only place where judging waits for anything."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

from guard.detectors.running import Composed
from guard.errors import DetectorError, Overloaded
from guard.runtime.checking import checked
from guard.runtime.served import Served
from guard.runtime.trace import Outcome, Step, current
from guard.streaming import Window
from guard.values import Detector, Finding, Item, NoVerdict, Runs

log = logging.getLogger("guard")

LONG = 65_536
"""Code points from which on even a quick detector is kept off the event loop."""
MOST_QUESTIONS = 64
"""Verdicts that one stream may wait for before it stops reading its upstream."""
HEARTBEAT_SECONDS = 15.0

Answers = list[list[Finding]] | NoVerdict
Piece = TypeVar("Piece", str, bytes)


class Judged(Protocol[Piece]):
    """A stream under judgement (`guard.relay.Relay`, `guard.text_stream.TextStream`)."""

    @property
    def finished(self) -> bool:
        """Whether nothing more will leave."""
        ...

    @property
    def holding(self) -> bool:
        """Whether something that has come has not left."""
        ...

    def feed(self, piece: Piece, /) -> None:
        """Take the next piece."""
        ...

    def end(self) -> None:
        """Say that the stream has ended."""
        ...

    def windows(self) -> list[tuple[int | None, Window]]:
        """Return the windows to judge that were not handed out yet."""
        ...

    def answer(self, choice: int | None, window: Window, findings: Sequence[Finding] | None, /) -> None:
        """Take a verdict."""
        ...

    def take(self) -> Piece:
        """Return what may leave now."""
        ...


async def ask(detector: Detector, items: Sequence[Item], seconds: float) -> Answers:
    """Return the detector's findings for each item, or `NoVerdict` where it gave none within `seconds`.

    A detector with the runtime around it keeps its own time, and one that is composed of such ones is given theirs.
    """
    try:
        if is_quick(detector, items):
            return _quickly(detector, items)
        if isinstance(detector, Served | Composed):
            return checked(detector, items, await detector.detect_async(items))
        async with asyncio.timeout(seconds):
            return checked(detector, items, await detector.detect_async(items))
    except Exception as error:  # fail closed: whatever went wrong, the rules' `on_error` decides
        return _no_verdict(detector, error)


def ask_sync(detector: Detector, items: Sequence[Item]) -> Answers:
    """Do the same as `ask` in a thread without an event loop; nothing can interrupt a quick detector."""
    try:
        return _quickly(detector, items) if is_quick(detector, items) else checked(detector, items, detector.detect(items))
    except Exception as error:  # fail closed, as above
        return _no_verdict(detector, error)


def is_quick(detector: Detector, items: Sequence[Item]) -> bool:
    """Return whether the detector is asked in the event loop: it takes microseconds, and the items are not long."""
    return detector.needs.runs is Runs.INLINE and sum(len(item.text) for item in items) < LONG


def _quickly(detector: Detector, items: Sequence[Item]) -> list[list[Finding]]:
    trace = current()
    if trace is None or isinstance(detector, Composed):
        return checked(detector, items, detector.detect(items))
    began = time.perf_counter()
    answers = checked(detector, items, detector.detect(items))
    trace.steps.append(Step(detector.name, Outcome.RAN, len(items), time.perf_counter() - began))
    return answers


def _no_verdict(detector: Detector, error: Exception) -> NoVerdict:
    if isinstance(error, DetectorError):  # holds no text of anybody's; what others say may
        log.warning("%s", error)
    else:
        log.warning("the detector %r gave no verdict: %s", detector.name, type(error).__name__)
    return NoVerdict(error.retry_after) if isinstance(error, Overloaded) else NoVerdict()


async def pump(
    stream: Judged[Piece],
    source: AsyncIterator[Piece],
    detectors: Mapping[str, Detector],
    seconds: float,
    heartbeat: Piece | None = None,
) -> AsyncGenerator[Piece]:
    """Drive a stream: read its source, ask the detectors, yield what may leave.

    Reads no further than the consumer takes, so a slow client slows its upstream.

    Args:
        seconds: What one detector may take.
        heartbeat: What to yield when text has been held for long; None for nothing.
    """
    reading: asyncio.Task[Piece | None] | None = None
    asking: set[asyncio.Task[None]] = set()
    ended = False
    try:
        while not stream.finished:
            asking |= _ask_windows(stream, detectors, seconds)
            piece = stream.take()
            if piece:
                yield piece
                continue
            if stream.finished or (ended and not asking):
                break
            if not ended and reading is None and len(asking) < MOST_QUESTIONS:
                reading = asyncio.create_task(_next(source))
            waiting = {*asking, *((reading,) if reading else ())}
            done, _ = await asyncio.wait(waiting, timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if not done and heartbeat and stream.holding:
                yield heartbeat
            for task in asking & done:
                task.result()  # raises what went wrong with a verdict, as without it the stream cannot go on
            asking -= done
            if reading in done and reading is not None:
                came, reading = reading.result(), None
                if came is None:
                    ended = True
                    stream.end()
                else:
                    stream.feed(came)
    finally:
        for task in (*asking, *((reading,) if reading else ())):
            task.cancel()
        await asyncio.gather(*asking, *((reading,) if reading else ()), return_exceptions=True)


def pump_sync(stream: Judged[Piece], source: Iterable[Piece], detectors: Mapping[str, Detector]) -> Iterator[Piece]:
    """Drive a stream in a thread without an event loop."""
    for piece in source:
        stream.feed(piece)
        _answer_sync(stream, detectors)
        released = stream.take()
        if released:
            yield released
        if stream.finished:
            return
    stream.end()
    _answer_sync(stream, detectors)
    released = stream.take()
    if released:
        yield released


async def closing(source: AsyncIterator[Piece]) -> AsyncIterator[Piece]:
    """Yield from `source`, and close it whatever happens, so that its upstream is let go."""
    try:
        async for piece in source:
            yield piece
    finally:
        close = getattr(source, "aclose", None)
        if close is not None:
            await close()


async def _next(source: AsyncIterator[Piece]) -> Piece | None:
    try:
        return await anext(source)
    except StopAsyncIteration:
        return None


def _ask_windows(stream: Judged[Piece], detectors: Mapping[str, Detector], seconds: float) -> set[asyncio.Task[None]]:
    """Answer the windows of quick detectors on the spot; return tasks that answer the others."""
    tasks = set()
    while fresh := stream.windows():
        for detector, windows in _by_detector(fresh, detectors):
            items = [window.item for _, window in windows]
            if is_quick(detector, items):
                _tell(stream, windows, ask_sync(detector, items))
            else:
                tasks.add(asyncio.create_task(_ask_and_tell(stream, windows, detector, items, seconds)))
    return tasks


async def _ask_and_tell(
    stream: Judged[Piece],
    windows: Sequence[tuple[int | None, Window]],
    detector: Detector,
    items: Sequence[Item],
    seconds: float,
) -> None:
    _tell(stream, windows, await ask(detector, items, seconds))


def _answer_sync(stream: Judged[Piece], detectors: Mapping[str, Detector]) -> None:
    while fresh := stream.windows():
        for detector, windows in _by_detector(fresh, detectors):
            _tell(stream, windows, ask_sync(detector, [window.item for _, window in windows]))


def _tell(stream: Judged[Piece], windows: Sequence[tuple[int | None, Window]], answers: Answers) -> None:
    for index, (choice, window) in enumerate(windows):
        stream.answer(choice, window, None if isinstance(answers, NoVerdict) else answers[index])


def _by_detector(
    fresh: Sequence[tuple[int | None, Window]], detectors: Mapping[str, Detector]
) -> list[tuple[Detector, list[tuple[int | None, Window]]]]:
    groups: dict[str, list[tuple[int | None, Window]]] = defaultdict(list)
    for choice, window in fresh:
        groups[window.detector].append((choice, window))
    return [(detectors[name], windows) for name, windows in groups.items()]
