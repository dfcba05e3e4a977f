"""What the guard decides on prompts and answers: its engine is asked, as it would be at run time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from alignment.critique.journal import Known
from alignment.records import Messages, Prompt
from alignment.rewards.policy import PolicyScorer
from guard.categories import matches
from guard.engine import new_exchange
from guard.formats.base import Piece, Text
from guard.policy.decide import refusal_by
from guard.policy.model import Policy
from guard.values import Action, Decision, Finding, Role, Stage

T = TypeVar("T")

_AT_ONCE = 64
"""Texts whose detectors are asked at the same time: enough to fill batches, and not so many that the last run out of time."""
_ANSWER = "/choices/0/message/content"


@dataclass(frozen=True, slots=True)
class Judged:
    """An answer, and what the policy makes of it.

    Attributes:
        text: As it was given.
        finish: `stop` where it ended by itself, `length` where it was cut off.
        worth: From -1 (blocked) to 0 (nothing found), by `alignment.rewards.policy`.
        released: As the guard would let it out: redacted where it redacts.
    """

    text: str
    finish: str
    decision: Decision
    worth: float
    released: str


class PolicyJudge:
    """A policy with its detectors."""

    def __init__(self, policy: str | Policy) -> None:
        """Load a policy. Raises as `Guard` does, such as MissingExtra for a detector whose packages are not there."""
        self._scorer = PolicyScorer(policy)
        self._guard = self._scorer.guard
        self._guard.prepare()

    @property
    def policy(self) -> Policy:
        """The policy, with its digest."""
        return self._guard.policy

    def principles_of(self, decision: Decision) -> tuple[str, ...]:
        """Return the ids of the principles whose rules fired."""
        fired = (rule.principle for rule in self.policy.rules if rule.id in decision.rules and rule.principle)
        return tuple(dict.fromkeys(fired))

    def categories_of(self, decision: Decision) -> tuple[str, ...]:
        """Return the categories of what made rules fire that do more than allow."""
        rules = [rule for rule in self.policy.rules if rule.id in decision.rules and rule.action is not Action.ALLOW]
        found = {finding.category for finding in decision.findings for rule in rules if rule.matches(finding)}
        return tuple(sorted(found))

    def refusal(self, prompt: Prompt) -> str:
        """Return how the policy refuses a prompt that is only labelled as harmful: as its first rule that blocks its category."""
        for rule in self.policy.rules:
            for label in prompt.origin.categories:
                if rule.action is Action.BLOCK and any(matches(name, label) for name in rule.category):
                    return refusal_by(self.policy, rule, [Finding(rule.detect[0], label, 1.0)])
        return self.policy.message

    def prompts(self, prompts: Sequence[Prompt]) -> list[Decision]:
        """Return what is decided on each prompt, before any model sees it."""
        return _together([self._asked(prompt.prompt) for prompt in prompts])

    def answers(self, answers: Sequence[tuple[Prompt, Known]]) -> list[Judged]:
        """Return what is decided on answers to prompts."""
        return _together([self._answered(prompt.prompt, known.text, known.finish) for prompt, known in answers])

    async def _asked(self, prompt: Messages) -> Decision:
        return (await self._guard.judge(_texts(prompt), Stage.INPUT, new_exchange())).decision

    async def _answered(self, prompt: Messages, text: str, finish: str) -> Judged:
        exchange = replace(new_exchange(), prompt=self._guard.prompt_of(_texts(prompt)))
        said = Text((Piece(_ANSWER, text),), Role.ASSISTANT, choice=0)
        found = await self._guard.judge([said], Stage.OUTPUT, exchange)
        released = found.changes.get(_ANSWER, text)
        return Judged(text, finish, found.decision, self._scorer.worth(found.decision), released)


def _texts(prompt: Messages) -> list[Text]:
    return [
        Text((Piece(f"/messages/{turn}/content", message.content),), Role(message.role), turn=turn)
        for turn, message in enumerate(prompt)
    ]


def _together(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Return the results, some of the work being done at the same time."""

    async def run() -> list[T]:
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(each: Coroutine[Any, Any, T]) -> T:
            async with gate:
                return await each

        return list(await asyncio.gather(*map(one, work)))

    return asyncio.run(run())
