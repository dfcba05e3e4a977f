"""Do work beside serving: in a thread with an event loop of its own, bounded, and refused at once where it is too much.

A job that blocks its loop for ever stops the other jobs here, and nothing else: what is offered then is refused.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

log = logging.getLogger("guard")
Job = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may be under way.

    Attributes:
        jobs: Jobs that wait or run.
        size: Characters and bytes that they hold, all together.
        at_once: Jobs that run at the same time.
    """

    jobs: int = 256
    size: int = 32 * 1024 * 1024
    at_once: int = 8


class Background:
    """The queue and the thread, which starts with the first job. `offer` may be called from any thread."""

    def __init__(self, name: str, bounds: Bounds = Bounds()) -> None:
        self._name = name
        self._bounds = bounds
        self._lock = threading.Lock()
        self._queue: deque[tuple[Job, int]] = deque()
        self._jobs = 0
        self._size = 0
        self._running: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = False

    def offer(self, job: Job, size: int = 0) -> bool:
        """Have a job done some time soon; never waits. Returns whether there was room for it.

        Args:
            size: What it holds, in characters or bytes; one that is larger than all room together is refused too.
        """
        with self._lock:
            if self._stopped or self._jobs >= self._bounds.jobs or self._size + size > self._bounds.size:
                return False
            if self._loop is None and not self._start():
                return False
            self._jobs += 1
            self._size += size
            self._queue.append((job, size))
            self._call(self._begin)
        return True

    def stop(self) -> None:
        """Take no more, and let go of what waits and runs; returns at once."""
        with self._lock:
            if not self._stopped:
                self._stopped = True
                self._queue.clear()
                self._call(self._end)

    def _start(self) -> bool:
        """Start the thread; return whether the system gave it one."""
        loop = asyncio.new_event_loop()
        try:
            threading.Thread(target=_run, args=(loop,), name=f"guard-{self._name}", daemon=True).start()
        except RuntimeError:
            loop.close()
            return False
        self._loop = loop
        return True

    def _call(self, call: Callable[[], None]) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(call)

    def _begin(self) -> None:
        while len(self._running) < self._bounds.at_once:
            with self._lock:
                if not self._queue:
                    return
                job, size = self._queue.popleft()
            task = asyncio.get_running_loop().create_task(self._do(job, size))
            self._running.add(task)
            task.add_done_callback(self._done)

    async def _do(self, job: Job, size: int) -> None:
        try:
            await job()
        except Exception as error:  # what goes wrong here is nobody's answer
            log.warning("a job of %s failed: %s", self._name, type(error).__name__)
        finally:
            with self._lock:
                self._jobs -= 1
                self._size -= size

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._begin()

    def _end(self) -> None:
        for task in self._running:
            task.cancel()
        asyncio.get_running_loop().call_soon(asyncio.get_running_loop().stop)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()
    loop.run_until_complete(asyncio.gather(*asyncio.all_tasks(loop), return_exceptions=True))
    loop.close()
