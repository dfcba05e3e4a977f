"""Decide what happens to an exchange, given what the detectors found.

Pure functions over values: no clock, no network, no model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from guard.policy.logic import holds, wanted
from guard.policy.model import Policy, Redactor, Rule
from guard.policy.templates import filled
from guard.values import Action, Decision, Finding, Location, Role, Span

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


def fired(rules: Sequence[Rule], findings: Sequence[Finding]) -> Fired:
    """Return the rules that fire, exceptions taken out.

    An `allow` rule takes out a finding for exactly the rules in its `overrides`, where what it matched covers the finding: at the
    same location, and around its span. Without a span, a finding is the whole text at its location. An `allow` rule that matched
    is itself among those that fired. What is left to a rule with clauses has to fulfil them; one that counts fires with what the
    rules found that it counts.
    """
    if not findings:
        return tuple((rule, ()) for rule in rules if rule.stands)
    hits = ((rule, tuple(finding for finding in findings if rule.matches(finding))) for rule in rules)
    matched = tuple((rule, found) for rule, found in hits if found or rule.late or rule.stands)
    exceptions = [
        (rule, finding)
        for rule, found in matched
        if rule.action is Action.ALLOW
        for finding in (found if rule.logic is None else _fulfilling(rule, found))
    ]
    if exceptions:
        matched = tuple((rule, _without_exceptions(rule, found, exceptions)) for rule, found in matched)
    if any(rule.late for rule, _ in matched):
        matched = _together(matched)
    return tuple((rule, found) for rule, found in matched if found or rule.stands)


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
        rules: The active ones (see `guard.policy.applying`), in the policy's order.
        findings: All of them; they are kept in the decision.
        failed: Detectors that gave no verdict, each with the role of the words that it was shown. Every rule above `flag` that
            reads them does what its `on_error` says.
        retry_after: Seconds after which the failed ones are worth asking again, if they say so; else 0.

    Returns:
        The strictest action of the rules that fired, after exceptions, with the ids of those rules in the policy's order. The
        message is that of the first of the strictest rules, and only there where the action is block.
    """
    if not findings and not failed and not (policy.counts and any(rule.stands for rule in rules)):
        return Decision(policy=policy.digest)
    firing = fired(rules, findings)
    actions = {rule.id: rule.action for rule, _ in firing}
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
        message=_message(policy, in_order, actions, firing) if strictest_action is Action.BLOCK else "",
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
    """Return the redactor that tells less: label before mask and fake before hash; of two masks, the one that keeps less.

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


_STRICTNESS = {"label": 0, "redact": 0, "replace": 0, "mask": 1, "fake": 1, "hash": 2, "encrypt": 3}
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


def refusal_by(policy: Policy, rule: Rule, found: Sequence[Finding]) -> str:
    """Return what a client is told where a rule refuses: its message, else the policy's, with its fields filled."""
    text = rule.message or policy.message
    if "{" not in rule.message:
        return text
    category = found[0].category if found else next(iter(rule.category), "")
    return filled(text, {"category": category, "rule": rule.id, "policy": policy.name, "principle": rule.principle})


def _together(matched: Fired) -> Fired:
    """Return what is left of rules that no single finding fires: clauses fulfilled, counted rules fired."""
    settled = {
        rule.id: _fulfilling(rule, found) if rule.logic is not None else found
        for rule, found in matched
        if rule.logic is not None or not rule.late
    }
    return tuple((rule, settled[rule.id] if rule.id in settled else _counted(rule, settled)) for rule, _ in matched)


def _fulfilling(rule: Rule, found: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings that fulfil a rule's clauses; none where they don't."""
    if rule.logic is None or not holds(rule.logic, found):
        return ()
    asked_for = tuple(wanted(rule.logic))
    return tuple(finding for finding in found if any(leaf.matches(finding) for leaf in asked_for))


def _counted(rule: Rule, settled: Mapping[str, tuple[Finding, ...]]) -> tuple[Finding, ...]:
    """Return what was found by the rules that this one counts."""
    names = rule.count.rules if rule.count is not None else ()
    return tuple(dict.fromkeys(finding for name in names for finding in settled.get(name, ())))


def _message(policy: Policy, in_order: Sequence[Rule], actions: Mapping[str, Action], firing: Fired) -> str:
    """Return the message of the first blocking rule that has one, else the policy's, with its fields filled."""
    blocking = [rule for rule in in_order if actions[rule.id] is Action.BLOCK]
    speaking = next((rule for rule in blocking if rule.message), blocking[0])
    return refusal_by(policy, speaking, next((found for rule, found in firing if rule.id == speaking.id), ()))
