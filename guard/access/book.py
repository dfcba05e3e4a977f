"""What is known of keys, read from the store by one thread, so that a request looks into memory.

What is in use is read again before it is too old, many keys in one question: so a revocation counts in every process within two
seconds, and costs no request anything. While the store does not answer, a key that was known goes on for a bounded time.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from guard.errors import StoreError, StoreUnavailable

if TYPE_CHECKING:
    from guard.store.keys import StoredKey

log = logging.getLogger("guard")

_NOT_NOW = "keys cannot be looked up now, as the store does not answer; try again later"


class KeySource(Protocol):
    """Where keys are read from; blocks while it does."""

    def read(self, ids: Sequence[str]) -> Mapping[str, StoredKey]:
        """Return those of the keys that there are. Raises StoreError."""
        ...


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds.

    Attributes:
        fresh: For which what was read counts.
        again: After which a key that is in use is read again.
        in_use: After whose last use a key is not read again by itself.
        grace: For which a key goes on while the store does not answer.
        patience: For which a request waits for a key to be read.
        slow: After which a question to the store counts as not answered.
    """

    fresh: float = 2.0
    again: float = 0.8
    in_use: float = 30.0
    grace: float = 300.0
    patience: float = 3.0
    slow: float = 0.5


@dataclass(slots=True)
class _Entry:
    key: StoredKey | None
    confirmed: float
    used: float


class KeyBook:
    """Keys by id, as fresh as `Times` says. Used from any thread and any event loop."""

    most = 10_000
    """Ids that are remembered; as many again of those that are no key's."""
    most_waiting = 256
    """Questions that may wait."""

    def __init__(self, source: KeySource, times: Times | None = None) -> None:
        self.times = times or Times()
        self._source = source
        self._changed = threading.Condition()
        self._known: OrderedDict[str, _Entry] = OrderedDict()
        self._unknown: OrderedDict[str, _Entry] = OrderedDict()
        self._asked: list[tuple[str, Future[StoredKey | None]]] = []
        self._reading_since = 0.0
        self._read_again = 0.0
        self._failed = 0.0
        self._thread: threading.Thread | None = None
        self._closing = False

    @property
    def waiting(self) -> int:
        """Questions that wait to be answered."""
        return len(self._asked)

    def remembers(self, key_id: str) -> bool:
        """Return whether there is something in memory about this id, fresh or not."""
        return key_id in self._known or key_id in self._unknown

    async def find(self, key_id: str) -> StoredKey | None:
        """Return a key; None where there is none of this id.

        Raises:
            StoreUnavailable: Where it is not known, or for too long not confirmed, and the store does not answer.
        """
        at = time.monotonic()
        with self._changed:
            entry = self._remembered(key_id, at)
            if entry is not None and self._counts(entry, at):
                return entry.key
            waiter = self._ask(key_id, at)
        if waiter is not None:
            wait = self.times.patience if entry is None else self.times.slow
            try:
                async with asyncio.timeout(wait):
                    return await asyncio.wrap_future(waiter)
            except (TimeoutError, StoreError):
                pass
        if entry is not None and entry.key is not None and at - entry.confirmed < self.times.grace:
            return entry.key
        raise StoreUnavailable(_NOT_NOW)

    def close(self) -> None:
        """Read nothing more."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(self.times.patience)

    def _remembered(self, key_id: str, at: float) -> _Entry | None:
        entry = self._known.get(key_id)
        if entry is None:
            return self._unknown.get(key_id)
        if at - entry.used > self.times.in_use:
            self._changed.notify()  # who reads again may be asleep
        entry.used = at
        self._known.move_to_end(key_id)
        return entry

    def _counts(self, entry: _Entry, at: float) -> bool:
        """Return whether what is remembered is an answer."""
        age = at - entry.confirmed
        if age < self.times.fresh:
            return entry.key is not None or age < self.times.again
        return entry.key is not None and age < self.times.grace and self._struggles(at)

    def _struggles(self, at: float) -> bool:
        return bool(self._failed) or bool(self._reading_since and at - self._reading_since > self.times.slow)

    def _ask(self, key_id: str, at: float) -> Future[StoredKey | None] | None:
        """Have a key read; None where that is of no use now."""
        if self._closing or len(self._asked) >= self.most_waiting or at - self._failed < self.times.slow:
            return None
        waiter: Future[StoredKey | None] = Future()
        self._asked.append((key_id, waiter))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="guard-keys", daemon=True)
            self._thread.start()
        self._changed.notify()
        return waiter

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._asked and not self._closing:
                    self._changed.wait(self.times.again if self._in_use() else None)
                if self._closing:
                    asked, self._asked = self._asked, []
                    break
                asked, self._asked = self._asked, []
                ids = list(dict.fromkeys([key_id for key_id, _ in asked] + self._due()))
                self._reading_since = time.monotonic() if ids else 0.0
            if ids:
                self._read(ids, asked)
        _refuse(asked, StoreUnavailable(_NOT_NOW))

    def _due(self) -> list[str]:
        """Return what is in use, where it is time to read it again, however many questions come in between."""
        at = time.monotonic()
        if at - self._read_again < self.times.again:
            return []
        self._read_again = at
        return self._in_use()

    def _in_use(self) -> list[str]:
        since = time.monotonic() - self.times.in_use
        found = []
        for key_id in reversed(self._known):  # latest use first
            if self._known[key_id].used < since:
                break
            found.append(key_id)
        return found

    def _read(self, ids: Sequence[str], asked: Sequence[tuple[str, Future[StoredKey | None]]]) -> None:
        began = time.monotonic()
        try:
            found = self._source.read(ids)
        except Exception as error:  # whatever it is, the thread has to go on, and nobody is let in by it
            with self._changed:
                if not self._failed:
                    log.warning("keys cannot be read: %s", error if isinstance(error, StoreError) else type(error).__name__)
                self._failed, self._reading_since = time.monotonic(), 0.0
            _refuse(asked, StoreUnavailable(_NOT_NOW))
            return
        with self._changed:
            if self._failed:
                log.warning("keys can be read again")
            self._failed = self._reading_since = 0.0
            for key_id in ids:
                self._remember(key_id, found.get(key_id), began)
        for key_id, waiter in asked:
            with suppress(InvalidStateError):  # who asked has given up
                waiter.set_result(found.get(key_id))

    def _remember(self, key_id: str, key: StoredKey | None, confirmed: float) -> None:
        before = self._known.get(key_id)
        if key is None:
            self._known.pop(key_id, None)
            self._unknown[key_id] = _Entry(None, confirmed, confirmed)
        elif before is not None:
            before.key, before.confirmed = key, confirmed
        else:
            self._unknown.pop(key_id, None)
            self._known[key_id] = _Entry(key, confirmed, confirmed)
        for remembered in (self._known, self._unknown):
            if len(remembered) > self.most:
                remembered.popitem(last=False)


def _refuse(asked: Sequence[tuple[str, Future[StoredKey | None]]], error: StoreError) -> None:
    for _, waiter in asked:
        with suppress(InvalidStateError):  # as above
            waiter.set_exception(error)
