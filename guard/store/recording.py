"""`StoreRecorder`: what the guard tells of every exchange. It collects an exchange's stages and hands them to the writer."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from guard.errors import StoreError, StoreUnavailable
from guard.policy.model import StoreSettings
from guard.ports import Ending, KeptTexts, RecentDecisions
from guard.store.exchange_rows import ExchangeRecord, ExchangeSink, StageRecord
from guard.store.identity import now
from guard.store.store import Store
from guard.values import Decision, Exchange, Stage

log = logging.getLogger("guard")
_STALE = 2.0
"""Seconds after which what is known of an exchange is written, though more may come."""
_MOST_OPEN = 10_000
_ROW_SIZE = 1_000
"""Bytes that an exchange without texts counts as, where the queue is bounded."""


@dataclass(slots=True)
class _Open:
    """An exchange of which something is not written."""

    exchange: Exchange
    created: int
    since: float
    stages: dict[Stage, StageRecord] = field(default_factory=dict)
    size: int = _ROW_SIZE

    def taken(self, ending: Ending = Ending()) -> ExchangeRecord:  # noqa: B008 - a value
        """Return what there is, as a record."""
        return ExchangeRecord(self.exchange, self.created, tuple(self.stages.values()), ending)


class StoreRecorder:
    """Keeps exchanges in a store, and the decisions of the latest ones in memory. A `guard.ports.Keeper`."""

    def __init__(self, store: Store, recent: RecentDecisions | None = None) -> None:
        """Take an open store.

        Args:
            recent: Where the latest decisions are kept for who asks at once.
        """
        self.store = store
        self.recent = recent if recent is not None else RecentDecisions()
        self.blocked = 0
        """Exchanges that were not let through, because they could not be recorded."""
        self.unsettled = 0
        """Exchanges whose answer did not wait any longer for their record."""
        self.listeners: list[Callable[[ExchangeRecord], None]] = []
        """Told of each record as it goes to the writer, in the thread of who recorded it, which is not to wait."""
        self._sink = ExchangeSink(store)
        self._lock = threading.Lock()
        self._open: dict[str, _Open] = {}
        store.writer.each_beat.append(self._write_stale)
        store.before_close.append(self.flush)

    def record(self, exchange: Exchange, stage: Stage, decision: Decision) -> None:
        """Keep a decision without its texts."""
        self.keep(exchange, stage, decision, StoreSettings(text="none"), lambda: KeptTexts("none"), 0)

    def admit(self, settings: StoreSettings) -> None:
        """Raise StoreUnavailable where the store takes nothing now and the policy says `on_failure: block`."""
        writer = self.store.writer
        if settings.on_failure == "block" and (writer.failing is not None or writer.full):
            self.blocked += 1
            raise StoreUnavailable(str(writer.failing or "the store has more to write than it can"))

    def keep(
        self,
        exchange: Exchange,
        stage: Stage,
        decision: Decision,
        settings: StoreSettings,
        texts: Callable[[], KeptTexts],
        size: int,
    ) -> None:
        """Keep a decision and its texts, until the exchange is finished or settled."""
        self.recent.record(exchange, stage, decision)
        known = StageRecord(stage, decision, settings.text, texts, now())
        size = size if settings.text != "none" else 0
        with self._lock:
            found = self._open.get(exchange.id)
            if found is None:
                found = self._open[exchange.id] = _Open(exchange, now(), time.monotonic())
            found.exchange = exchange
            found.stages[stage] = known
            found.size += size
            oldest = self._open.pop(next(iter(self._open))) if len(self._open) > _MOST_OPEN else None
        if oldest is not None:
            self._put(oldest)

    async def settle(self, exchange: Exchange, settings: StoreSettings) -> None:
        """Return when what was kept of the exchange is on the disk; see `guard.ports.Keeper`."""
        with self._lock:
            found = self._open.pop(exchange.id, None)
        if found is None:
            return
        record = found.taken()
        self._tell(record)
        try:
            await self.store.writer.write(self._sink, record, found.size)
        except StoreError as error:
            if settings.on_failure == "block":
                self.blocked += 1
                raise StoreUnavailable(str(error)) from error
            self.unsettled += 1
            self.store.writer.put(self._sink, record, found.size)  # the same rows once more, should they have come through

    def finish(self, exchange: Exchange, ending: Ending) -> None:
        """Hand what is known of the exchange to the writer."""
        with self._lock:
            found = self._open.pop(exchange.id, None)
        known = exchange.id in self.recent
        if found is not None or known:
            self._put(found or _Open(exchange, now(), 0.0), ending)

    def flush(self) -> None:
        """Hand everything to the writer that waits for more of its exchange."""
        with self._lock:
            left = list(self._open.values())
            self._open.clear()
        for found in left:
            self._put(found)

    def _write_stale(self) -> None:
        due = time.monotonic() - _STALE
        with self._lock:
            stale = [key for key, found in self._open.items() if found.since < due]
            left = [self._open.pop(key) for key in stale]
        for found in left:
            self._put(found)

    def _put(self, found: _Open, ending: Ending = Ending()) -> None:  # noqa: B008 - a value
        record = found.taken(ending)
        self._tell(record)
        self.store.writer.put(self._sink, record, found.size)

    def _tell(self, record: ExchangeRecord) -> None:
        for listener in self.listeners if record.stages else ():
            try:
                listener(record)
            except Exception as error:  # nobody's mistake may cost a record, or an answer
                log.error("a listener of the store failed: %s", type(error).__name__)
