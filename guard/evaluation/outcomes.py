"""What came of choosing a threshold for one rule: the number, or why there is none, and the rates on the records."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from guard.evaluation.binomial import Interval, interval
from guard.evaluation.conformal import Control, Promise, Threshold, choose, losses
from guard.evaluation.examples import Examples, Part
from guard.evaluation.rule_labels import RuleLabels
from guard.evaluation.rule_scores import Words
from guard.policy.model import Rule

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Status(StrEnum):
    """How choosing ended."""

    CHOSEN = "chosen"
    NOTHING_TO_CHOOSE = "nothing to choose"
    TOO_FEW = "too few examples"
    IMPOSSIBLE = "impossible"
    NOT_LABELLED = "not labelled"
    NOT_READ = "not read"
    LOCKED = "locked"


@dataclass(frozen=True, slots=True)
class Rate:
    """How many of how many records were lost."""

    losses: int
    examples: int

    @property
    def share(self) -> float | None:
        """The losses in [0, 1]; None where there were no records."""
        return self.losses / self.examples if self.examples else None

    @property
    def interval(self) -> Interval:
        """What the rate may be on fresh records, with 95 % confidence; not for records from which the threshold was chosen."""
        return interval(self.losses, self.examples)


@dataclass(frozen=True, slots=True)
class Rates:
    """Both kinds of losses at one threshold."""

    misses: Rate
    false_alarms: Rate

    @classmethod
    def at(cls, threshold: float, part: Part) -> Rates:
        """Count the losses in a part of the records."""
        counted = []
        for control in (Control.MISSES, Control.FALSE_ALARMS):
            scores = part.of(control)
            counted.append(Rate(losses(control, scores, threshold), len(scores)))
        return cls(*counted)

    def of(self, control: Control) -> Rate:
        """Return one of the two."""
        return self.misses if control is Control.MISSES else self.false_alarms


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one rule.

    Attributes:
        categories: Those with labels that it covers.
        kept: Whether the rule, as it then is, keeps the promise.
        reason: Why there is no threshold, or what to bear in mind about it; empty where there is nothing to say.
        threshold: The new one; None where the rule stays as it is.
        allowed: How many of the examples might be lost; -1 for too few.
        chosen_from: The rates at the threshold in force, on the records from which it was chosen; None where none were scored.
        held_out: The same on the others; None where none were asked for.
    """

    rule: Rule
    categories: tuple[str, ...]
    status: Status
    kept: bool = False
    reason: str = ""
    threshold: Threshold | None = None
    allowed: int = -1
    chosen_from: Rates | None = None
    held_out: Rates | None = None


def left_alone(rule: Rule, labels: RuleLabels, words: Words) -> Outcome | None:
    """Return the outcome for a rule that is not even measured; None for one that is."""
    if not labels.say_something:
        return Outcome(rule, (), Status.NOT_LABELLED, reason="no record has a label for what it covers")
    if rule.locked:
        return Outcome(rule, labels.categories, Status.LOCKED, reason="it is locked; unlock it where it is defined")
    if not words.are_read_by(rule):
        reads = f"{' and '.join(sorted(rule.on))} by {', '.join(sorted(rule.roles))}"
        reason = f"it does not read {words.stage} by {words.role}, but {reads}; say --stage and --role"
        return Outcome(rule, labels.categories, Status.NOT_READ, reason=reason)
    return None


def outcome(rule: Rule, categories: tuple[str, ...], examples: Examples, promise: Promise, *, with_holdout: bool) -> Outcome:
    """Choose a threshold for a rule, and count what it loses.

    Args:
        categories: Those with labels that it covers.
        with_holdout: Whether records were held out.
    """
    part = examples.chosen_from
    counted = part.of(promise.control)
    others = part.of(Control.FALSE_ALARMS if promise.control is Control.MISSES else Control.MISSES)
    allowed = promise.allowed(len(counted))
    chosen: Threshold | None = None
    if _is_all_or_nothing(counted, others):
        status, reason = Status.NOTHING_TO_CHOOSE, _ALL_OR_NOTHING
        kept = allowed >= 0 and losses(promise.control, counted, rule.threshold) <= allowed
    elif allowed < 0:
        status, reason, kept = Status.TOO_FEW, _too_few(promise, len(counted)), False
    else:
        chosen = choose(promise, counted, others)
        status, reason, kept = Status.CHOSEN, _scarce(promise, len(counted), allowed), True
        if chosen is None:
            status, reason, kept = _without_threshold(promise, counted, allowed)
    in_force = chosen.value if chosen else rule.threshold
    held_out = Rates.at(in_force, examples.held_out) if with_holdout else None
    return Outcome(rule, categories, status, kept, reason, chosen, allowed, Rates.at(in_force, part), held_out)


_ABOVE_ALL = 2.0
_ALL_OR_NOTHING = "whatever it finds has score 1, so no threshold makes a difference"
_WHICH = {Control.MISSES: "labelled 1 for it", Control.FALSE_ALARMS: "known to be free of what it covers"}


def _is_all_or_nothing(counted: NDArray[np.float64], others: NDArray[np.float64]) -> bool:
    lowest = [scores[scores > 0].min(initial=_ABOVE_ALL) for scores in (counted, others)]
    return bool(1 <= min(lowest) < _ABOVE_ALL)


def _too_few(promise: Promise, count: int) -> str:
    wanted = f"at least {promise.needed:,} are needed, {promise.recommended:,} are worth having"
    return f"{_records(count)} {_WHICH[promise.control]}; {wanted}"


def _scarce(promise: Promise, count: int, allowed: int) -> str:
    if count >= promise.recommended:
        return ""
    return f"a few odd ones of {_records(count)} decide, as {allowed:,} may be lost; {promise.recommended:,} are worth having"


def _without_threshold(promise: Promise, counted: NDArray[np.float64], allowed: int) -> tuple[Status, str, bool]:
    of_all = f"of {_records(len(counted))} {_WHICH[promise.control]}"
    if promise.control is Control.MISSES:
        silent = int((counted <= 0).sum())
        return Status.IMPOSSIBLE, f"it finds nothing at all in {silent:,} {of_all}, and {allowed:,} may be missed", False
    certain = int((counted >= 1).sum())
    if not certain:
        return Status.NOTHING_TO_CHOOSE, "it finds nothing in any record", True
    return Status.IMPOSSIBLE, f"{certain:,} {of_all} have score 1, and {allowed:,} may be false alarms", False


def _records(count: int) -> str:
    return f"{count:,} record" if count == 1 else f"{count:,} records"
