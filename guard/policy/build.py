"""Give meaning to a merged policy: references looked up, options checked, conditions compiled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from guard.errors import Problem
from guard.policy.detector_options import build_detector, check_references, with_principles
from guard.policy.kinds import Kind
from guard.policy.merge import Draft, Fields, Merged, members, without_invalid
from guard.policy.messages import Message, check_message, helplines_of, message_of
from guard.policy.model import USUAL_MESSAGE, Limits, Mapped, Policy, Principle, Routes, Rule, StoreSettings
from guard.policy.node import Node
from guard.policy.rule_fields import RuleBuilder
from guard.policy.templates import filled
from guard.values import Action


def build(merged: Merged, kinds: Mapping[str, Kind], problems: list[Problem]) -> Policy:
    """Return the policy without its name, sources and digest; it is only to be used where `problems` stays empty."""
    built = [build_detector(draft, kinds, problems) for draft in merged.detectors.values()]
    principles = {draft.id: _principle(draft) for draft in merged.principles.values()}
    detectors = {
        config.name: with_principles(config, merged.detectors[config.name], kinds, principles, problems)
        for config in built
        if config is not None
    }
    problems.extend(check_references(detectors, merged.detectors, kinds))
    own = tuple(dict.fromkeys(node.value for node in merged.categories if isinstance(node.value, str)))
    helplines = helplines_of(merged.helplines)
    builder = RuleBuilder(merged, detectors, kinds, own, helplines, problems)
    for node in merged.messages:
        check_message(node, helplines, problems)
    said = message_of(merged.settings.get("defaults", {}).get("message"), helplines)
    rules = [_speaking(rule, said) for draft in merged.rules.values() if (rule := builder.build(draft)) is not None]
    return Policy(
        name="",
        rules=tuple(rules),
        detectors=detectors,
        principles=tuple(principles.values()),
        routes=_routes(merged),
        limits=Limits(**_plain(merged.settings.get("limits", {}))),
        store=StoreSettings(**_plain(merged.settings.get("store", {}))),
        categories=own,
        messages=said.localised,
        constitution=_constitution(merged, problems),
        counts=any(rule.count is not None for rule in rules),
        message=filled(said.text, {}) if said.text else USUAL_MESSAGE,
        **_policy_defaults(merged.settings.get("defaults", {})),
    )


def _constitution(merged: Merged, problems: list[Problem]) -> str:
    """Return where the upstream is told the principles; that there are any is checked."""
    node = merged.constitution
    if node is None or not isinstance(node.value, str):
        return ""
    if not merged.principles:
        problems.append(node.problem("`principles` in the policy, with `constitution`", "none"))
    return node.value


def _speaking(rule: Rule, said: Message) -> Rule:
    """Return a rule without a message of its own with the policy's, where that differs from exchange to exchange."""
    if rule.message or rule.action < Action.REVISE or not (said.localised or "{" in said.text):
        return rule
    return replace(rule, message=said.text, messages=said.localised)


def _principle(draft: Draft) -> Principle:
    return Principle(**{"text": "", **_plain(draft.fields)})


def _policy_defaults(defaults: Fields) -> dict[str, Any]:
    given = _plain(defaults)
    if "timeout" in given:
        given["timeout"] = float(given["timeout"])
    return {name: given[name] for name in ("refusal", "release", "timeout") if name in given}


def _routes(merged: Merged) -> Routes:
    given = _plain(merged.settings.get("routes", {}))
    lists = {name: tuple(given[name]) for name in ("allow", "speculate") if name in given}
    return Routes(
        unknown=given.get("unknown", ""),
        media=given.get("media", ""),
        mapped=tuple(map(_mapped, merged.mapped.values())),
        **lists,
    )


def _mapped(node: Node) -> Mapped:
    given = {"path": "", "input": (), "output": (), "media": (), **_plain(members(node))}
    return Mapped(**{**given, **{name: tuple(given[name]) for name in ("input", "output", "media")}})


def _plain(fields: Fields) -> dict[str, Any]:
    return {name: node.plain for name, node in without_invalid(fields)}
