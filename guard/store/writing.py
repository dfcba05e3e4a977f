"""One thread that writes everything: from a bounded queue, many rows in one transaction.

What somebody waits for goes first, and as soon as the last commit is done; all who wait meanwhile share the next one. The rest is
collected for a moment. While the database does not answer, everything waits in the queue, which is bounded; what does not fit is
shed, counted, and recorded as a gap when the database is back.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine

from guard.errors import StoreError, StoreUnavailable
from guard.store.connecting import StatementRefused, shown, writing
from guard.store.presence import Presence

log = logging.getLogger("guard")
Payload = TypeVar("Payload")


class Sink(Generic[Payload]):
    """Writes payloads of one kind, many in one transaction. Called by the writer's thread only."""

    def prepare(self, payloads: Sequence[Payload]) -> None:
        """Do beforehand what takes time, so that the transaction is short."""

    def write(self, connection: Connection, payloads: Sequence[Payload]) -> Sequence[Any]:
        """Write them; return a result for each, or an exception for the one who waits for it.

        Only on this connection: another one would wait for its end, for ever. `Store.secret` may use one, so ask it in `prepare`.
        A transaction that fails is tried again, with the same payloads or some of them. So this is to change nothing outside the
        database, and rows that are there already (their commit was done, and only the answer lost) are no mistake.
        """
        raise NotImplementedError

    def committed(self) -> None:
        """Be told that the transaction of the last `write` is committed."""


