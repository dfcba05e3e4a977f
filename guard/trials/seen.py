"""What the policy in force judged, as another one is shown it: as the client or the upstream sent it, before any change."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from guard.asking import pump
from guard.engine import Guard
from guard.formats.base import Request, Text
from guard.judging import Choice, joined
from guard.media import Media
from guard.policy.model import Policy
from guard.streaming import ChoiceJudge, Window
from guard.values import Decision, Exchange, Finding, Role, Stage

Tracks = tuple[tuple[str, Role, str], ...]
"""Name, role and text of each track of a streamed choice."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One stage of an exchange, and what was decided about it.

    Attributes:
        exchange: As it was told whom it is about, without what only some detectors ask for.
        policy: The policy that decided.
        decision: Its own, before anything was rewritten.
        texts: Of a whole message.
        choices: Of a stream, as far as it was seen.
    """

    exchange: Exchange
    request: Request
    stage: Stage
    policy: Policy
    decision: Decision
    texts: tuple[Text, ...] = ()
    media: tuple[Media, ...] = ()
    choices: tuple[tuple[Choice, Tracks], ...] = ()
    streamed: bool = False

    @property
    def size(self) -> int:
        """Characters and bytes that it holds."""
        own = sum(len(piece.text) for text in self.texts for piece in text.pieces) + sum(len(each.source) for each in self.media)
        return own + len(self.request.document.raw) + sum(len(text) for _, tracks in self.choices for _, _, text in tracks)


def decision_on_stream(policy: Policy, judges: Sequence[tuple[Choice, ChoiceJudge]]) -> Decision:
    """Return the decision on all choices of a stream, before anything was rewritten."""
    choices = {choice: judge.decision for choice, judge in judges}
    return joined(policy, choices) if choices else Decision(policy=policy.digest)


async def judged_again(guard: Guard, seen: Seen) -> Decision:
    """Return what another policy says of it. A stream is judged as one, so that equal policies decide alike.

    Raises:
        BadMessage: Where it is nothing that this policy can judge.
    """
    exchange = guard.described(seen.exchange, seen.request)
    if not seen.streamed:
        return (await guard.judge(seen.texts, seen.stage, exchange, seen.media)).decision
    judges = [(choice, guard.judge_of(exchange, choice)) for choice, _ in seen.choices]
    for (_, judge), (_, tracks) in zip(judges, seen.choices, strict=True):
        for track, role, text in tracks:
            judge.feed(track, role, text)
        judge.close()
    async for _ in pump(_Ended(judges), _nothing(), guard.detectors, guard.policy.timeout):
        pass
    decision = decision_on_stream(guard.policy, judges)
    guard.record(exchange, seen.stage, decision)
    return decision


class _Ended:
    """A stream that has come to its end, of which nothing leaves."""

    holding = False

    def __init__(self, judges: Sequence[tuple[Choice, ChoiceJudge]]) -> None:
        self._judges = dict(judges)

    @property
    def finished(self) -> bool:
        return all(judge.done for judge in self._judges.values())

    def feed(self, _piece: str, /) -> None:
        raise AssertionError("nothing comes after the end")

    def end(self) -> None:
        pass

    def windows(self) -> list[tuple[Choice, Window]]:
        return [(choice, window) for choice, judge in self._judges.items() for window in judge.windows()]

    def answer(self, choice: Choice, window: Window, findings: Sequence[Finding] | None, /) -> None:
        self._judges[choice].answer(window, findings)

    def take(self) -> str:
        return ""


async def _nothing() -> AsyncIterator[str]:
    none: tuple[str, ...] = ()
    for piece in none:
        yield piece
