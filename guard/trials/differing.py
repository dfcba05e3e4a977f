"""How two policies decided on the same: actions, rules, categories. Holds no text. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from guard.policy.model import Policy
from guard.values import Action, Decision, Stage


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one policy decided.

    Attributes:
        policy: Its digest.
        categories: Of the findings that made its rules fire.
        failed: Names of its detectors that gave no verdict; an error of its own, in parentheses.
    """

    policy: str
    action: Action = Action.ALLOW
    rules: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compared:
    """One stage of an exchange, judged by the policy in force and by its shadow.

    Attributes:
        at: When, in microseconds since 1970.
    """

    exchange: str
    tenant: str
    stage: Stage
    base: Verdict
    shadow: Verdict
    at: int

    @property
    def failed(self) -> bool:
        """Whether one of them had no verdict of some detector, so that comparing them would say nothing of the policies."""
        return bool(self.base.failed or self.shadow.failed)

    @property
    def differs(self) -> bool:
        """Whether they decided otherwise in any way."""
        return not self.failed and (
            self.base.action is not self.shadow.action
            or set(self.base.rules) != set(self.shadow.rules)
            or set(self.base.categories) != set(self.shadow.categories)
        )

    def counted(self) -> Iterator[str]:
        """Yield what goes up by one, as the store counts it: see `guard.trials.counting`."""
        stage = self.stage.value
        if self.failed:
            yield f"{stage}:failed"
            for name in self.shadow.failed:
                yield f"{stage}:without:{name}"
            return
        yield f"{stage}:{self.base.action.word}>{self.shadow.action.word}"
        for kind, before, after in (
            ("rule", self.base.rules, self.shadow.rules),
            ("category", self.base.categories, self.shadow.categories),
        ):
            for name in {*before, *after}:
                sign = "=" if name in before and name in after else "-" if name in before else "+"
                yield f"{stage}:{kind}{sign}:{name}"


def verdict_of(policy: Policy, decision: Decision) -> Verdict:
    """Return what of a decision can be compared with another policy's."""
    fired = [rule for rule in policy.rules if rule.id in decision.rules]
    return Verdict(
        policy.digest,
        decision.action,
        _once(decision.rules),
        _once(finding.category for finding in decision.findings if any(rule.matches(finding) for rule in fired)),
        _once(decision.failed),
    )


def _once(names: Sequence[str] | Iterator[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
