"""A language model as a reward: asked about each principle of the constitution, it says what an answer is worth."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any

from alignment.rewards.base import Conversation
from alignment.rewards.policy import PolicyScorer
from alignment.rewards.settings import JudgeReward
from guard.detectors.registry import kinds
from guard.errors import TenetError
from guard.policy.load import load, loads
from guard.policy.model import Principle
from guard.policy.shapes import did_you_mean
from guard.values import Decision

log = logging.getLogger("alignment")


class JudgeScorer:
    """Scores answers by a judge's word on each principle: 0 where it sees none broken, -1 where it is sure that all are.

    The judge is the kind `llm-judge`, with the runtime of every detector: asked about many answers at a time, remembered, with
    time limits, retries and a breaker. A principle about which it gives no verdict does not count for an answer; an answer about
    which it says nothing at all has no reward of this kind.

    Attributes:
        unanswered: Questions, one for each answer and principle, that got no verdict.
    """

    def __init__(self, policy: str, settings: JudgeReward) -> None:
        """Take the principles of a policy.

        Raises:
            TenetError: Where the policy has none, not the ones that are named, or the judge's options do not fit.
        """
        self.unanswered = 0
        self._principles = _chosen(policy, settings)
        self._scorer = PolicyScorer(loads(json.dumps(_judging(self._principles, settings)), kinds(), "<judge>"))

    def __call__(self, prompts: Sequence[Conversation], answers: Sequence[str]) -> list[float | None]:
        """Return for each answer a number from -1 to 0; None where the judge said nothing of it."""
        return [self._worth(decision) for decision in self._scorer.decisions(prompts, answers)]

    def _worth(self, decision: Decision) -> float | None:
        broken = {finding.detector: finding.score for finding in decision.findings}
        heard = [name for name in map(_name, range(len(self._principles))) if name not in decision.failed]
        self._count(len(self._principles) - len(heard))
        return -sum(broken.get(name, 0.0) for name in heard) / len(heard) if heard else None

    def _count(self, more: int) -> None:
        if more and not self.unanswered:
            log.warning("the judge that rewards gave no verdict on an answer; such answers are rewarded without it")
        self.unanswered += more


def _chosen(policy: str, settings: JudgeReward) -> tuple[Principle, ...]:
    known = {principle.id: principle for principle in load(policy, kinds()).principles}
    if not known:
        raise TenetError(f"rewards: expected principles in the policy {policy}, as a judge is asked about them; found none")
    for name in settings.principles:
        if name not in known:
            hint = did_you_mean(name, known)
            raise TenetError(f"rewards: expected a principle of {policy}, got {name!r}{f' ({hint})' if hint else ''}")
    return tuple(known[name] for name in settings.principles or known)


def _judging(principles: Sequence[Principle], settings: JudgeReward) -> dict[str, Any]:
    """Return a policy that asks the judge about each principle, and does nothing."""
    options = {
        "use": "llm-judge",
        "url": settings.url,
        "model": settings.model,
        "api": settings.api,
        "sees": "exchange",
        "runtime": {"timeout": settings.seconds, "parallel": settings.parallel, "retries": settings.retries},
        **({"key_env": settings.key_env} if settings.key_env else {}),
        **({"structured": settings.structured} if settings.structured else {}),
    }
    detectors = {
        _name(index): {**options, "principle": each.text, "category": f"custom/principle-{index}"}
        for index, each in enumerate(principles)
    }
    rules = [
        {"id": _name(index), "on": "output", "detect": _name(index), "category": f"custom/principle-{index}", "action": "flag"}
        for index in range(len(principles))
    ]
    return {"version": 1, "name": "judge", "detectors": detectors, "rules": rules}


def _name(index: int) -> str:
    return f"judge-{index}"
