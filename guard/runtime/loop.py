"""One event loop of the runtime's own, in a daemon thread: remote detectors live there, whoever asks and from wherever."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

_CLOSING_SECONDS = 2.0


class RuntimeLoop:
    """An event loop in a thread. Use `runtime_loop()`, which gives one to each process."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        self._closers: list[Callable[[], Awaitable[None]]] = []
        self._thread = threading.Thread(target=self.loop.run_forever, name="guard-runtime", daemon=True)
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine there; its future may be waited for anywhere else."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def run(self, work: Coroutine[Any, Any, T], seconds: float | None = None) -> T:
        """Run a coroutine there and wait for it; never call this from that loop itself.

        Raises:
            TimeoutError: Where it takes longer than `seconds`; the coroutine is cancelled.
        """
        future = self.submit(work)
        try:
            return future.result(seconds)
        except TimeoutError:
            future.cancel()
            raise

    def on_exit(self, close: Callable[[], Awaitable[None]]) -> None:
        """Have `close` awaited before the process ends."""
        self._closers.append(close)

    def stop(self) -> None:
        """Close what asked for it, cancel what is under way, and end the thread; a forked child leaves its parent's alone."""
        if self.pid != os.getpid():
            return
        with suppress(TimeoutError):
            self.submit(self._end()).result(_CLOSING_SECONDS)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_CLOSING_SECONDS)
        if not self._thread.is_alive():
            self.loop.close()

    async def _end(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        closing = [close() for close in self._closers]
        await asyncio.gather(*tasks, *closing, return_exceptions=True)


_lock = threading.Lock()
_current: RuntimeLoop | None = None


def runtime_loop() -> RuntimeLoop:
    """Return this process's loop; it starts when first asked for, and again in a forked child."""
    global _current
    with _lock:
        if _current is None or _current.pid != os.getpid():
            _current = RuntimeLoop()
            atexit.register(_current.stop)
        return _current
