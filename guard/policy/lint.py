"""What is wrong, doubtful or worth knowing about a policy that loads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from guard import categories
from guard.policy.conditions import CelCondition
from guard.policy.firing import conditions, never_asked, seldom, shadowed, taken_out, thresholds
from guard.policy.kinds import Kind
from guard.policy.logic import leaves
from guard.policy.model import DetectorConfig, Policy, Rule, reported
from guard.policy.remarks import Level, Remark
from guard.policy.shapes import listed
from guard.policy.speculation import rules_against_speculation
from guard.values import Action, Exchange, Stage

__all__ = ["Level", "Remark", "lint"]


def lint(policy: Policy, kinds: Mapping[str, Kind]) -> list[Remark]:
    """Return remarks on a loaded policy, the gravest first.

    Args:
        policy: As `load` gave it.
        kinds: Those it was loaded with.
    """
    remarks = [remark for check in _CHECKS for remark in check(policy, kinds)]
    return sorted(remarks, key=lambda remark: (list(Level).index(remark.level), remark.code))


def _reports(rule: Rule, policy: Policy, kinds: Mapping[str, Kind]) -> set[str]:
    """Return the kinds of detector, of those that the rule reads, that can report one of its categories."""
    return {
        policy.detectors[name].use
        for name in rule.detect
        if any(_hits(rule, category) for category in reported(name, policy.detectors, kinds))
    }


def _hits(rule: Rule, category: str) -> bool:
    return any(categories.matches(pattern, category) for pattern in rule.category)


def _unreachable_categories(policy: Policy, kinds: Mapping[str, Kind]) -> Iterator[Remark]:
    for rule, detect, patterns in _readings(policy):
        found = [category for name in detect for category in reported(name, policy.detectors, kinds)]
        for pattern in patterns:
            if not any(categories.matches(pattern, name) for name in found):
                level = Level.ERROR if rule.action > Action.FLAG else Level.WARNING
                message = f"no detector that it reads can report `{pattern}`"
                yield Remark(level, "L001", rule.id, message, f"they report {listed(dict.fromkeys(found))}" if found else "")


def _readings(policy: Policy) -> Iterator[tuple[Rule, tuple[str, ...], tuple[str, ...]]]:
    """Yield each rule, or each of its clauses, with the detectors and the categories that it reads."""
    for rule in policy.rules:
        if rule.logic is None:
            yield rule, rule.detect, rule.category
        else:
            yield from ((rule, leaf.detect, leaf.category) for leaf in leaves(rule.logic))


def _redaction_without_spans(policy: Policy, kinds: Mapping[str, Kind]) -> Iterator[Remark]:
    for rule in policy.rules:
        vague = [use for use in sorted(_reports(rule, policy, kinds)) if not kinds[use].spans]
        if rule.action is Action.REDACT and vague:
            message = f"it redacts what `{vague[0]}` finds, which does not say where: whole passages go"
            yield Remark(Level.ERROR, "L002", rule.id, message, "use block, or a detector that gives spans")


def _unused(policy: Policy, kinds: Mapping[str, Kind]) -> Iterator[Remark]:
    served = {rule.principle for rule in policy.rules}
    judged = {text for config in policy.detectors.values() for text in _principles(config, kinds)}
    for principle in policy.principles:
        if principle.id not in served and principle.text not in judged:
            hint = "name it in a rule's `principle`; it still guides critique and training"
            yield Remark(Level.INFO, "L006", principle.id, "no rule serves this principle", hint)
    read = {name for rule in policy.rules for name in rule.detect}
    read |= {other for config in policy.detectors.values() for other in kinds[config.use].refers(config.options)}
    for name in policy.detectors:
        if name not in read:
            yield Remark(Level.WARNING, "L007", name, "no rule reads this detector", "leave it out")


def _principles(config: DetectorConfig, kinds: Mapping[str, Kind]) -> list[str]:
    """Return the prose of the principles that a detector judges by."""
    named = [name for name, option in kinds[config.use].options.items() if option.principles and name in config.options]
    return [text for name in named for text in config.options[name]]


def _fails_open(policy: Policy, _kinds: Mapping[str, Kind]) -> Iterator[Remark]:
    if policy.release == "optimistic":
        message = "streams are released before they are judged; a violation is cut off, not prevented"
        yield Remark(Level.WARNING, "L008", "", message, "set `defaults.release` to judged")
    for rule in policy.rules:
        if rule.action > Action.FLAG and rule.on_error < Action.BLOCK:
            message = f"texts pass when its detector fails (`on_error: {rule.on_error.word}`)"
            yield Remark(Level.WARNING, "L009", rule.id, message, "set `on_error` to block")
        if rule.action > Action.FLAG and isinstance(rule.when, CelCondition) and _switched_off(rule, rule.when):
            by = listed(rule.when.set_by_clients)
            message = (
                f"a client can switch it off by a header ({by})" if rule.when.headers else f"a client can switch it off by {by}"
            )
            yield Remark(Level.WARNING, "L010", rule.id, message, "let the condition hold only where that is set")


def _switched_off(rule: Rule, condition: CelCondition) -> bool:
    """Return whether the rule applies to requests without headers, so that only a header can make it not apply."""
    return bool(condition.set_by_clients) and any(condition.holds(stage, Exchange("")) for stage in rule.on)


def _cost_to_streams(policy: Policy, kinds: Mapping[str, Kind]) -> Iterator[Remark]:
    reading = [rule for rule in policy.rules if Stage.OUTPUT in rule.on]
    for rule in reading:
        if rule.action is Action.ALLOW:
            yield Remark(Level.INFO, "L020", rule.id, "an exception: streams that it may apply to are released whole")
        elif rule.action is Action.REVISE:
            yield Remark(Level.INFO, "L020", rule.id, "it rewrites: streams that it may apply to are released whole")
        elif rule.late and rule.action > Action.FLAG:
            message = "it looks at all findings together: streams that it may apply to are released whole"
            yield Remark(Level.INFO, "L020", rule.id, message)
    for name, config in policy.detectors.items():
        rules = [rule.id for rule in reading if name in rule.detect and rule.action > Action.FLAG]
        reach = kinds[config.use].reach
        if rules and reach == "whole":
            yield Remark(Level.INFO, "L021", name, f"it judges whole texts, so streams are released whole, for {_and(rules)}")
        elif rules and reach not in ("pattern", "media") and policy.release == "judged":
            yield Remark(Level.INFO, "L022", name, f"streams are held until its windows are judged, for {_and(rules)}")


def _media(policy: Policy, kinds: Mapping[str, Kind]) -> Iterator[Remark]:
    looking = [name for name, config in policy.detectors.items() if kinds[config.use].reach == "media"]
    judged = any(name in rule.detect for rule in policy.rules for name in looking)
    if not judged and policy.routes.media == "judge":
        message = "no rule reads a detector of images, so every image, sound and file is rejected"
        yield Remark(Level.WARNING, "L024", "", message, "add a detector `use: image`, or say `reject`")
    elif not judged and policy.routes.media != "reject":
        message = "images, sounds and files pass unjudged: no rule reads a detector of images"
        yield Remark(Level.INFO, "L023", "", message, "add a detector `use: image`, or set `routes.media` to reject")
    elif judged and policy.routes.media == "pass":
        message = "images that are only named by an address, sounds and files pass unjudged"
        yield Remark(Level.WARNING, "L023", "", message, "leave `routes.media` out")


def _speculation(policy: Policy, _kinds: Mapping[str, Kind]) -> Iterator[Remark]:
    against = [rule.id for rule in rules_against_speculation(policy)]
    wanted = bool(policy.routes.speculate)
    if against:
        message = f"no route speculates, because more than the client is protected by {_and(against)}"
        level = Level.ERROR if wanted else Level.INFO
        yield Remark(level, "L030", "", message, "leave `routes.speculate` out" if wanted else "")


def _and(names: list[str]) -> str:
    return listed([f"`{name}`" for name in names]).replace(" or ", " and ")


def _untested(policy: Policy, _kinds: Mapping[str, Kind]) -> Iterator[Remark]:
    if policy.sources:
        path = Path(policy.sources[-1])
        if not path.with_name(f"{path.stem}_test.yaml").is_file():
            yield Remark(
                Level.WARNING, "L040", "", f"no {path.stem}_test.yaml beside it", "write tests and run `guard policy test`"
            )


_CHECKS = (
    _unreachable_categories,
    _redaction_without_spans,
    never_asked,
    thresholds,
    conditions,
    seldom,
    shadowed,
    taken_out,
    _unused,
    _fails_open,
    _cost_to_streams,
    _media,
    _speculation,
    _untested,
)
