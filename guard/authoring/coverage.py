"""Which rules the tests of a policy make fire, and which they show to hold back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from guard.authoring.testing import Outcome
from guard.policy.model import Policy


@dataclass(frozen=True, slots=True)
class Covered:
    """What the tests say about one rule.

    Attributes:
        fired: In how many tests that passed it fired.
        held_back: In how many tests that passed it might have fired and did not.
    """

    rule: str
    fired: int
    held_back: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """The rules of a policy in their order, with what its tests say about each."""

    rules: tuple[Covered, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Ids of the rules that no test makes fire."""
        return tuple(each.rule for each in self.rules if not each.fired)

    @property
    def share(self) -> float:
        """The share of rules that some test makes fire, in [0, 1]; 1 where there are no rules."""
        return 1 - len(self.missing) / len(self.rules) if self.rules else 1.0


def coverage(policy: Policy, outcomes: Sequence[Outcome]) -> Coverage:
    """Return the coverage of a policy's rules by the tests that passed."""
    passed = [outcome for outcome in outcomes if outcome.passed]
    fired = Counter(rule for outcome in passed for rule in outcome.fired)
    active = Counter(rule for outcome in passed for rule in outcome.active if rule not in outcome.fired)
    return Coverage(tuple(Covered(rule.id, fired[rule.id], active[rule.id]) for rule in policy.rules))
