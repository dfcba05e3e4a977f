"""How a detector is run: what a policy says under a detector's `runtime:`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RuntimeSettings:
    """How a detector that is not inline is run.

    Attributes:
        timeout: Seconds that a verdict may take, waiting and retries included; None for the policy's `defaults.timeout`.
        batch: Items that one call of the detector may take; None for what the detector declares.
        parallel: Calls of the detector that may run at the same time; None for what the detector declares.
        wait: Seconds that a call waits for more items when nothing else is running; a busy detector batches what came meanwhile.
        queue: Items that may wait before questions are refused (the client gets 503 where the rule's `on_error` blocks).
        cache: Whether verdicts are remembered.
        retries: How often a call is repeated that failed for a passing reason; within `timeout`, and within a budget of 10 %.
        failures: Failures in a row after which the detector is not asked for a while.
        recovery: Seconds until one call tries it again.
    """

    timeout: float | None = None
    batch: int | None = None
    parallel: int | None = None
    wait: float = 0.0
    queue: int = 1024
    cache: bool = True
    retries: int = 1
    failures: int = 5
    recovery: float = 10.0
