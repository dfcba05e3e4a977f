"""Change a policy a little, and see whether its tests notice: what they don't notice, they don't hold.

A test that fails on a changed policy is what shows that the rule matters; a change that no test notices survives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from guard.authoring.cases import Case
from guard.authoring.testing import Bench, Outcome
from guard.policy.kinds import Kind
from guard.policy.model import Policy, Rule
from guard.values import Action

SHIFT = 0.1
"""By how much a threshold is moved up, and down."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A policy with one rule changed.

    Attributes:
        change: What was done to the rule, in words.
    """

    rule: str
    change: str
    policy: Policy


@dataclass(frozen=True, slots=True)
class Mutation:
    """What became of the mutants: how many there were, and those that no test noticed."""

    tried: int
    survivors: tuple[Mutant, ...]


def mutants(policy: Policy, kinds: Mapping[str, Kind]) -> Iterator[Mutant]:
    """Yield every mutant: each rule left out, its action weakened, and its threshold moved where scores are graded."""
    for rule in policy.rules:
        rest = tuple(other for other in policy.rules if other is not rule)
        yield Mutant(rule.id, "left out", replace(policy, rules=rest))
        if rule.action > Action.FLAG:
            yield _changed(policy, rule, f"action flag instead of {rule.action.word}", replace(rule, action=Action.FLAG))
        if rule.logic is not None or not any(
            kinds[policy.detectors[name].use].scores(policy.detectors[name].options).graded for name in rule.detect
        ):
            continue
        for moved in (round(rule.threshold + SHIFT, 6), round(rule.threshold - SHIFT, 6)):
            if 0 < moved <= 1:
                change = f"threshold {moved:g} instead of {rule.threshold:g}"
                yield _changed(policy, rule, change, replace(rule, threshold=moved))


def mutate(bench: Bench, cases: Sequence[Case], outcomes: Sequence[Outcome], kinds: Mapping[str, Kind]) -> Mutation:
    """Run the tests on every mutant, each until the first test that fails.

    Args:
        bench: The policy as it stands.
        cases: Its tests.
        outcomes: What came of them, in the same order; only tests that passed can notice anything.
        kinds: What may stand behind `use:`.
    """
    pairs = [(case, outcome) for case, outcome in zip(cases, outcomes, strict=True) if outcome.passed]
    tried = 0
    survivors = []
    for mutant in mutants(bench.policy, kinds):
        tried += 1
        variant = bench.variant(mutant.policy)
        likely_first = sorted(pairs, key=lambda pair, rule=mutant.rule: rule not in pair[1].fired)  # type: ignore[misc]
        concerned = [case for case, outcome in likely_first if mutant.rule in outcome.active]
        if all(variant.run(case).passed for case in concerned):
            survivors.append(mutant)
    return Mutation(tried, tuple(survivors))


def _changed(policy: Policy, rule: Rule, change: str, new: Rule) -> Mutant:
    return Mutant(rule.id, change, replace(policy, rules=tuple(new if other is rule else other for other in policy.rules)))
