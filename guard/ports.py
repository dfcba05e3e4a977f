"""What the engine asks of the outside, and the smallest implementations."""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

from guard.values import Decision, Exchange, Stage


class Recorder(Protocol):
    """Takes what was decided. Must not block and must not raise."""

    def record(self, exchange: Exchange, stage: Stage, decision: Decision) -> None:
        """Keep a decision; it holds no user text."""
        ...


class RecentDecisions:
    """Keeps the decisions of the last exchanges in memory, for `GET /guard/exchanges/ID`."""

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._kept: OrderedDict[str, dict[str, Decision]] = OrderedDict()

    def record(self, exchange: Exchange, stage: Stage, decision: Decision) -> None:
        """Keep a decision, and forget the oldest exchange when there are too many."""
        self._kept.setdefault(exchange.id, {})[stage.value] = decision
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def find(self, exchange_id: str) -> dict[str, Decision] | None:
        """Return the decisions of an exchange by stage, or None where it is not known (any more)."""
        return self._kept.get(exchange_id)
