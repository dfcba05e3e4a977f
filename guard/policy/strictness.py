"""Whether one policy is at least as strict as another: whatever the other blocks, changes or flags, it does too.

Compared is what the two come to, and not how they are written: a policy that extends another and only adds rules, or tightens
some, is at least as strict. What cannot be told for certain counts as looser. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from guard import categories
from guard.policy.model import TURNS, Limits, Policy, Redactor, Routes, Rule
from guard.values import Action

_RELEASES = ("optimistic", "judged", "whole")
"""From the loosest to the strictest."""


def looser(policy: Policy, than: Policy) -> Iterator[str]:
    """Yield each way in which `policy` may let something through that `than` does not; nothing where it is as strict."""
    if policy.digest and policy.digest == than.digest:
        return
    own = {rule.id: rule for rule in policy.rules}
    for base in than.rules:
        if base.action is not Action.ALLOW:
            yield from (f"the rule `{base.id}` {how}" for how in _looser_rule(own.get(base.id), base))
    before = {rule.id: rule for rule in than.rules}
    for rule in policy.rules:
        if rule.action is Action.ALLOW and not _same(rule, before.get(rule.id)):
            yield f"the exception `{rule.id}` is new, or another one"
    for name, config in than.detectors.items():
        if policy.detectors.get(name) != config:
            yield f"the detector `{name}` is another one, or not there"
    for principle in than.principles:
        if principle not in policy.principles:
            yield f"the principle `{principle.id}` is another one, or not there"
    yield from _settings(policy, than)


def _looser_rule(rule: Rule | None, base: Rule) -> Iterator[str]:
    """Yield in what way a rule fires on less than another one, or does less."""
    if rule is None:
        yield "is not there"
        return
    if rule.action < base.action:
        yield f"does {rule.action.word}, not {base.action.word}"
    if not (rule.on >= base.on and rule.roles >= base.roles and set(TURNS[rule.turns]) >= set(TURNS[base.turns])):
        yield "reads fewer texts"
    if not set(rule.detect) >= set(base.detect):
        yield "reads fewer detectors"
    if not all(_covered(pattern, rule.category) for pattern in base.category):
        yield "reads fewer categories"
    if not _fires_as_soon(rule, base):
        yield "has a higher threshold"
    if not _holds_as_often(rule, base):
        yield "holds less often"
    if rule.logic != base.logic:
        yield "asks something else of its detectors"
    if rule.on_error < base.on_error:
        yield f"does {rule.on_error.word} when a detector fails, not {base.on_error.word}"
    if rule.action is base.action is Action.REDACT and rule.redact not in (base.redact, Redactor()):
        yield "redacts in another way"


def _covered(pattern: str, patterns: tuple[str, ...]) -> bool:
    return pattern in patterns or any(
        categories.matches(other, pattern) for other in patterns if other.endswith("/*") and not pattern.endswith("/*")
    )


def _fires_as_soon(rule: Rule, base: Rule) -> bool:
    same = (rule.thresholds, rule.by_language) == (base.thresholds, base.by_language)
    if same:
        return rule.threshold <= base.threshold
    every = [base.threshold, *(threshold for _, threshold in (*base.thresholds, *base.by_language))]
    return not rule.thresholds and not rule.by_language and rule.threshold <= min(every)


def _holds_as_often(rule: Rule, base: Rule) -> bool:
    return (
        (rule.when is None or _condition(rule) == _condition(base))
        and (rule.schedule is None or rule.schedule == base.schedule)
        and (rule.count is None or rule.count == base.count)
        and rule.sample >= base.sample
    )


def _same(rule: Rule, other: Rule | None) -> bool:
    return other is not None and _condition(rule) == _condition(other) and replace(rule, when=None) == replace(other, when=None)


def _condition(rule: Rule) -> str:
    return rule.when.source if rule.when is not None else ""


def _settings(policy: Policy, than: Policy) -> Iterator[str]:
    for name in Limits.__dataclass_fields__:
        if getattr(policy.limits, name) > getattr(than.limits, name):
            yield f"`limits.{name}` is higher"
    yield from (f"`routes.{name}` lets more through" for name in _routes(policy.routes, than.routes))
    if _RELEASES.index(policy.release) < _RELEASES.index(than.release):
        yield f"`defaults.release` is {policy.release}, not {than.release}"
    if policy.timeout < than.timeout:
        yield "`defaults.timeout` is shorter"
    if policy.store != than.store:
        yield "`store` is another one"
    if than.constitution and policy.constitution != than.constitution:
        yield f"`constitution` is not {than.constitution}"


def _routes(routes: Routes, than: Routes) -> Iterator[str]:
    """Yield the names of what lets more through; described routes must be the same ones, as they say what is read."""
    as_strict: Mapping[str, bool] = {
        "unknown": routes.unknown in (than.unknown, "reject"),
        "allow": set(routes.allow) <= set(than.allow),
        "mapped": set(routes.mapped) == set(than.mapped),
        "speculate": set(routes.speculate) <= set(than.speculate),
        "media": routes.media in (than.media, "reject") or than.media == "pass",
    }
    yield from (name for name, holds in as_strict.items() if not holds)
