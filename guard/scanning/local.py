"""The engine that judges in this process: many records at the same time, given back in the order in which they were read."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator

from guard.engine import Guard
from guard.scanning.judging import Judge, Question
from guard.scanning.records import Judged, Position, Record, Source

_MOST_CHARACTERS = 32 * 1024 * 1024
"""Code points of all records under way, so that long lines cost no more memory than short ones."""
_LOOK_EVERY = 0.1
"""Seconds after which to look whether to stop, while nothing is read."""
_AHEAD = 2
"""Chunks that are read ahead."""


def judge_here(
    source: Source, start: Position, guard: Guard, question: Question, stopped: Callable[[], bool]
) -> Generator[list[Judged]]:
    """Yield what comes of the records from `start` on, until their end or until `stopped`."""
    reading = _Reading(source, start)
    try:
        with asyncio.Runner() as runner:
            course = _Course(Judge(guard, question), reading, 4 * question.together, stopped)
            while batch := runner.run(course.next()):
                yield batch
    finally:
        reading.end()


class _Reading:
    """Reads ahead in a thread, so that a slow pipe keeps nobody from judging what has come.

    The thread is a daemon: nothing can wake one that waits for a pipe.
    """

    def __init__(self, source: Source, start: Position) -> None:
        self._queue: queue.Queue[list[Record] | BaseException | None] = queue.Queue(_AHEAD)
        self._ended = threading.Event()
        threading.Thread(target=self._read, args=(source, start), name="guard-scan-reader", daemon=True).start()

    def take(self, seconds: float) -> list[Record] | None:
        """Return the next chunk, None at the end; raises `queue.Empty` where nothing comes in this time."""
        found = self._queue.get(timeout=seconds) if seconds else self._queue.get_nowait()
        if isinstance(found, BaseException):
            raise found
        return found

    def end(self) -> None:
        """Let the thread go."""
        self._ended.set()

    def _read(self, source: Source, start: Position) -> None:
        try:
            for chunk in source.chunks(start):
                if not self._put(chunk):
                    return
            self._put(None)
        except Exception as error:  # told to whoever takes
            self._put(error)

    def _put(self, what: list[Record] | BaseException | None) -> bool:
        while not self._ended.is_set():
            try:
                self._queue.put(what, timeout=_LOOK_EVERY)
            except queue.Full:
                continue
            return True
        return False


class _Course:
    """The records under way."""

    def __init__(self, judge: Judge, reading: _Reading, most: int, stopped: Callable[[], bool]) -> None:
        self._judge = judge
        self._reading = reading
        self._most = most
        self._stopped = stopped
        self._read: deque[Record] = deque()
        self._pending: deque[tuple[asyncio.Task[Judged], int]] = deque()
        self._characters = 0
        self._ended = False

    async def next(self) -> list[Judged]:
        """Return at least one result, those before it being given back already; none at the end, or when stopped."""
        while not self._stopped():
            self._begin()
            done = self._done()
            if done:
                return done
            if self._pending:
                await asyncio.wait([self._pending[0][0]], timeout=_LOOK_EVERY)
            elif self._ended:
                return []
            else:
                self._fetch(_LOOK_EVERY)
        return []

    def _begin(self) -> None:
        """Start as many records as there is room for."""
        while len(self._pending) < self._most and self._characters < _MOST_CHARACTERS:
            if not self._read and not self._fetch(0):
                return
            if self._read:
                record = self._read.popleft()
                self._characters += len(record.text)
                self._pending.append((asyncio.create_task(self._judge.judge(record)), len(record.text)))

    def _fetch(self, seconds: float) -> bool:
        """Take a chunk that was read; return whether there was one."""
        if self._ended:
            return False
        try:
            chunk = self._reading.take(seconds)
        except queue.Empty:
            return False
        self._ended = chunk is None
        self._read.extend(chunk or ())
        return not self._ended

    def _done(self) -> list[Judged]:
        done = []
        while self._pending and self._pending[0][0].done():
            task, characters = self._pending.popleft()
            self._characters -= characters
            done.append(task.result())
        return done
