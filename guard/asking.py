"""Ask detectors, and drive streams through their verdicts: the only place where judging waits for anything."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

from guard.streaming import Window
from guard.values import Detector, Finding, Item, Runs

log = logging.getLogger("guard")

LONG = 65_536
"""Code points from which on even a quick detector is kept off the event loop."""
MOST_QUESTIONS = 64
"""Verdicts that one stream may wait for before it stops reading its upstream."""
HEARTBEAT_SECONDS = 15.0

Answers = list[list[Finding]] | None
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
    """Return the detector's findings for each item, or None where it gave no verdict within `seconds`."""
    try:
        if detector.needs.runs is Runs.INLINE and sum(len(item.text) for item in items) < LONG:
            return _checked(detector, items, detector.detect(items))
        async with asyncio.timeout(seconds):
            return _checked(detector, items, await detector.detect_async(items))
    except Exception as error:  # fail closed: whatever went wrong, the rules' `on_error` decides
        log.warning("the detector %r gave no verdict: %s", detector.name, type(error).__name__)
        return None


def ask_sync(detector: Detector, items: Sequence[Item]) -> Answers:
    """Do the same as `ask` in a thread without an event loop; nothing can interrupt the detector."""
    try:
        return _checked(detector, items, detector.detect(items))
    except Exception as error:  # fail closed, as above
        log.warning("the detector %r gave no verdict: %s", detector.name, type(error).__name__)
        return None


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
            if detector.needs.runs is Runs.INLINE and sum(len(item.text) for item in items) < LONG:
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
        stream.answer(choice, window, None if answers is None else answers[index])


def _by_detector(
    fresh: Sequence[tuple[int | None, Window]], detectors: Mapping[str, Detector]
) -> list[tuple[Detector, list[tuple[int | None, Window]]]]:
    groups: dict[str, list[tuple[int | None, Window]]] = defaultdict(list)
    for choice, window in fresh:
        groups[window.detector].append((choice, window))
    return [(detectors[name], windows) for name, windows in groups.items()]


def _checked(detector: Detector, items: Sequence[Item], answers: list[list[Finding]]) -> list[list[Finding]]:
    if len(answers) != len(items):
        raise ValueError(f"the detector {detector.name!r} answered {len(answers)} of {len(items)} items")
    for item, findings in zip(items, answers, strict=True):
        for finding in findings:
            start, end = finding.span or (0, 0)
            if finding.detector != detector.name or not 0.0 <= finding.score <= 1.0 or not 0 <= start <= end <= len(item.text):
                raise ValueError(f"the detector {detector.name!r} gave a finding that no rule can read")
    return answers
