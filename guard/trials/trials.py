"""The policies on trial in a server: a shadow that judges what the policy in force judged, a canary that acts on its share."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from guard.engine import Guard
from guard.errors import BadMessage
from guard.formats.base import Request, Text
from guard.judging import Choice
from guard.media import Media
from guard.policy.model import Policy
from guard.streaming import ChoiceJudge
from guard.trials.background import Background, Bounds
from guard.trials.differing import Compared, Verdict, verdict_of
from guard.trials.seen import Seen, decision_on_stream, judged_again
from guard.trials.share import in_share
from guard.values import Decision, Exchange, Stage

log = logging.getLogger("guard")
_JOB_SECONDS = 60.0
"""What judging one stage may take in the shadow, whatever its detectors say of themselves."""


class Witness(Protocol):
    """Is told how policies decided. Must not block and must not raise."""

    def compared(self, compared: Compared) -> None:
        """Take what two policies decided on the same."""
        ...

    def shed(self, tenant: str, policy: str, shadow: str, stage: Stage) -> None:
        """Take that something was not judged in the shadow, as there was too much to do.

        Args:
            policy: Digest of the policy in force.
            shadow: Digest of its shadow.
        """
        ...


@dataclass(frozen=True, slots=True)
class Drawn:
    """The share of the traffic that a trial has.

    Attributes:
        name: Of the candidate; what it is drawn by, so that a change of its file keeps who is in.
    """

    name: str
    percent: float
    secret: bytes

    def has(self, exchange: Exchange) -> bool:
        """Return whether an exchange belongs to it."""
        return in_share(self.secret, self.name, exchange, self.percent)


class Shadow:
    """A policy that judges what the one in force judged, later and elsewhere, and never acts."""

    def __init__(self, guard: Guard, drawn: Drawn, witness: Witness, bounds: Bounds = Bounds()) -> None:  # noqa: B008 - a value
        """Take the candidate, with a memory of its own and no recorder; its detectors are asked in the shadow's own thread."""
        self.guard = guard
        self.drawn = drawn
        self._witness = witness
        self._background = Background("shadow", bounds)

    def show(self, seen: Seen) -> None:
        """Have it judged too, if there is room for it; never waits."""
        if not self._background.offer(partial(self._judge, seen), seen.size):
            self.shed(seen.exchange, seen.policy, seen.stage)

    def shed(self, exchange: Exchange, policy: Policy, stage: Stage) -> None:
        """Count what is not judged, as it is too much."""
        self._witness.shed(exchange.caller.tenant, policy.digest, self.guard.policy.digest, stage)

    def stop(self) -> None:
        """Judge nothing more; what waits is let go."""
        self._background.stop()

    async def _judge(self, seen: Seen) -> None:
        try:
            async with asyncio.timeout(_JOB_SECONDS):
                verdict = verdict_of(self.guard.policy, await judged_again(self.guard, seen))
        except TimeoutError:
            verdict = self._none("(time)")
        except BadMessage:
            verdict = self._none("(not-judged)")
        except Exception as error:  # a candidate may be wrong in any way
            log.warning("the shadow policy could not judge an exchange: %s", type(error).__name__)
            verdict = self._none("(error)")
        exchange, at = seen.exchange, time.time_ns() // 1000
        base = verdict_of(seen.policy, seen.decision)
        self._witness.compared(Compared(exchange.id, exchange.caller.tenant, seen.stage, base, verdict, at))

    def _none(self, why: str) -> Verdict:
        return Verdict(self.guard.policy.digest, failed=(why,))


@dataclass(frozen=True, slots=True)
class Canary:
    """A policy that is in force for its share of the traffic."""

    guard: Guard
    drawn: Drawn


class Watch:
    """Shows a shadow what is judged of one exchange."""

    def __init__(self, shadow: Shadow, policy: Policy, exchange: Exchange, request: Request) -> None:
        """Take what is known of the exchange before any detector has asked for more.

        Args:
            policy: The one in force.
        """
        self._shadow = shadow
        self._policy = policy
        self._exchange = exchange
        self._request = request

    def message(self, stage: Stage, texts: Sequence[Text], media: Sequence[Media], decision: Decision) -> None:
        """Show a whole message, and what was decided about it."""
        known = (self._exchange, self._request, stage, self._policy, decision)
        self._shadow.show(Seen(*known, texts=tuple(texts), media=tuple(media)))

    def stream(self, judges: Sequence[tuple[Choice, ChoiceJudge]]) -> None:
        """Show a stream that has ended, or was ended by a block; one that its client left says nothing."""
        if not judges or not all(judge.done for _, judge in judges):
            return
        if not all(judge.copied_all for _, judge in judges):
            self._shadow.shed(self._exchange, self._policy, Stage.OUTPUT)
            return
        known = (self._exchange, self._request, Stage.OUTPUT, self._policy, decision_on_stream(self._policy, judges))
        choices = tuple((choice, tuple(judge.copies)) for choice, judge in judges)
        self._shadow.show(Seen(*known, choices=choices, streamed=True))


class Trials:
    """What is on trial now. Set from any thread; each exchange keeps what it began with."""

    def __init__(self) -> None:
        self.shadow: Shadow | None = None
        self.canary: Canary | None = None

    def deciding(self, guard: Guard, exchange: Exchange) -> Guard:
        """Return the guard that decides about an exchange: the canary's, or the one in force."""
        canary = self.canary
        return canary.guard if canary is not None and canary.drawn.has(exchange) else guard

    def watching(self, guard: Guard, exchange: Exchange, request: Request) -> Watch | None:
        """Return what is to be shown what is judged of an exchange; None where nobody wants to see it.

        Args:
            guard: The one that decides about it.
        """
        shadow = self.shadow
        if shadow is None or not shadow.drawn.has(exchange):
            return None
        return Watch(shadow, guard.policy, exchange, request)