class _Nothing(Sink[None]):
    """Writes nothing: for who waits for what was queued before."""

    def write(self, connection: Connection, payloads: Sequence[None]) -> Sequence[None]:
        return payloads


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a writer's queue and of its commits.

    Attributes:
        rows: Payloads that may wait.
        size: Bytes of text that may wait.
        batch: Payloads of one transaction.
        linger: Seconds that the first payload waits for others, where nobody waits for it.
        patience: Seconds after which somebody who waits is told that the store does not answer.
        beat: Seconds between two signs of life.
        farewell: Seconds that closing may take.
    """

    rows: int = 10_000
    size: int = 64 * 1024 * 1024
    batch: int = 1_000
    linger: float = 0.05
    patience: float = 5.0
    beat: float = 5.0
    farewell: float = 10.0


@dataclass(slots=True)
class Counters:
    """What a writer did so far, in payloads, and what it has not done."""

    accepted: int = 0
    written: int = 0
    shed: int = 0
    refused: int = 0
    commits: int = 0
    failures: int = 0
    """Transactions that failed for a passing reason, and were tried again."""
    waiting: int = 0
    waiting_size: int = 0


@dataclass(slots=True, eq=False)
class _Entry:
    sink: Sink[Any]
    payload: Any
    size: int
    waiter: Future[Any] | None = None

    def settle(self, result: Any) -> None:  # noqa: ANN401
        if self.waiter is None:
            return
        try:
            if isinstance(result, Exception):
                self.waiter.set_exception(result)
            else:
                self.waiter.set_result(result)
        except InvalidStateError:
            pass  # whoever waited has given up

    @property
    def abandoned(self) -> bool:
        return self.waiter is not None and self.waiter.cancelled()


@dataclass(slots=True)
class _Shed:
    """Payloads that were dropped since the last commit."""

    count: int = 0
    since: int = 0
    until: int = 0


class Writer:
    """The queue, and the thread that empties it. The thread starts with the first payload."""

    def __init__(self, engine: Engine, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.counters = Counters()
        self.presence = Presence(engine)
        self.each_beat: list[Callable[[], None]] = []
        """What the thread calls at each sign of life, before it collects a batch."""
        self.before_writing: list[Callable[[], None]] = []
        """What the thread calls before each transaction, outside of it; a StoreError counts as one of the database's."""
        self.with_each_commit: list[Callable[[Connection], None]] = []
        """What the thread calls in each transaction, as the last thing."""
        self._engine = engine
        self._changed = threading.Condition()
        self._urgent: deque[_Entry] = deque()
        self._waiting: deque[_Entry] = deque()
        self._oldest = 0.0
        self._shed = _Shed()
        self._down: StoreError | None = None
        self._closing = False
        self._hurry = False
        self._until = 0.0
        self._thread: threading.Thread | None = None

    @property
    def failing(self) -> StoreError | None:
        """What the database said, where the last transaction failed; None while all is well."""
        return self._down

    @property
    def full(self) -> bool:
        """Whether nothing more fits into the queue."""
        return self.counters.waiting >= self.limits.rows or self.counters.waiting_size >= self.limits.size

    def start(self) -> None:
        """Start the thread, which notes what an earlier one may have lost."""
        with self._changed:
            self._start()

    def put(self, sink: Sink[Payload], payload: Payload, size: int = 0) -> bool:
        """Have a payload written some time soon; never waits. Returns whether it was taken, or shed."""
        return self._take(_Entry(sink, payload, size))

    async def write(self, sink: Sink[Payload], payload: Payload, size: int = 0) -> Any:  # noqa: ANN401
        """Write a payload, and return the sink's result once it is committed, on the disk.

        Raises:
            StoreUnavailable: Where the queue is full, or the database does not answer in time. The payload is dropped then,
                unless its commit was already under way.
            StoreError: Where the database refuses it, or the sink does.
        """
        waiter = self._awaited(sink, payload, size)
        try:
            async with asyncio.timeout(self.limits.patience):
                return await asyncio.wrap_future(waiter)
        except TimeoutError:
            raise self._unavailable() from None

    def write_sync(self, sink: Sink[Payload], payload: Payload, size: int = 0) -> Any:  # noqa: ANN401
        """Do the same as `write`, for callers without an event loop."""
        waiter = self._awaited(sink, payload, size)
        try:
            return waiter.result(self.limits.patience)
        except TimeoutError:
            waiter.cancel()
            raise self._unavailable() from None

    def flush(self) -> None:
        """Return when all that was taken in before is written.

        Raises:
            StoreUnavailable: Where the database does not answer in time; what waits goes on waiting.
        """
        waiter: Future[Any] = Future()
        with self._changed:
            if self.counters.waiting == 0:
                return
            self.counters.waiting += 1
            self._waiting.append(_Entry(_Nothing(), None, 0, waiter))
            self._start()
            self._hurry = True
            self._changed.notify()
        try:
            waiter.result(self.limits.patience)
        except TimeoutError:
            raise self._unavailable() from None

    def close(self) -> None:
        """Write what waits, say that all is written, and stop; gives up after `farewell` seconds, which leaves a gap."""
        with self._changed:
            self._closing = True
            self._until = time.monotonic() + self.limits.farewell
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _awaited(self, sink: Sink[Payload], payload: Payload, size: int) -> Future[Any]:
        waiter: Future[Any] = Future()
        if not self._take(_Entry(sink, payload, size, waiter)):
            raise self._unavailable()
        return waiter

    def _unavailable(self) -> StoreUnavailable:
        if self._down is not None:
            return StoreUnavailable(str(self._down))
        why = "has more to write than it can" if self.full else "is closed" if self._closing else "did not answer in time"
        return StoreUnavailable(f"the store {shown(self._engine.url)} {why}; try again later")

    def _start(self) -> None:
        if self._thread is None and not self._closing:
            self._thread = threading.Thread(target=self._run, name="guard-store", daemon=True)
            self._thread.start()

    def _take(self, entry: _Entry) -> bool:
        with self._changed:
            if self._closing or self.full:
                if entry.waiter is None:
                    self._note_shed(1)
                return False
            self._start()
            self.counters.accepted += 1
            self.counters.waiting += 1
            self.counters.waiting_size += entry.size
            lane = self._waiting if entry.waiter is None else self._urgent
            lane.append(entry)
            if len(self._waiting) == 1 and entry.waiter is None:
                self._oldest = time.monotonic()
                self._changed.notify()
            elif entry.waiter is not None or len(self._waiting) == self.limits.batch:
                self._changed.notify()
            return True

    def _note_shed(self, count: int) -> None:
        at = time.time_ns() // 1000
        self._shed = _Shed(self._shed.count + count, self._shed.since or at, at)
        self.counters.shed += count

    def _run(self) -> None:
        while True:
            if not self.presence.here:
                self._try(self._arrive)
            for call in self.each_beat:
                self._try(call)
            batch = self._next_batch()
            if batch:
                self._write(batch)
                self._done(batch)
            elif self._closing:
                break
            else:
                self._try(self._beat)
        if self.counters.waiting == 0:
            self._try(self.presence.leave)

    def _next_batch(self) -> list[_Entry]:
        """Return what to write next; nothing where it is time for a sign of life, or everything is written."""
        with self._changed:
            beat = time.monotonic() + (self.limits.beat if self._down is None else min(1.0, self.limits.beat))
            while not (self._urgent or self._closing or self._hurry) and len(self._waiting) < self.limits.batch:
                due = min(beat, self._oldest + self.limits.linger) if self._waiting else beat
                left = due - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            batch: list[_Entry] = []
            while len(batch) < self.limits.batch and (self._urgent or self._waiting):
                batch.append((self._urgent or self._waiting).popleft())
            self._oldest = time.monotonic()
            self._hurry = self._hurry and bool(self._waiting)
            return batch

    def _write(self, batch: list[_Entry]) -> None:
        """Write a batch, however long it takes; what the database refuses is found by halving, so that the rest is written."""
        pause = 0.02
        while batch := [entry for entry in batch if not entry.abandoned]:
            try:
                results = self._transaction(batch)
            except Exception as error:  # whatever a sink raises concerns its own payloads, and must not end the thread
                if isinstance(error, StoreError) and not isinstance(error, StatementRefused):
                    if not self._wait_for_database(error, pause):
                        self._give_up(batch, error)
                        return
                    pause = min(2 * pause, 1.0)
                elif len(batch) == 1:
                    self._refuse(batch[0], error)
                    return
                else:
                    half = len(batch) // 2
                    self._write(batch[:half])
                    batch = batch[half:]
            else:
                for entry, result in zip(batch, results, strict=True):
                    entry.settle(result)
                return

    def _transaction(self, batch: Sequence[_Entry]) -> list[Any]:
        sinks = list(dict.fromkeys(entry.sink for entry in batch))
        results: dict[int, Any] = {}
        shed = self._shed
        for call in self.before_writing:
            call()
        for sink in sinks:
            sink.prepare([entry.payload for entry in batch if entry.sink is sink])
        with writing(self._engine, durable=any(entry.waiter is not None for entry in batch)) as connection:
            for sink in sinks:
                mine = [entry for entry in batch if entry.sink is sink]
                for entry, result in zip(mine, sink.write(connection, [entry.payload for entry in mine]), strict=True):
                    results[id(entry)] = result
            self._sign(connection, shed, len(batch))
        for sink in sinks:
            sink.committed()
        self.counters.written += len(batch)
        self.counters.commits += 1
        self._recovered(shed)
        return [results[id(entry)] for entry in batch]

    def _sign(self, connection: Connection, shed: _Shed, settling: int = 0) -> None:
        with self._changed:
            accepted, left = self.counters.accepted, self.counters.waiting - settling
        self.presence.sign(connection, accepted, accepted - left)
        if shed.count:
            self.presence.note_shed(connection, shed.count, shed.since, shed.until)
        for call in self.with_each_commit:
            call(connection)

    def _arrive(self) -> None:
        for call in self.before_writing:
            call()
        self.presence.arrive()

    def _beat(self) -> None:
        for call in self.before_writing:
            call()
        shed = self._shed
        with writing(self._engine, durable=False) as connection:
            self._sign(connection, shed)
        self._recovered(shed)

    def _recovered(self, shed: _Shed) -> None:
        with self._changed:
            if shed.count and self._shed.count >= shed.count:
                left = self._shed.count - shed.count
                self._shed = _Shed(left, shed.until if left else 0, self._shed.until if left else 0)
        if self._down is not None:
            log.warning("the store %s answers again", shown(self._engine.url))
            self._down = None

    def _wait_for_database(self, error: StoreError, seconds: float) -> bool:
        """Wait before the next attempt; return whether there may be one."""
        self.counters.failures += 1
        if self._down is None:
            log.warning("%s; what is to be written waits", error)
        self._down = error
        with self._changed:
            if self._closing:
                left = self._until - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(min(seconds, left))
            else:
                self._changed.wait(seconds)
        return True

    def _give_up(self, batch: Sequence[_Entry], error: StoreError) -> None:
        """Leave unwritten what could not be written before the end; the next writer finds the gap."""
        with self._changed:
            left = [*batch, *self._urgent, *self._waiting]
            self._urgent.clear()
            self._waiting.clear()
        log.error("%s; %d records that wait are not written", error, len(left))
        for entry in left:
            entry.settle(StoreUnavailable(str(error)))

    def _refuse(self, entry: _Entry, error: Exception) -> None:
        self.counters.refused += 1
        log.error("a record was not written: %s", error if isinstance(error, StoreError) else type(error).__name__)
        entry.settle(error if isinstance(error, StoreError) else StoreError(f"not written: {type(error).__name__}"))

    def _done(self, batch: Sequence[_Entry]) -> None:
        with self._changed:
            self.counters.waiting -= len(batch)
            self.counters.waiting_size -= sum(entry.size for entry in batch)

    def _try(self, call: Callable[[], None]) -> None:
        try:
            call()
        except StoreError as error:
            self._wait_for_database(error, 0)
        except Exception as error:  # without this thread nothing more would be written
            self._wait_for_database(StoreError(f"the store's writer failed: {type(error).__name__}"), 0)
