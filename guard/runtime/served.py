"""A detector with the runtime around it: what the engine asks in place of a detector that is not inline."""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from functools import partial
from weakref import WeakSet

from guard.errors import DetectorError, Transient
from guard.runtime.batching import Batcher, Entry
from guard.runtime.breaker import Breaker
from guard.runtime.budget import RetryBudget
from guard.runtime.cache import VerdictCache, recalled, remembered
from guard.runtime.checking import checked
from guard.runtime.counts import Counts
from guard.runtime.lanes import Lane, lane
from guard.runtime.loop import runtime_loop
from guard.runtime.settings import RuntimeSettings
from guard.runtime.trace import Outcome, Step, current
from guard.values import Detector, Finding, Item, Needs, Runs

_FIRST_PAUSE = 0.05
"""Seconds before the first repetition where the service does not say; doubled each time, and shaken."""


class Served:
    """A detector that is batched, cached, limited in time and left alone when it fails. Is a detector itself.

    Attributes:
        inner: The detector itself.
        timeout: Seconds that a verdict may take.
        counts: What it was asked.
    """

    def __init__(
        self,
        detector: Detector,
        settings: RuntimeSettings,
        *,
        timeout: float,
        cache: VerdictCache | None = None,
        identity: str = "",
    ) -> None:
        """Put the runtime around a detector.

        Args:
            settings: What the policy says about it.
            timeout: Seconds, where the settings do not say.
            cache: Where verdicts are remembered; shared with other detectors.
            identity: Stands for the detector's configuration and version in the cache.
        """
        self.inner = detector
        self.timeout = timeout if settings.timeout is None else settings.timeout
        self.counts = Counts()
        self._settings = settings
        self._cache = cache if settings.cache else None
        self._identity = identity
        self._sees_exchange = detector.needs.sees == "exchange"
        self._breaker = Breaker(settings.failures, settings.recovery)
        self._budget = RetryBudget()
        self._remote = detector.needs.runs is Runs.ASYNC
        parallel = settings.parallel or int(getattr(detector, "parallel", 1))
        key = getattr(detector, "model_key", "") or f"{detector.name} {id(self)}"
        self._batcher = Batcher(
            detector.name,
            self._call_remote if self._remote else partial(self._call_thread, lane(key, parallel)),
            self.counts,
            batch=settings.batch or int(getattr(detector, "batch", 1)),
            parallel=parallel,
            queue=settings.queue,
            wait=settings.wait,
        )
        self._start_over()
        _serving.add(self)

    def _start_over(self) -> None:
        """Forget what is under way: in a forked child nothing is."""
        self._flights: dict[bytes, Entry] = {}
        self._lock = threading.Lock()
        self._batcher.start_over()

    @property
    def name(self) -> str:
        """The name under which the policy knows it."""
        return self.inner.name

    @property
    def version(self) -> str:
        """The detector's own."""
        return self.inner.version

    @property
    def needs(self) -> Needs:
        """The detector's own."""
        return self.inner.needs

    @property
    def categories(self) -> tuple[str, ...]:
        """The detector's own."""
        return self.inner.categories

    @property
    def remembers(self) -> bool:
        """Whether verdicts are kept for who asks again."""
        return self._cache is not None

    @property
    def breaker(self) -> str:
        """`closed`, `open` or `half-open`."""
        return self._breaker.state

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Return one list of findings for each item; waits, so it is not for an event loop.

        Raises:
            TimeoutError: Where it takes too long.
            DetectorError: Where the detector failed, is left alone for a while, or has too much waiting (`Overloaded`).
        """
        asked = self._ask(items)
        try:
            answers = asked.answers.result(self.timeout)
        except BaseException as error:
            self._give_up(asked, error)
            raise
        return self._done(asked, answers)

    async def detect_async(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Do the same without blocking the event loop."""
        asked = self._ask(items)
        try:
            async with asyncio.timeout(self.timeout):
                answers = await asyncio.wrap_future(asked.answers)
        except BaseException as error:
            self._give_up(asked, error)
            raise
        return self._done(asked, answers)

    def _ask(self, items: Sequence[Item]) -> _Asked:
        self.counts.asked += len(items)
        asked = _Asked(items)
        try:
            unknown = self._recall(asked)
            fetched = self._cache.fetch(unknown) if self._cache is not None and unknown else None
            if fetched is None:
                self._submit(asked)
            else:
                fetched.add_done_callback(partial(self._fetched, asked))
        except DetectorError as error:
            self._give_up(asked, error)
            raise
        return asked

    def _recall(self, asked: _Asked) -> list[bytes]:
        """Answer what is remembered; return the keys of the rest."""
        if self._cache is None:
            return []
        unknown = []
        for index, item in enumerate(asked.items):
            key = self._cache.key(self._identity, item, sees_exchange=self._sees_exchange)
            asked.keys[index] = key
            verdicts = self._cache.get(key)
            if verdicts is None:
                unknown.append(key)
            else:
                self._remembered(asked, index, recalled(verdicts, self.name, item))
        return unknown

    def _fetched(self, asked: _Asked, fetched: Future[dict[bytes, object]]) -> None:
        """Go on once the shared cache has answered; what it knew is in memory now."""
        try:
            for index, item in enumerate(asked.items):
                if index not in asked.found and self._cache is not None:
                    verdicts = self._cache.get(asked.keys[index])
                    if verdicts is not None:
                        self._remembered(asked, index, recalled(verdicts, self.name, item))
            self._submit(asked)
        except DetectorError as error:
            asked.fail(error)

    def _remembered(self, asked: _Asked, index: int, findings: list[Finding]) -> None:
        self.counts.cached += 1
        asked.cached += 1
        asked.take(index, findings)

    def _submit(self, asked: _Asked) -> None:
        """Queue what nobody has answered yet.

        Raises:
            DetectorError: Where the breaker is open, or too many wait.
        """
        left = [index for index in range(len(asked.items)) if index not in asked.found]
        if not left or asked.answers.done():
            return
        deadline = time.monotonic() + self.timeout
        joined = [self._join(asked, index, deadline) for index in left]
        if None in joined:
            self._batcher.check_room()
            if not self._breaker.admit():
                self.counts.refused += len(left)
                raise DetectorError(self.name, "it failed several times in a row, and is left alone for a while")
        for index, entry in zip(left, joined, strict=True):
            waited_for = entry or self._open(asked, index, deadline)
            waited_for.future.add_done_callback(partial(self._answered, asked, index))
        self._batcher.start()

    def _join(self, asked: _Asked, index: int, deadline: float) -> Entry | None:
        """Wait with somebody else for the same verdict, where somebody does."""
        if self._cache is None:
            return None
        with self._lock:
            entry = self._flights.get(asked.keys[index])
            if entry is None or entry.waiters <= 0 or entry.future.done():
                return None
            entry.waiters += 1
            entry.deadline = max(entry.deadline, deadline)
        self.counts.joined += 1
        asked.entries.append(entry)
        return entry

    def _open(self, asked: _Asked, index: int, deadline: float) -> Entry:
        entry = self._batcher.submit(asked.items[index], deadline)
        asked.entries.append(entry)
        if self._cache is not None:
            key = asked.keys[index]
            with self._lock:
                self._flights[key] = entry
            entry.future.add_done_callback(partial(self._landed, key, entry))
        return entry

    def _landed(self, key: bytes, entry: Entry, done: Future[list[Finding]]) -> None:
        if done.exception() is None and self._cache is not None:
            self._cache.put(key, remembered(done.result()))
        with self._lock:
            if self._flights.get(key) is entry:
                del self._flights[key]

    def _answered(self, asked: _Asked, index: int, done: Future[list[Finding]]) -> None:
        error = done.exception()
        if error is not None:
            asked.fail(error)
            return
        item = asked.items[index]
        asked.take(index, recalled(remembered(done.result()), self.name, item))

    def _done(self, asked: _Asked, answers: list[list[Finding]]) -> list[list[Finding]]:
        _note(self.name, Outcome.REMEMBERED if asked.cached == len(asked.items) else Outcome.RAN, asked)
        return answers

    def _give_up(self, asked: _Asked, error: BaseException) -> None:
        """Let go of what is not needed any more."""
        asked.answers.cancel()
        with self._lock:
            for entry in asked.entries:
                entry.waiters -= 1
        if not isinstance(error, Exception):
            return
        self.counts.failed += len(asked.items)
        _note(self.name, Outcome.FAILED, asked)
        if isinstance(error, TimeoutError) and not self._remote and self._batcher.stands_still(self.timeout / 2):
            self._breaker.failed()

    def _call_thread(self, turns: Lane, items: Sequence[Item]) -> Future[list[list[Finding]]]:
        return turns.submit(partial(self._in_thread, items))

    def _in_thread(self, items: Sequence[Item]) -> list[list[Finding]]:
        try:
            answers = checked(self.inner, items, self.inner.detect(items))
        except BaseException:  # a model may raise whatever it likes, and it failed
            self._failed_with(items)
            raise
        self._breaker.succeeded()
        return answers

    def _failed_with(self, items: Sequence[Item]) -> None:
        """Take note of a failure; items that failed together are tried again one by one, and count then."""
        if len(items) == 1:
            self._breaker.failed()

    def _call_remote(self, items: Sequence[Item]) -> Future[list[list[Finding]]]:
        return runtime_loop().submit(self._attempts(items))

    async def _attempts(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Ask the service, and again where that may help and there is time."""
        deadline = time.monotonic() + self.timeout
        self._budget.earn()
        for attempt in range(self._settings.retries + 1):
            try:
                async with asyncio.timeout_at(asyncio.get_running_loop().time() + deadline - time.monotonic()):
                    answers = checked(self.inner, items, await self.inner.detect_async(items))
                self._breaker.succeeded()
                return answers
            except Transient as error:
                self._breaker.failed()
                pause = _pause(attempt) if error.retry_after is None else error.retry_after
                last = attempt == self._settings.retries or time.monotonic() + pause >= deadline
                if last or self._breaker.state != "closed" or not self._budget.spend():
                    raise
                self.counts.retried += 1
            except TimeoutError:  # whatever was in the call: nobody has time left to be asked about alone
                self._breaker.failed()
                raise
            except (SystemExit, KeyboardInterrupt) as error:  # would end the loop, and with it every other service
                self._failed_with(items)
                raise DetectorError(self.name, f"it raised {type(error).__name__}") from error
            except Exception:
                self._failed_with(items)
                raise
            await asyncio.sleep(pause)
        raise AssertionError("the last attempt returns or raises")


_serving: WeakSet[Served] = WeakSet()


def _start_all_over() -> None:
    for each in _serving:
        each._start_over()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_all_over)


class _Asked:
    """One question: items, and the answers that have come."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.keys: dict[int, bytes] = {}
        self.entries: list[Entry] = []
        self.found: dict[int, list[Finding]] = {}
        self.cached = 0
        self.began = time.perf_counter()
        self.answers: Future[list[list[Finding]]] = Future()
        self._lock = threading.Lock()
        if not items:
            self.answers.set_result([])

    def take(self, index: int, findings: list[Finding]) -> None:
        with self._lock:
            self.found[index] = findings
            complete = len(self.found) == len(self.items)
        if complete:
            with suppress(InvalidStateError):  # whoever asked may have gone
                self.answers.set_result([self.found[each] for each in range(len(self.items))])

    def fail(self, error: BaseException) -> None:
        with suppress(InvalidStateError):
            self.answers.set_exception(error)


def _pause(attempt: int) -> float:
    return _FIRST_PAUSE * float(2**attempt) * (1 + random.random())  # noqa: S311 - spreads repetitions, guards nothing


def _note(name: str, outcome: Outcome, asked: _Asked) -> None:
    trace = current()
    if trace is not None:
        trace.steps.append(Step(name, outcome, len(asked.items), time.perf_counter() - asked.began))
