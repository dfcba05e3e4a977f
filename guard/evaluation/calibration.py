"""Choose thresholds for the rules of a policy from labelled records, so that each of them keeps a promise.

The unit is the rule: its score of a record is the highest that its detectors give any of its categories, and it should fire where
one of those is labelled 1. Every rule keeps the promise for itself; of several rules together, nothing is promised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from guard import categories
from guard.errors import TenetError
from guard.evaluation.conformal import Control, Promise
from guard.evaluation.examples import Examples, Labelled, gather, held_out
from guard.evaluation.outcomes import Outcome, Status, left_alone, outcome
from guard.evaluation.rule_labels import RuleLabels
from guard.evaluation.rule_scores import RuleScorer, Words
from guard.policy.kinds import Kind
from guard.policy.model import Policy, Rule
from guard.policy.shapes import did_you_mean
from guard.values import Action, Role, Stage


@dataclass(frozen=True, slots=True)
class Asked:
    """What thresholds are to be chosen for.

    Attributes:
        rules: Ids of the rules; all of the policy's where there are none.
        benign_only: Whether false alarms are counted among records whose known labels are all 0, instead of those in which the
            rule's own categories are known to be absent.
        holdout: The share of the records from which nothing is chosen, in [0, 1).
        seed: Which records those are.
        stage: Which way the texts travel; as each rule reads them where absent, input before output.
        role: Whose words they are; the stage's own where absent.
    """

    promise: Promise
    rules: tuple[str, ...] = ()
    benign_only: bool = False
    holdout: float = 0.0
    seed: int = 0
    stage: Stage | None = None
    role: Role | None = None

    def __post_init__(self) -> None:
        promise = self.promise
        for name, value in (("--risk", promise.risk), ("--confidence", promise.confidence)):
            if value is not None and not 0 < value < 1:
                raise TenetError(f"{name}: expected a number between 0 and 1, neither of them included, got {value:g}")
        if not 0 <= self.holdout < 1:
            raise TenetError(f"--holdout: expected a share of the records, from 0 to less than 1, got {self.holdout:g}")
        if self.benign_only and promise.control is not Control.FALSE_ALARMS:
            raise TenetError("--benign-only: expected --control false-alarms, as misses are not counted on benign records")


@dataclass(frozen=True, slots=True)
class Calibration:
    """What came of it.

    Attributes:
        outcomes: One for each rule, in the policy's order.
        records: How many there were.
        uncovered: Categories with labels that none of the rules covers.
        versions: The versions of the detectors that scored, by name; part of a policy's digest.
        by_name: Whether the rules were named.
    """

    outcomes: tuple[Outcome, ...]
    records: int
    uncovered: tuple[str, ...]
    versions: Mapping[str, str]
    by_name: bool = False

    @property
    def thresholds(self) -> dict[str, str]:
        """The chosen thresholds as they are written, by rule."""
        return {each.rule.id: each.threshold.written for each in self.outcomes if each.threshold is not None}

    @property
    def kept(self) -> bool:
        """Whether every rule that was named, or else every one about which records say something, keeps the promise."""
        asked = [each for each in self.outcomes if self.by_name or each.status is not Status.NOT_LABELLED]
        return bool(asked) and all(each.kept for each in asked)


def calibrate(
    policy: Policy,
    kinds: Mapping[str, Kind],
    records: Callable[[], Iterable[Labelled]],
    asked: Asked,
    progress: Callable[[int], None] = lambda _records: None,
) -> Calibration:
    """Choose thresholds; nothing is written.

    Args:
        policy: As it was loaded.
        kinds: Those it was loaded with.
        records: Returns the records from the first to the last; called twice, as the labels are looked at before the texts.
        progress: Told how many records have been scored.

    Raises:
        TenetError: For a rule that does not exist or has no threshold to choose.
        DetectorError: Where a detector cannot be built or gave no verdict.
    """
    rules = _asked_rules(policy, asked.rules)
    labelled: dict[str, None] = {}
    count = 0
    for record in records():
        labelled.update(dict.fromkeys(record.labels))
        count += 1
    labels = {rule.id: RuleLabels(rule, labelled, benign_only=asked.benign_only) for rule in rules}
    words = {rule.id: Words.of(rule, asked.stage, asked.role) for rule in rules}
    alone = {rule.id: reason for rule in rules if (reason := left_alone(rule, labels[rule.id], words[rule.id]))}
    measured = {rule.id: labels[rule.id] for rule in rules if rule.id not in alone}
    scorer = RuleScorer(policy, {rule: words[rule] for rule in measured}, kinds)
    examples = gather(records(), measured, scorer, held_out(asked.holdout, asked.seed), progress) if measured else {}
    outcomes = tuple(_outcome(rule, labels[rule.id], alone, examples, asked) for rule in rules)
    return Calibration(outcomes, count, _uncovered(labelled, rules), scorer.versions, bool(asked.rules))


def _outcome(
    rule: Rule, labels: RuleLabels, alone: Mapping[str, Outcome], examples: Mapping[str, Examples], asked: Asked
) -> Outcome:
    if rule.id in alone:
        return alone[rule.id]
    return outcome(rule, labels.categories, examples[rule.id], asked.promise, with_holdout=asked.holdout > 0)


def _asked_rules(policy: Policy, names: Sequence[str]) -> tuple[Rule, ...]:
    """Return the rules to choose for. Raises TenetError for those for which none can be chosen."""
    known = {rule.id: rule for rule in policy.rules}
    for name in names:
        if name not in known:
            raise TenetError(f"--rule: expected the id of a rule of this policy, got {name!r} ({_nearest(name, known)})")
        if known[name].action is Action.ALLOW:
            raise TenetError(f"--rule {name}: expected a rule that finds something, got an exception (action allow)")
        if known[name].locked:
            raise TenetError(f"--rule {name}: expected a rule that may change, got a locked one (unlock it where it is defined)")
    return tuple(rule for rule in policy.rules if (rule.id in names if names else rule.action is not Action.ALLOW))


def _nearest(name: str, known: Iterable[str]) -> str:
    return did_you_mean(name, tuple(known)) or f"rules: {', '.join(known)}"


def _uncovered(labelled: Iterable[str], rules: Sequence[Rule]) -> tuple[str, ...]:
    patterns = [pattern for rule in rules for pattern in rule.category]
    return tuple(name for name in labelled if not any(categories.matches(pattern, name) for pattern in patterns))
