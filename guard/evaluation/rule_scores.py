"""What each rule of a policy scores on a text: the highest threshold at which it would still have fired.

The detectors run as they do in production, with the policy's windows, roles, time limits and exceptions. Only thresholds,
conditions on the request and what rules do are left out; a rule is measured as if its condition held.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from guard.engine import Guard, new_exchange
from guard.errors import DetectorError
from guard.evaluation.conformal import NEVER
from guard.policy.decide import fired
from guard.policy.kinds import Kind
from guard.policy.model import Policy, Rule
from guard.runtime.trace import complete
from guard.scanning.pace import Pace
from guard.scanning.patience import Patience
from guard.values import Action, Decision, Role, Stage

TOGETHER = 64
"""Texts judged at the same time."""


@dataclass(frozen=True, slots=True)
class Words:
    """Which way texts travel, and whose words they are."""

    stage: Stage
    role: Role

    @classmethod
    def of(cls, rule: Rule, stage: Stage | None, role: Role | None) -> Words:
        """Return the words that a rule is measured on: where not said, the user's if it reads what comes in, else answers."""
        way = stage or (Stage.INPUT if Stage.INPUT in rule.on else Stage.OUTPUT)
        return cls(way, role or (Role.USER if way is Stage.INPUT else Role.ASSISTANT))

    def are_read_by(self, rule: Rule) -> bool:
        """Return whether a rule reads them."""
        return self.stage in rule.on and self.role in rule.roles


class RuleScorer:
    """Scores texts by rules of one policy. For one event loop."""

    def __init__(self, policy: Policy, words: Mapping[str, Words], kinds: Mapping[str, Kind]) -> None:
        """Build the policy's detectors.

        Args:
            policy: As it was loaded.
            words: For each rule to measure, by id, the words that it is measured on; it reads them.
            kinds: Those it was loaded with.

        Raises:
            MissingExtra: Where a detector needs packages that are not installed.
            DetectorError: Where a model cannot be loaded.
        """
        self._words = dict(words)
        kept = [rule for rule in policy.rules if rule.id in words or rule.action is Action.ALLOW]
        self._guard = Guard(
            replace(policy, rules=tuple(_opened(rule) if rule.id in words else rule for rule in kept)), kinds=kinds
        )
        self._pace = Pace(TOGETHER, Patience(self._guard.detectors.values()))

    @property
    def versions(self) -> Mapping[str, str]:
        """The version of each detector, by its name in the policy."""
        return {name: detector.version for name, detector in self._guard.detectors.items()}

    async def scores(self, text: str, rules: Collection[str]) -> dict[str, float]:
        """Return the score of a text by each of these rules, in (0, 1]; `NEVER` where the rule finds nothing.

        Raises:
            DetectorError: Where a detector gave no verdict even after waiting; a score that is missing is not low.
        """
        found: dict[str, float] = {}
        for words in dict.fromkeys(self._words[rule] for rule in rules):
            found |= await self._scores_as(text, words)
        return {rule: found[rule] for rule in rules}

    async def _scores_as(self, text: str, words: Words) -> dict[str, float]:
        exchange = new_exchange()

        async def check() -> Decision:
            return await self._guard.check(text, words.stage, role=words.role, exchange=exchange)

        with complete():
            decision = await self._pace.run(check, went_well=lambda decided: not decided.failed)
        if decision.failed:
            raise DetectorError(decision.failed[0], "so no threshold was chosen; the log says why")
        highest = dict.fromkeys((rule for rule, own in self._words.items() if own == words), NEVER)
        for rule, findings in fired(self._guard.rules(words.stage, exchange), decision.findings):
            if rule.id in highest:
                highest[rule.id] = max(finding.score for finding in findings) or NEVER
        return highest


def _opened(rule: Rule) -> Rule:
    """Return a rule that fires on every score, whatever the request, and only notes it."""
    return replace(rule, threshold=0.0, when=None, action=Action.FLAG, on_error=Action.FLAG)
