"""What ran for one judgement, what was remembered, what was spared: for `explain`, and to say which detectors did not run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum

from guard.values import Decision


class Outcome(StrEnum):
    """What happened with a detector."""

    RAN = "ran"
    REMEMBERED = "remembered"
    NOT_RUN = "not run"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Step:
    """One detector, asked once.

    Attributes:
        seconds: Wall clock, waiting included.
        items: Items that it was shown, or would have been.
    """

    detector: str
    outcome: Outcome
    items: int
    seconds: float = 0.0


@dataclass(slots=True)
class Trace:
    """The steps of one judgement, as they ended.

    Attributes:
        complete: Whether nothing is to be spared, so that every detector gives its verdict.
    """

    complete: bool = False
    steps: list[Step] = field(default_factory=list)

    @property
    def not_run(self) -> tuple[str, ...]:
        """Names of detectors that were spared for at least one item."""
        return tuple(dict.fromkeys(step.detector for step in self.steps if step.outcome is Outcome.NOT_RUN))


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a policy says about a text, and at what cost.

    Attributes:
        decision: With every detector asked.
        steps: What ran for it.
        spared: Names of the detectors that would not have been asked, had nobody wanted an explanation.
    """

    decision: Decision
    steps: tuple[Step, ...]
    spared: tuple[str, ...]


_current: ContextVar[Trace | None] = ContextVar("guard_trace", default=None)


def current() -> Trace | None:
    """Return the trace of the judgement that is under way here, if one is kept."""
    return _current.get()


@contextmanager
def tracing(*, complete: bool = False) -> Iterator[Trace]:
    """Keep a trace of what is judged within; one inside another is complete if the outer one is."""
    outer = _current.get()
    trace = Trace(complete or (outer is not None and outer.complete))
    token = _current.set(trace)
    try:
        yield trace
    finally:
        _current.reset(token)
        if outer is not None:
            outer.steps += trace.steps


@contextmanager
def complete() -> Iterator[Trace]:
    """Have every detector run on what is judged within: for explanations and scans."""
    with tracing(complete=True) as trace:
        yield trace
