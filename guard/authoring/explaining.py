"""Say of every rule what it saw in a text: what made it fire, or why it did not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from guard import categories
from guard.engine import Guard, new_exchange
from guard.policy.model import Rule
from guard.runtime.trace import Explanation
from guard.values import Decision, Exchange, Finding, Role, Stage


@dataclass(frozen=True, slots=True)
class Seen:
    """What one rule saw.

    Attributes:
        why: Why it fires, or why not, in words.
        findings: What its detectors found of its categories, the highest score first, whether or not it is enough.
        threshold: The score from which on it fires on the first of them.
    """

    rule: Rule
    fires: bool
    why: str
    findings: tuple[Finding, ...] = ()
    threshold: float = 0.0


@dataclass(frozen=True, slots=True)
class Explained:
    """A text, what was decided on it, and what every rule saw in it."""

    text: str
    explanation: Explanation
    rules: tuple[Seen, ...]

    @property
    def decision(self) -> Decision:
        """What was decided, with every detector asked."""
        return self.explanation.decision


def explain(guard: Guard, text: str, stage: Stage, role: Role | None = None, exchange: Exchange | None = None) -> Explained:
    """Return what a policy says about a text, rule by rule.

    Args:
        role: Whose words; the user's on input and the assistant's on output, where not said.
        exchange: What is known of the request, for rules with a condition.
    """
    explanation = guard.explain(text, stage, role=role)
    whose = role or (Role.USER if stage is Stage.INPUT else Role.ASSISTANT)
    active = {rule.id: rule for rule in guard.rules(stage, exchange or new_exchange())}
    rules = tuple(_seen(rule, active, stage, whose, explanation.decision) for rule in guard.policy.rules)
    return Explained(text, explanation, rules)


def _seen(rule: Rule, active: dict[str, Rule], stage: Stage, role: Role, decision: Decision) -> Seen:
    fires = rule.id in decision.rules
    if stage not in rule.on:
        return Seen(rule, fires, f"it reads {' and '.join(sorted(each.value for each in rule.on))} only")
    if role not in rule.roles:
        return Seen(rule, fires, f"it does not read the words of {role.value}")
    if rule.id not in active:
        return Seen(rule, fires, f"it does not hold here: {_condition(rule)}")
    now = active[rule.id]
    failed = [name for name in now.detect if name in decision.failed]
    if failed:
        return Seen(rule, fires, f"no verdict from {', '.join(failed)}; on_error is {rule.on_error.word}")
    found = sorted(_of(now, decision.findings), key=lambda finding: -finding.score)
    if not found:
        why = "fires whatever is found" if fires else f"{_read(rule)} found nothing of {', '.join(rule.category)}"
        return Seen(rule, fires, why)
    best = found[0]
    threshold = now.threshold_of(best.category)
    return Seen(rule, fires, _why(now, fires, best, threshold, decision), tuple(found), threshold)


def _why(rule: Rule, fires: bool, best: Finding, threshold: float, decision: Decision) -> str:
    said = f"{best.category} {best.score:.2f} of {best.detector}"
    if rule.logic is not None:
        return f"{said}; {'its clauses hold' if fires else 'its clauses do not all hold'}"
    if fires:
        return f"{said}, from {threshold:g} on"
    if best.score >= threshold:
        return f"{said} would do, but {_taken_out(rule, decision)}"
    return f"{said}, below its threshold of {threshold:g}"


def _taken_out(rule: Rule, decision: Decision) -> str:
    others = [name for name in decision.rules if name != rule.id]
    return f"an exception takes it out (among {', '.join(others)})" if others else "not in this turn"


def _of(rule: Rule, findings: Sequence[Finding]) -> Iterator[Finding]:
    """Yield what a rule's detectors found of its categories, whatever the score."""
    for finding in findings:
        named = any(categories.matches(name, finding.category) for name in rule.category)
        if named and rule.reads(finding.detector, finding.role):
            yield finding


def _read(rule: Rule) -> str:
    return ", ".join(rule.detect)


def _condition(rule: Rule) -> str:
    parts = [
        *([f"when {rule.when.source}"] if rule.when is not None else []),
        *(["its hours"] if rule.schedule is not None else []),
        *([f"a sample of {100 * rule.sample:g} %"] if rule.sample < 1 else []),
        *(["its count"] if rule.count is not None else []),
    ]
    return ", ".join(parts) or "its conditions"
