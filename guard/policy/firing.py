"""Rules that fire never, always, or never alone: what lint finds by comparing rules with each other and with their detectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from guard import categories
from guard.policy.conditions import CelCondition
from guard.policy.decide import strictest
from guard.policy.kinds import Kind, Scores
from guard.policy.model import TURNS, Policy, Rule
from guard.policy.remarks import Level, Remark
from guard.policy.shapes import listed
from guard.values import Action, Exchange, Role, Stage

_ROLES_OF: Mapping[Stage, frozenset[Role]] = {
    Stage.INPUT: frozenset(Role),
    Stage.OUTPUT: frozenset({Role.ASSISTANT, Role.TOOL_CALL}),
}


def never_asked(policy: Policy, _kinds: Mapping[str, Kind]) -> Iterator[Remark]:
    """Yield a remark for each rule that reads nobody who speaks at its stage."""
    for rule in policy.rules:
        if all(rule.roles.isdisjoint(_ROLES_OF[stage]) for stage in rule.on):
            roles = listed(sorted(rule.roles))
            message = f"it never fires: no text of its stage is written by {roles}"
            yield Remark(Level.ERROR, "L003", rule.id, message, "name the `roles` that it reads")


def thresholds(policy: Policy, kinds: Mapping[str, Kind]) -> Iterator[Remark]:
    """Yield a remark for each threshold that every score of the rule's detectors reaches, or none."""
    for rule in policy.rules:
        if rule.logic is not None or rule.thresholds or rule.by_language or not rule.detect:
            continue
        scores = {name: _scores(name, policy, kinds) for name in rule.detect}
        grave = Level.ERROR if rule.action > Action.FLAG else Level.WARNING
        graded = [name for name, each in scores.items() if each.graded]
        if rule.threshold == 0:
            yield Remark(grave, "L004", rule.id, "its threshold is 0: every score reaches it", "raise the threshold")
        elif len(graded) == len(scores) and all(rule.threshold <= each.lowest for each in scores.values()):
            lowest = min(each.lowest for each in scores.values())
            message = f"every score reaches its threshold of {rule.threshold:g}: none below {lowest:g} is reported"
            yield Remark(Level.WARNING, "L004", rule.id, message, "raise the threshold")
        elif all(each.highest < rule.threshold for each in scores.values()):
            highest = max(each.highest for each in scores.values())
            message = f"it never fires: no score reaches its threshold of {rule.threshold:g}, the highest is {highest:g}"
            yield Remark(grave, "L013", rule.id, message, "lower the threshold")
        elif rule.threshold == 1 and graded:
            message = f"a score of 1 is hardly ever reached by `{graded[0]}`, which measures by a model"
            yield Remark(Level.WARNING, "L013", rule.id, message, "lower the threshold")


def conditions(policy: Policy, _kinds: Mapping[str, Kind]) -> Iterator[Remark]:
    """Yield a remark for each condition that reads nothing but the stage and has the same value at each of the rule's."""
    for rule in policy.rules:
        if not isinstance(rule.when, CelCondition) or rule.when.variables - {"stage"}:
            continue
        values = {rule.when.holds(stage, Exchange("")) for stage in rule.on}
        if values == {False}:
            level = Level.ERROR if rule.action > Action.FLAG else Level.WARNING
            yield Remark(level, "L012", rule.id, "it never fires: its condition never holds", "change `when` or `on`")
        elif values == {True}:
            yield Remark(Level.WARNING, "L012", rule.id, "its condition always holds", "leave `when` out")


def shadowed(policy: Policy, _kinds: Mapping[str, Kind]) -> Iterator[Remark]:
    """Yield a remark for each rule that another one makes needless."""
    for index, rule in enumerate(policy.rules):
        for place, other in enumerate(policy.rules):
            if place == index or not _covers(other, rule):
                continue
            if other.action > rule.action or not _covers(rule, other) or place < index:
                message = f"whatever it fires on makes `{other.id}` ({other.action.word}) fire too"
                yield Remark(Level.WARNING, "L005", rule.id, message, "leave one of the two out")
                break


