"""Which rules hold for one exchange, and as what: conditions, schedules, samples, counts, languages worked out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from guard.policy.counting import Past
from guard.policy.locales import chosen
from guard.policy.model import Policy, Rule
from guard.policy.timing import in_sample
from guard.values import Exchange, Stage


def active_rules(policy: Policy, stage: Stage, exchange: Exchange, past: Sequence[Past] = ()) -> tuple[Rule, ...]:
    """Return the rules that hold for an exchange at a stage, in the policy's order, each as it holds there.

    Args:
        past: The conversation so far, oldest first, for rules that count and conditions that read earlier decisions.
    """
    applied = (_applied(rule, stage, exchange, past) if rule.conditional else rule for rule in policy.rules if stage in rule.on)
    return tuple(rule for rule in applied if rule is not None)


def _applied(rule: Rule, stage: Stage, exchange: Exchange, past: Sequence[Past]) -> Rule | None:
    """Return the rule for one exchange, or None where it does not hold."""
    if rule.schedule is not None and not rule.schedule.holds(exchange.at):
        return None
    if rule.sample < 1 and not in_sample(rule.id, exchange.id, rule.sample):
        return None
    changes: dict[str, Any] = {}
    if rule.count is not None:
        missing = rule.count.missing(past, exchange.id)
        if missing > 1 or (missing and rule.detect):
            return None
        changes["stands"] = not missing and not rule.detect
    if rule.when is not None and rule.when.reads_findings:
        changes["where"] = rule.when.bound(stage, exchange, past)
    elif rule.when is not None and not rule.when.holds(stage, exchange, past):
        return None
    if rule.by_language:
        changes["threshold"] = _threshold(rule, exchange.languages)
    if rule.messages:
        changes["message"] = chosen(rule.messages, exchange.headers.get("accept-language", ""), exchange.languages, rule.message)
    return replace(rule, **changes) if changes else rule


def _threshold(rule: Rule, languages: Sequence[str]) -> float:
    """Return the threshold for the languages of a conversation: the lowest where it is in several."""
    known = dict(rule.by_language)
    return min((known.get(language, rule.threshold) for language in languages), default=rule.threshold)
