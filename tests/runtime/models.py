"""Detectors for the runtime's tests: they count their calls, and wait, fail or lie when they are told to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

from guard.detectors.running import Remote, Threaded
from guard.values import Finding, Item, Needs, Runs, WholeReach


def length_score(item: Item) -> float:
    return min(1.0, len(item.text) / 100)


class Model(Threaded):
    """Scores a text by its length; `gate` holds every call until it is set."""

    def __init__(self, name: str = "model", *, act: Callable[[Sequence[Item]], Any] = lambda _items: None, **sizes: int) -> None:
        super().__init__(name, "1", Needs(reach=WholeReach(), runs=Runs.THREAD), ("custom/length",))
        self.calls: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.act = act
        self.batch = sizes.get("batch", 32)
        self.parallel = sizes.get("parallel", 1)

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        self.calls.append([item.text for item in items])
        self.entered.set()
        assert self.gate.wait(10)
        self.act(items)
        return [[Finding(self.name, "custom/length", length_score(item), None, item.location, item.role)] for item in items]


class Service(Remote):
    """The same as a service; `answers` are tried in turn: an exception to raise, or a number of seconds to wait first."""

    def __init__(self, name: str = "service", answers: Sequence[Exception | float] = (), parallel: int = 16) -> None:
        super().__init__(name, "1", Needs(reach=WholeReach(), runs=Runs.ASYNC), ("custom/length",))
        self.answers = list(answers)
        self.calls = 0
        self.parallel = parallel

    async def detect_async(self, items: Sequence[Item]) -> list[list[Finding]]:
        self.calls += 1
        answer = self.answers.pop(0) if self.answers else 0.0
        if isinstance(answer, Exception):
            raise answer
        await asyncio.sleep(answer)
        return [[Finding(self.name, "custom/length", length_score(item), None, item.location, item.role)] for item in items]