def taken_out(policy: Policy, _kinds: Mapping[str, Kind]) -> Iterator[Remark]:
    """Yield a remark for each rule to which an exception leaves nothing."""
    for rule in policy.rules:
        for exception in policy.rules:
            if exception.action is Action.ALLOW and rule.id in exception.overrides and _fires_with(exception, rule):
                message = f"it never fires: the exception `{exception.id}` takes out whatever it finds"
                yield Remark(Level.WARNING, "L011", rule.id, message, "narrow the exception, or leave the rule out")
                break


def seldom(policy: Policy, _kinds: Mapping[str, Kind]) -> Iterator[Remark]:
    """Yield a remark for each rule that acts on a share of the exchanges only, or whose time is over."""
    for rule in policy.rules:
        if rule.sample < 1 and rule.action > Action.FLAG:
            message = f"it acts on {rule.sample:.4g} of the exchanges only (`sample`)"
            yield Remark(Level.WARNING, "L014", rule.id, message, "leave `sample` out, or use flag")
        if rule.schedule is not None and rule.schedule.ends is not None and rule.schedule.ends <= datetime.now(UTC):
            message = f"it never fires any more: its time ended on {rule.schedule.ends:%Y-%m-%d}"
            yield Remark(Level.WARNING, "L015", rule.id, message, "leave the rule out, or move `until`")


def _scores(name: str, policy: Policy, kinds: Mapping[str, Kind]) -> Scores:
    config = policy.detectors[name]
    return kinds[config.use].scores(config.options)


def _covers(wider: Rule, rule: Rule) -> bool:
    """Return whether `wider` fires wherever `rule` does, and does all that `rule` does."""
    return (
        _fires_with(wider, rule)
        and _does_as_much(wider, rule)
        and wider.on_error >= rule.on_error
        and rule.principle in ("", wider.principle)
    )


def _does_as_much(wider: Rule, rule: Rule) -> bool:
    """Return whether an action leaves nothing to do for another: a redaction is applied even beside a block."""
    if Action.ALLOW in (wider.action, rule.action):
        return wider.action is rule.action and set(wider.overrides) >= set(rule.overrides)
    if rule.action is Action.REDACT:
        return wider.action is Action.REDACT and strictest(wider.redact, rule.redact) == wider.redact
    return wider.action >= rule.action and (wider.message == rule.message or rule.action < Action.BLOCK)


def _fires_with(wider: Rule, rule: Rule) -> bool:
    """Return whether whatever makes `rule` fire makes `wider` fire too."""
    return (
        wider.logic is None
        and rule.logic is None
        and bool(rule.detect)
        and wider.schedule in (None, rule.schedule)
        and (wider.sample == 1 or (wider.id == rule.id and wider.sample >= rule.sample))
        and wider.count in (None, rule.count)
        and wider.by_language in ((), rule.by_language)
        and (wider.when is None or (rule.when is not None and wider.when.source == rule.when.source))
        and wider.on >= rule.on
        and wider.roles >= rule.roles
        and set(wider.detect) >= set(rule.detect)
        and all(any(_includes(pattern, other) for pattern in wider.category) for other in rule.category)
        and all(wider.threshold_of(name) <= _least(rule, name) for name in (*rule.category, *dict(wider.thresholds)))
        and set(TURNS[wider.turns]) >= set(TURNS[rule.turns])
    )


def _least(rule: Rule, category: str) -> float:
    """Return the lowest score with which a rule may fire on a category."""
    return min([rule.threshold_of(category), *(least for _, least in rule.by_language)])


def _includes(pattern: str, other: str) -> bool:
    return pattern == other or (not other.endswith("/*") and categories.matches(pattern, other))
