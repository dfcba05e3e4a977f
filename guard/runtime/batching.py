"""Put the questions of concurrent exchanges into few calls of a detector.

An idle detector starts at once with what there is; while it works, what comes waits and goes together into the next call. Items
of like length go together, so that little is padded; the oldest is always in the next call.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from functools import partial

from guard.errors import DetectorError, Overloaded, Transient
from guard.runtime.counts import Counts
from guard.runtime.loop import runtime_loop
from guard.values import Finding, Item

Call = Callable[[Sequence[Item]], "Future[list[list[Finding]]]"]
"""Starts one call of a detector."""

_ALIKE = 2.0
_SHORT = 64
_LEARNING = 0.2
_SEEN = 32
"""Batches among which a call looks for items of like length; more would cost more than they save."""


@dataclass(slots=True, eq=False)
class Entry:
    """One item that waits for its verdict.

    Attributes:
        deadline: On `time.monotonic`'s clock; what has not started by then is dropped.
        waiters: How many exchanges wait for it; with none left it is dropped, unless it has started.
        alone: Whether it goes into a call of its own, as its company failed.
    """

    item: Item
    deadline: float
    future: Future[list[Finding]] = field(default_factory=Future)
    waiters: int = 1
    started: bool = False
    alone: bool = False


class Batcher:
    """The queue before one detector. Thread-safe."""

    def __init__(self, name: str, call: Call, counts: Counts, *, batch: int, parallel: int, queue: int, wait: float) -> None:
        """Prepare; nothing runs yet.

        Args:
            batch: Most items in a call.
            parallel: Most calls at the same time.
            queue: Items that may wait before further questions are refused.
            wait: Seconds that a call waits for company when nothing else runs.
        """
        self._name = name
        self._call = call
        self._counts = counts
        self._batch = batch
        self._parallel = parallel
        self._queue = queue
        self._wait = wait
        self._seconds_per_item = 0.0
        self.start_over()

    def start_over(self) -> None:
        """Forget what waits and what runs: in a forked child nothing does."""
        self._lock = threading.Lock()
        self._waiting: list[Entry] = []
        self._running = 0
        self._due = False
        self._progress = time.monotonic()

    def stands_still(self, seconds: float) -> bool:
        """Return whether calls are running, and none has ended for this long."""
        return self._running > 0 and time.monotonic() - self._progress >= seconds

    def check_room(self) -> None:
        """Have a question refused where too many items wait already. One that is admitted may have as many as it likes.

        Raises:
            Overloaded: With the seconds after which there should be room.
        """
        with self._lock:
            if len(self._waiting) >= self._queue:
                self._living(len(self._waiting))
            if len(self._waiting) >= self._queue:
                self._counts.shed += 1
                raise Overloaded(self._name, f"{len(self._waiting)} items are waiting", retry_after=self._time_to_clear())

    def submit(self, item: Item, deadline: float) -> Entry:
        """Queue an item; `start` sees to it."""
        entry = Entry(item, deadline)
        with self._lock:
            self._waiting.append(entry)
        return entry

    def start(self, *, ripe: bool = False) -> None:
        """Start as many calls as may run; where one may wait for company, do so when its time is over.

        Args:
            ripe: Whether the waiting is over.
        """
        while True:
            with self._lock:
                if not self._waiting or self._running >= self._parallel:
                    return
                if self._wait and not ripe and not self._running and len(self._waiting) < self._batch:
                    if not self._due:
                        self._due = True
                        loop = runtime_loop().loop
                        loop.call_soon_threadsafe(loop.call_later, self._wait, self._ripen)
                    return
                chosen = self._choose()
                if chosen:
                    if not self._running:
                        self._progress = time.monotonic()
                    self._running += 1
            if chosen:
                self._run(chosen)

    def _ripen(self) -> None:
        self._due = False
        self.start(ripe=True)

    def _choose(self) -> list[Entry]:
        """Take out of the queue the oldest entry and, of those that have waited nearly as long, the most like it in length."""
        seen: list[Entry] = []
        while self._waiting and not seen:
            seen = self._living(_SEEN * self._batch)
        chosen = self._alike(seen)
        taken = set(map(id, chosen))
        self._waiting[: len(seen)] = [entry for entry in seen if id(entry) not in taken]
        for entry in chosen:
            entry.started = True
        return chosen

    def _alike(self, seen: list[Entry]) -> list[Entry]:
        if not seen or seen[0].alone:
            return seen[:1]
        oldest = seen[0]
        size = len(oldest.item.text)
        longest, shortest = max(size, _SHORT) * _ALIKE, size / _ALIKE - _SHORT
        alike = [entry for entry in seen if not entry.alone and shortest <= len(entry.item.text) <= longest]
        if len(alike) > self._batch:
            alike = [oldest, *sorted(alike[1:], key=lambda entry: abs(len(entry.item.text) - size))[: self._batch - 1]]
        return alike

    def _living(self, most: int) -> list[Entry]:
        """Return those of the first `most` that somebody still waits for, and drop the others."""
        now = time.monotonic()
        seen = self._waiting[:most]
        living = [entry for entry in seen if entry.waiters > 0 and entry.deadline >= now]
        if len(living) < len(seen):
            self._waiting[: len(seen)] = living
            kept = set(map(id, living))
            for entry in seen:
                if id(entry) not in kept:
                    entry.future.set_exception(TimeoutError(f"the detector {self._name!r} did not start in time"))
        return living

    def _run(self, entries: list[Entry]) -> None:
        self._counts.calls += 1
        self._counts.items += len(entries)
        began = time.monotonic()
        try:
            call = self._call([entry.item for entry in entries])
        except Exception as error:  # whatever it is, those who wait must hear of it
            call = Future()
            call.set_exception(error)
            self._ended(entries, call, began)  # `start`, which goes on with the next, is not to be called within itself
        else:
            call.add_done_callback(partial(self._finished, entries, began))

    def _finished(self, entries: list[Entry], began: float, done: Future[list[list[Finding]]]) -> None:
        self._ended(entries, done, began)
        self.start()

    def _ended(self, entries: list[Entry], done: Future[list[list[Finding]]], began: float) -> None:
        error = DetectorError(self._name, "its call was cancelled") if done.cancelled() else self._failure(done)
        answers = [] if error else done.result()
        if not error and len(answers) != len(entries):
            error = DetectorError(self._name, f"it answered {len(answers)} of {len(entries)} items")
        again = error is not None and len(entries) > 1 and not isinstance(error, Transient)
        with self._lock:
            self._running -= 1
            self._progress = time.monotonic()
            seconds = (time.monotonic() - began) / len(entries)
            self._seconds_per_item += _LEARNING * (seconds - self._seconds_per_item)
            if again:  # one of them may be what the detector cannot read; the others must not suffer for it
                for entry in entries:
                    entry.alone, entry.started = True, False
                self._waiting[:0] = entries
        if not again:
            for index, entry in enumerate(entries):
                if error is None:
                    entry.future.set_result(answers[index])
                else:
                    entry.future.set_exception(error)

    def _failure(self, done: Future[list[list[Finding]]]) -> Exception | None:
        """Return what a call raised; what would end the process, or look like a cancellation, to whoever waits is named only."""
        error = done.exception()
        if error is None or (isinstance(error, Exception) and not isinstance(error, StopIteration | CancelledError)):
            return error
        return DetectorError(self._name, f"it raised {type(error).__name__}")

    def _time_to_clear(self) -> float:
        return max(1.0, math.ceil(len(self._waiting) * self._seconds_per_item / self._parallel))
