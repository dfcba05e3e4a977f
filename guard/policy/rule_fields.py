"""Turn a rule's merged fields into a `Rule`, and check what no single field tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guard import categories
from guard.errors import Problem
from guard.policy.conditions import BadCondition, CelCondition, Fault, compile_condition
from guard.policy.merge import Draft, Merged, is_true, items, members, without_invalid, word
from guard.policy.model import DetectorConfig, Kind, Rule, reported
from guard.policy.node import Node, quoted
from guard.policy.redactors import check_redactor, redactor
from guard.policy.schema import ONLY_WITH_ACTIONS, ROLE_WORDS, RULE, default_roles
from guard.policy.shapes import did_you_mean
from guard.values import Action, Role, Stage


@dataclass(frozen=True, slots=True)
class RuleBuilder:
    """Builds the rules of one policy.

    Attributes:
        detectors: Those whose options are right.
        own: Categories of the policy's own.
        problems: Grows.
    """

    merged: Merged
    detectors: Mapping[str, DetectorConfig]
    kinds: Mapping[str, Kind]
    own: Sequence[str]
    problems: list[Problem]

    def build(self, draft: Draft) -> Rule | None:
        """Return the rule, or None where too much of it is missing."""
        condition = self._condition(draft)
        self._check_references(draft)
        self._check_combinations(draft, condition)
        missing = [name for name in ("detect", "category", "action") if name not in draft.fields]
        for name in missing:
            self.problems.append(draft.node.problem(f"the key `{name}`", "none", RULE.fields[name].summary))
        given = {name: node.plain for name, node in without_invalid(draft.fields)}
        if not all(name in given for name in ("detect", "category", "action")):
            return None
        defaults = {name: node.plain for name, node in without_invalid(members(draft.layer.fields.get("defaults")))}
        return _rule(draft.id, given, defaults, condition, self.merged.disabled - self.merged.rules.keys())

    def _check_references(self, draft: Draft) -> None:
        fields = draft.fields
        principle = word(fields, "principle")
        if principle and principle not in self.merged.principles:
            self._unknown(fields["principle"], "the id of a principle", self.merged.principles)
        for node in items(fields.get("detect")):
            if isinstance(node.value, str) and node.value not in self.merged.detectors:
                hint = f"declare it: `detectors: {{{node.value}: {{use: {node.value}}}}}`" if node.value in self.kinds else ""
                self._unknown(node, "the name of a detector in `detectors`", self.merged.detectors, hint)
        for node in items(fields.get("category")):
            if isinstance(node.value, str) and not self._is_category(node.value, draft):
                known = {name: None for name in (*sorted(categories.KNOWN), *self.own)}
                groups = {f"{categories.group(name)}/*": None for name in known}
                self._unknown(node, "a known category", {**known, **groups}, "list your own under `categories`")
        for node in items(fields.get("overrides")):
            self._check_exception(draft, node)

    def _unknown(self, node: Node, expected: str, known: Mapping[str, object], otherwise: str = "") -> None:
        hint = did_you_mean(str(node.value), known) or otherwise
        self.problems.append(node.problem(expected, hint=hint or (f"known: {', '.join(known)}" if known else "")))

    def _is_category(self, pattern: str, draft: Draft) -> bool:
        if categories.is_known(pattern, self.own):
            return True
        named = [str(node.value) for node in items(draft.fields.get("detect")) if node.value in self.detectors]
        return any(
            categories.matches(pattern, category) for name in named for category in reported(name, self.detectors, self.kinds)
        )

    def _check_exception(self, draft: Draft, node: Node) -> None:
        """Check one entry of `overrides`: only the file that locks a rule may make an exception to it."""
        name = str(node.value)
        target = self.merged.rules.get(name)
        if target is None:
            if isinstance(node.value, str) and name not in self.merged.disabled:
                others = {other: None for other in self.merged.rules if other != draft.id}
                self._unknown(node, "the id of another rule", others)
        elif target is draft or word(target.fields, "action") == "allow":
            self.problems.append(node.problem("a rule above `allow`"))
        elif is_true(target.fields, "locked") and node.where != target.layer.document.where:
            got = f"{quoted(name)}, locked in {target.layer.document.where}"
            self.problems.append(node.problem("a rule that is not locked", got))

    def _check_combinations(self, draft: Draft, condition: CelCondition | None) -> None:
        fields, problems = draft.fields, self.problems
        action = word(fields, "action")
        if action == "allow" and "overrides" not in fields:
            problems.append(
                draft.node.problem("the key `overrides` with `action: allow`", "none", RULE.fields["overrides"].summary)
            )
        if action == "allow" and condition is not None and condition.headers:
            got = f"one that reads {quoted(condition.headers[0])}"
            hint = "a header that a client sets may tighten a policy, never loosen it"
            problems.append(fields["when"].problem("for `allow`, a condition that reads no header", got, hint))
        for name, actions in ONLY_WITH_ACTIONS.items():
            if name in fields and action and action not in actions:
                hint = f"leave `{name}` out, or change the action"
                problems.append(
                    draft.keys.get(name, fields[name]).problem(f"`{name}` only with {actions[0]}", f"action {action}", hint)
                )
        check_redactor(fields.get("redact"), problems)

    def _condition(self, draft: Draft) -> CelCondition | None:
        node = draft.fields.get("when")
        if node is None or not isinstance(node.value, str):
            return None
        try:
            return compile_condition(node.value)
        except BadCondition as error:
            self.problems.extend(_placed(fault, node) for fault in error.faults)
            return None


def _placed(fault: Fault, node: Node) -> Problem:
    """Return the problem at the fault's place in the file, as far as the text stands there as it reads."""
    line, column = node.line, node.column
    if node.text_at is not None:
        line, column = node.text_at[0] + fault.line - 1, node.text_at[1] + fault.column - 1
    return Problem(node.where, line, column, node.path, fault.expected, fault.got, fault.hint)


def _rule(name: str, given: dict[str, Any], defaults: dict[str, Any], condition: CelCondition | None, gone: set[str]) -> Rule:
    action = Action[given["action"].upper()]
    roles = frozenset[Role]().union(*(ROLE_WORDS[role] for role in given["roles"])) if "roles" in given else None
    on_error = Action[given.get("on_error", defaults.get("on_error", "block")).upper()]
    return Rule(
        id=name,
        on=frozenset(Stage(stage) for stage in given.get("on", ("input", "output"))),
        detect=tuple(given["detect"]),
        category=tuple(given["category"]),
        action=action,
        threshold=float(given.get("threshold", defaults.get("threshold", 0.5))),
        roles=roles if roles is not None else default_roles(given["category"]),
        principle=given.get("principle", ""),
        message=given.get("message", defaults.get("message", "")),
        redact=redactor(given.get("redact", {})),
        when=condition,
        turns=given.get("turns", "all"),
        overrides=tuple(rule for rule in given.get("overrides", ()) if rule not in gone),
        on_error=on_error if action > Action.FLAG else action,
        locked=given.get("locked", False),
        reason=given.get("reason", ""),
    )
