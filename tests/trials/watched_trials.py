"""Guarded apps with policies on trial beside them, and what is told of these."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from guard.detectors.registry import kinds
from guard.engine import Guard
from guard.middleware import GuardMiddleware
from guard.policy.kinds import Kind
from guard.policy.load import loads
from guard.trials.background import Bounds
from guard.trials.differing import Compared
from guard.trials.trials import Canary, Drawn, Shadow
from guard.values import Stage

POLICY = """
version: 1
name: {name}
detectors:
  words: {{use: patterns, words: [{word}], category: custom/word}}
  personal: {{use: pii}}
rules:
  - {{id: no-word, detect: words, category: custom/word, action: block}}
  - {{id: hide-mail, on: output, detect: personal, category: pii/email, action: redact}}
"""
SECRET = b"of these tests"


class Told:
    """Takes what a shadow's witness is told, and lets who waits for it go on."""

    def __init__(self) -> None:
        self.compared_all: list[Compared] = []
        self.shed_all: Counter[tuple[str, Stage]] = Counter()
        self._changed = threading.Condition()

    def compared(self, compared: Compared) -> None:
        with self._changed:
            self.compared_all.append(compared)
            self._changed.notify_all()

    def shed(self, tenant: str, policy: str, shadow: str, stage: Stage) -> None:
        with self._changed:
            self.shed_all[shadow, stage] += 1
            self._changed.notify_all()

    def await_some(self, count: int) -> list[Compared]:
        """Return all that was compared, once that is `count`."""
        until = time.monotonic() + 15
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.compared_all) >= count, until - time.monotonic()), self.compared_all
            return list(self.compared_all)


def guard_of(word: str, name: str = "tested", more: Mapping[str, Kind] | None = None, policy: str = "") -> Guard:
    known = {**kinds(), **(more or {})}
    return Guard(loads(policy or POLICY.format(name=name, word=word), known, directory=Path()), kinds=known)


def guarded(app: object, guard: Guard) -> GuardMiddleware:
    return GuardMiddleware(app, guard=guard)  # type: ignore[arg-type]


def shadowed(middleware: GuardMiddleware, candidate: Guard, percent: float = 100, bounds: Bounds = Bounds()) -> Told:  # noqa: B008 - a value
    told = Told()
    drawn = Drawn(candidate.policy.name, percent, SECRET)
    middleware.trials.shadow = Shadow(candidate, drawn, told, bounds)
    return told


def canaried(middleware: GuardMiddleware, candidate: Guard, percent: float) -> None:
    middleware.trials.canary = Canary(candidate, Drawn(candidate.policy.name, percent, SECRET))
