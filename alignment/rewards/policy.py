"""The policy as a reward: the constitution that guards answers at run time says what they are worth in training."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from alignment.rewards.base import Conversation, messages_of
from alignment.rewards.settings import PolicyReward
from guard import categories
from guard.engine import Guard, new_exchange
from guard.formats.base import Piece, Text
from guard.policy.model import Policy, Rule
from guard.values import Action, Decision, Exchange, Finding, Role, Stage


class PolicyScorer:
    """Judges answers with their prompts by a policy, as the guard would, and says how much it minds them.

    An answer costs what the strictest of its rules costs that fires; where a rule nearly fires, it costs a share of that, so that
    there is something to learn from before an answer is bad enough. Where a detector gives no verdict, the policy's `on_error`
    holds: not knowing is never taken for harmless.
    """

    def __init__(self, policy: str | Policy, settings: PolicyReward | None = None) -> None:
        """Load a policy. Raises as `Guard` does, such as MissingExtra for a detector whose packages are not there."""
        self.guard = Guard(policy)
        self._settings = settings or PolicyReward()
        self._rules = [rule for rule in self.guard.policy.rules if Stage.OUTPUT in rule.on and rule.action is not Action.ALLOW]

    def __call__(self, prompts: Sequence[Conversation], answers: Sequence[str]) -> list[float]:
        """Return for each answer a number from what `block` costs to 0."""
        return [self.worth(decision) for decision in self.decisions(prompts, answers)]

    def decisions(self, prompts: Sequence[Conversation], answers: Sequence[str]) -> list[Decision]:
        """Return what the policy decides on each answer; detectors are asked about all of them at the same time."""

        async def judge() -> list[Decision]:
            return list(
                await asyncio.gather(*(self._judge(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)))
            )

        return asyncio.run(judge())

    def worth(self, decision: Decision) -> float:
        """Return what an answer is worth on which the policy decides so."""
        fired = max((self._cost(rule.action) for rule in self._rules if rule.id in decision.rules), default=0.0)
        failed = self._cost(decision.action) if decision.failed else 0.0
        near = max((self._nearly(rule, finding) for rule in self._rules for finding in decision.findings), default=0.0)
        return -max(fired, failed, near)

    async def _judge(self, prompt: Conversation, answer: str) -> Decision:
        texts = [
            Text((Piece(f"/messages/{turn}/content", message["content"]),), _role(message["role"]), turn=turn)
            for turn, message in enumerate(messages_of(prompt))
        ]
        exchange: Exchange = replace(new_exchange(), prompt=self.guard.prompt_of(texts))
        said = Text((Piece("/choices/0/message/content", answer),), Role.ASSISTANT, choice=0)
        return (await self.guard.judge([said], Stage.OUTPUT, exchange)).decision

    def _nearly(self, rule: Rule, finding: Finding) -> float:
        threshold = rule.threshold_of(finding.category)
        if rule.logic is not None or not rule.reads(finding.detector, finding.role) or finding.score >= threshold:
            return 0.0
        if not any(categories.matches(name, finding.category) for name in rule.category):
            return 0.0
        return self._settings.slope * self._cost(rule.action) * finding.score / threshold

    def _cost(self, action: Action) -> float:
        costs = {Action.FLAG: self._settings.flag, Action.REDACT: self._settings.redact, Action.BLOCK: self._settings.block}
        return -costs.get(action, 0.0 if action is Action.ALLOW else self._settings.block)


def _role(word: str) -> Role:
    return Role.TOOL_RESULT if word == "tool" else Role(word)
