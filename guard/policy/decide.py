"""Decide what happens to an exchange, given what the detectors found.

Pure functions over values: no clock, no network, no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from guard.policy.model import Policy, Redactor, Rule
from guard.values import Action, Decision, Exchange, Finding, Location, Role, Span, Stage

Fired = tuple[tuple[Rule, tuple[Finding, ...]], ...]
"""Rules with the findings that made them fire, in the policy's order."""


@dataclass(frozen=True, slots=True)
class Redaction:
    """A text, or a part of one, that is to be made unreadable.

    Attributes:
        span: None for the whole text at the location.
        category: What was found there; names the label.
    """

    location: Location
    span: Span | None
    redactor: Redactor
    category: str


def active_rules(policy: Policy, stage: Stage, exchange: Exchange) -> tuple[Rule, ...]:
    """Return the rules whose stage and condition hold, in the policy's order."""
    return tuple(rule for rule in policy.rules if stage in rule.on and (rule.when is None or rule.when.holds(stage, exchange)))


def fired(rules: Sequence[Rule], findings: Sequence[Finding]) -> Fired:
    """Return the rules that fire, exceptions taken out.

    An `allow` rule takes out a finding for exactly the rules in its `overrides`, where what it matched covers the finding: at the
    same location, and around its span. Without a span, a finding is the whole text at its location. An `allow` rule that matched
    is itself among those that fired.
    """
    if not findings:
        return ()
    hits = ((rule, tuple(finding for finding in findings if rule.matches(finding))) for rule in rules)
    matched = tuple((rule, found) for rule, found in hits if found)
    exceptions = [(rule, finding) for rule, found in matched if rule.action is Action.ALLOW for finding in found]
    if not exceptions:
        return matched
    left = ((rule, _without_exceptions(rule, found, exceptions)) for rule, found in matched)
    return tuple((rule, found) for rule, found in left if found)


def decide(
    policy: Policy,
    rules: Sequence[Rule],
    findings: Sequence[Finding],
    failed: Sequence[tuple[str, Role]] = (),
    retry_after: float = 0.0,
) -> Decision:
    """Return what the policy asks for.

    Args:
        policy: Its digest goes into the decision, and its message where no rule has one.
        rules: The active ones (see `active_rules`), in the policy's order.
        findings: All of them; they are kept in the decision.
        failed: Detectors that gave no verdict, each with the role of the words that it was shown. Every rule above `flag` that
            reads them does what its `on_error` says.
        retry_after: Seconds after which the failed ones are worth asking again, if they say so; else 0.

    Returns:
        The strictest action of the rules that fired, after exceptions, with the ids of those rules in the policy's order. The
        message is that of the first of the strictest rules, and only there where the action is block.
    """
    if not findings and not failed:
        return Decision(policy=policy.digest)
    actions = {rule.id: rule.action for rule, _ in fired(rules, findings)}
    found = max(actions.values(), default=Action.ALLOW)
    for rule in rules if failed else ():
        if rule.action > Action.FLAG and rule.on_error > Action.ALLOW and any(rule.reads(*failure) for failure in failed):
            actions[rule.id] = max(actions.get(rule.id, Action.ALLOW), rule.on_error)
    strictest_action = max(actions.values(), default=Action.ALLOW)
    in_order = [rule for rule in rules if rule.id in actions]
    return Decision(
        action=strictest_action,
        rules=tuple(rule.id for rule in in_order),
        findings=tuple(findings),
        policy=policy.digest,
        failed=tuple(dict.fromkeys(detector for detector, _ in failed)),
        message=_message(policy, in_order, actions) if strictest_action is Action.BLOCK else "",
        retry_after=retry_after if found < strictest_action is Action.BLOCK else 0.0,
    )


def redactions(fired_rules: Fired) -> tuple[Redaction, ...]:
    """Return what every fired redact rule asks for; it holds for whatever leaves or is stored, under a block too."""
    return tuple(
        Redaction(finding.location, finding.span, rule.redact, finding.category)
        for rule, found in fired_rules
        if rule.action is Action.REDACT
        for finding in found
    )


def strictest(first: Redactor, second: Redactor) -> Redactor:
    """Return the redactor that tells less: label before mask before hash; of two masks, the one that keeps less.

    Presidio's operators rank among them: `redact` and `replace` with labels, `mask` with masks, `hash` with hashes; `encrypt`
    comes last, because it keeps everything for whoever has the key. The order of the two makes no difference.
    """
    return min(first, second, key=_telling)


def _telling(redactor: Redactor) -> tuple[int, int, str, str, str, str]:
    """Return what sorts redactors by how much they tell; redactors that differ differ here too."""
    how = redactor.operator or redactor.kind
    params = dict(redactor.params)
    kept = _MUCH - int(params["chars_to_mask"]) if "chars_to_mask" in params else redactor.keep
    return _STRICTNESS[how], kept, redactor.kind, redactor.label, repr((how, redactor.params)), redactor.key_env


_STRICTNESS = {"label": 0, "redact": 0, "replace": 0, "mask": 1, "hash": 2, "encrypt": 3}
_MUCH = 1_000_000
"""A mask that hides a number of characters, however many, may keep more than one that keeps a number of them."""


def _without_exceptions(rule: Rule, found: Sequence[Finding], exceptions: Sequence[tuple[Rule, Finding]]) -> tuple[Finding, ...]:
    taking = [exception for allowing, exception in exceptions if rule.id in allowing.overrides]
    return tuple(finding for finding in found if not any(_covers(exception, finding) for exception in taking))


def _covers(exception: Finding, finding: Finding) -> bool:
    if exception.location != finding.location:
        return False
    if exception.span is None:
        return True
    return finding.span is not None and exception.span.start <= finding.span.start and finding.span.end <= exception.span.end


def _message(policy: Policy, in_order: Sequence[Rule], actions: dict[str, Action]) -> str:
    blocking = (rule.message for rule in in_order if actions[rule.id] is Action.BLOCK)
    return next(blocking, "") or policy.message
