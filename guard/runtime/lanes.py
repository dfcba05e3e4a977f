"""Daemon threads that run a model's calls. They start when there is work and end when there is none for a while.

Daemon, unlike those of `concurrent.futures`: a model that hangs must not keep the process from ending.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any
from weakref import WeakValueDictionary

_IDLE_SECONDS = 10.0
_ENDING_SECONDS = 2.0


class Lane:
    """At most `threads` calls at the same time, in the order in which they came."""

    def __init__(self, name: str, threads: int) -> None:
        self._name = name
        self._most = threads
        self._start_over()

    def _start_over(self) -> None:
        self._pid = os.getpid()
        self._ended = False
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._threads = 0
        self._idle = 0

    def submit(self, call: Callable[[], Any]) -> Future[Any]:
        """Have `call` run; its future tells what came of it.

        Raises:
            RuntimeError: Where it has no thread, and the system gives it none, or the process is ending.
        """
        if self._pid != os.getpid():  # a fork has no threads
            self._start_over()
        future: Future[Any] = Future()
        with self._changed:
            if self._ended:
                raise RuntimeError("the process is ending")
            if len(self._waiting) >= self._idle and self._threads < self._most:
                self._start_thread()
            self._waiting.append((future, call))
            self._changed.notify()
        return future

    def end(self) -> None:
        """Drop the calls that wait, and start no more; those that run go on."""
        with self._changed:
            self._ended = True
            dropped = [future for future, _ in self._waiting]
            self._waiting.clear()
        for future in dropped:
            future.cancel()

    def join(self, deadline: float) -> None:
        """Wait for the calls that run, until `deadline` on `time.monotonic`'s clock."""
        with self._changed:
            self._changed.wait_for(lambda: self._threads == self._idle, max(0.0, deadline - time.monotonic()))

    def _start_thread(self) -> None:
        try:
            threading.Thread(target=self._work, name=f"guard-{self._name}", daemon=True).start()
        except RuntimeError:  # there are too many in this container; those that there are go on
            if not self._threads:
                raise
        else:
            self._threads += 1

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._idle += 1
                    if self._ended:
                        self._changed.notify_all()
                    came = self._changed.wait(_IDLE_SECONDS)
                    self._idle -= 1
                    if not came and not self._waiting:
                        self._threads -= 1
                        return
                future, call = self._waiting.popleft()
            if future.set_running_or_notify_cancel():
                _run(future, call)
            del future, call  # or the last result would be kept while idle


_lanes: WeakValueDictionary[str, Lane] = WeakValueDictionary()
_lock = threading.Lock()


@atexit.register
def _end() -> None:
    """Give what runs a moment to come to its end: native code of a model that is cut off in the middle aborts the process."""
    lanes = [each for each in list(_lanes.values()) if each._pid == os.getpid()]
    deadline = time.monotonic() + _ENDING_SECONDS
    for each in lanes:
        each.end()
    for each in lanes:
        each.join(deadline)


def lane(key: str, threads: int) -> Lane:
    """Return the lane of a model; detectors that share the model take turns in it."""
    with _lock:
        found = _lanes.get(key)
        if found is None:
            found = _lanes[key] = Lane(key, threads)
        return found


def _run(future: Future[Any], call: Callable[[], Any]) -> None:
    try:
        result = call()
    except BaseException as error:  # whatever a model raises belongs to whoever waits for it
        future.set_exception(error)
    else:
        future.set_result(result)
