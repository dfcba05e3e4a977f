"""Turn a rule's merged fields into a `Rule`, and check what no single field tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guard import categories
from guard.errors import Problem
from guard.policy.clauses import LOGIC, logic_of, readings
from guard.policy.conditions import BadCondition, CelCondition, Fault, compile_condition
from guard.policy.counting import Count
from guard.policy.kinds import Kind
from guard.policy.locales import Localised
from guard.policy.logic import Clause, leaves
from guard.policy.merge import Draft, Merged, is_true, items, members, without_invalid, word
from guard.policy.messages import Message, check_message, message_of
from guard.policy.model import DetectorConfig, Revise, Rule, reported
from guard.policy.node import Node, quoted
from guard.policy.redactors import check_redactor, redactor
from guard.policy.schema import INSTEAD_OF, ONLY_WITH_ACTIONS, ROLE_WORDS, RULE, SEVERITIES, default_roles
from guard.policy.shapes import did_you_mean
from guard.policy.timed import count_of, schedule_of
from guard.policy.timing import Schedule
from guard.values import Action, Role, Stage


@dataclass(frozen=True, slots=True)
class RuleBuilder:
    """Builds the rules of one policy.

    Attributes:
        detectors: Those whose options are right.
        own: Categories of the policy's own.
        helplines: Where to find help, by locale.
        problems: Grows.
    """

    merged: Merged
    detectors: Mapping[str, DetectorConfig]
    kinds: Mapping[str, Kind]
    own: Sequence[str]
    helplines: Localised
    problems: list[Problem]

    def build(self, draft: Draft) -> Rule | None:
        """Return the rule, or None where too much of it is missing."""
        condition = self._condition(draft)
        self._check_references(draft)
        self._check_combinations(draft, condition)
        self._check_condition(draft, condition)
        check_message(draft.fields.get("message"), self.helplines, self.problems)
        defaults = members(draft.layer.fields.get("defaults"))
        threshold = _threshold(draft.fields, defaults)
        parts = _Parts(
            condition,
            logic_of(draft.fields, threshold, self.problems),
            schedule_of(draft.fields.get("schedule"), self.problems),
            count_of(draft, self.merged.rules, self.merged.disabled, self.problems),
            message_of(draft.fields.get("message") or defaults.get("message"), self.helplines),
        )
        if self._missing(draft):
            return None
        given = {name: node.plain for name, node in without_invalid(draft.fields)}
        settings = {name: node.plain for name, node in without_invalid(defaults)}
        gone = self.merged.disabled - self.merged.rules.keys()
        return _rule(draft.id, given, settings, threshold, parts, gone) if "action" in given else None

    def _missing(self, draft: Draft) -> bool:
        """Report what a rule lacks; return whether it can't be built."""
        fields = draft.fields
        together = any(name in fields for name in LOGIC)
        alone = "count" in fields and not fields.keys() & {"detect", "category"}
        needed = ("action",) if together or alone else ("detect", "category", "action")
        missing = [name for name in needed if name not in fields]
        for name in missing:
            self.problems.append(draft.node.problem(f"the key `{name}`", "none", RULE.fields[name].summary))
        given = dict(without_invalid(fields))
        return bool(missing) or not all(name in given for name in needed)

    def _check_references(self, draft: Draft) -> None:
        fields = draft.fields
        principle = word(fields, "principle")
        if principle and principle not in self.merged.principles:
            self._unknown(fields["principle"], "the id of a principle", self.merged.principles)
        for reading in readings(fields):
            self._check_reading(reading)
        for name, node in fields["thresholds"].keys.items() if "thresholds" in fields else ():
            self._check_threshold(name, node, fields)
        for node in items(fields.get("overrides")):
            self._check_exception(draft, node)

    def _check_reading(self, fields: Mapping[str, Node]) -> None:
        """Check the detectors and the categories of a rule, or of one of its clauses."""
        for node in items(fields.get("detect")):
            if isinstance(node.value, str) and node.value not in self.merged.detectors:
                hint = f"declare it: `detectors: {{{node.value}: {{use: {node.value}}}}}`" if node.value in self.kinds else ""
                self._unknown(node, "the name of a detector in `detectors`", self.merged.detectors, hint)
        for node in items(fields.get("category")):
            if isinstance(node.value, str) and not self._is_category(node.value, fields):
                known = {name: None for name in (*sorted(categories.KNOWN), *self.own)}
                groups = {f"{categories.group(name)}/*": None for name in known}
                self._unknown(node, "a known category", {**known, **groups}, "list your own under `categories`")

    def _check_threshold(self, name: str, node: Node, fields: Mapping[str, Node]) -> None:
        """Check that a threshold by category is for one that the rule reads."""
        read = [str(each.value) for each in items(fields.get("category")) if isinstance(each.value, str)]
        if name not in read and not any(categories.matches(pattern, name.removesuffix("/*")) for pattern in read):
            hint = did_you_mean(name, read) or f"it reads {', '.join(read)}"
            self.problems.append(node.problem("a category that this rule reads", quoted(name), hint))

    def _unknown(self, node: Node, expected: str, known: Mapping[str, object], otherwise: str = "") -> None:
        hint = did_you_mean(str(node.value), known) or otherwise
        self.problems.append(node.problem(expected, hint=hint or (f"known: {', '.join(known)}" if known else "")))

    def _is_category(self, pattern: str, fields: Mapping[str, Node]) -> bool:
        if categories.is_known(pattern, self.own):
            return True
        named = [str(node.value) for node in items(fields.get("detect")) if node.value in self.detectors]
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
        for name, actions in ONLY_WITH_ACTIONS.items():
            if name in fields and action and action not in actions:
                hint = f"leave `{name}` out, or change the action"
                problems.append(
                    draft.keys.get(name, fields[name]).problem(f"`{name}` only with {actions[0]}", f"action {action}", hint)
                )
        for name, others in INSTEAD_OF.items():
            for other in others:
                if name in fields and other in fields:
                    at = draft.keys.get(other, fields[other])
                    problems.append(at.problem(f"no `{other}` beside `{name}`", "both", "leave one of the two out"))
        alone = "count" in fields and not any(name in fields for name in ("detect", *LOGIC))
        if alone and action in ("allow", "redact", "revise"):
            problems.append(fields["count"].problem(f"for `{action}`, something that is found", "a count alone", "add `detect`"))
        check_redactor(fields.get("redact"), problems)
        if action == "revise":
            self._check_revision(draft)

    def _check_revision(self, draft: Draft) -> None:
        """Check that a rule that rewrites says by which principle, and names a model that can."""
        if "principle" not in draft.fields:
            hint = "a principle says how a text is criticised and rewritten"
            self.problems.append(draft.node.problem("the key `principle` with `action: revise`", "none", hint))
        revise = draft.fields.get("revise")
        node = members(revise).get("by")
        if node is None or not isinstance(node.value, str) or node.value == "upstream":
            return
        config = self.detectors.get(node.value)
        known = {name: None for name, each in self.detectors.items() if each.use == "llm-judge"}
        if node.value not in self.merged.detectors or (config is not None and config.use != "llm-judge"):
            self._unknown(node, "`upstream`, or the name of a detector `use: llm-judge`", {"upstream": None, **known})

    def _check_condition(self, draft: Draft, condition: CelCondition | None) -> None:
        """Check what a condition reads against what its rule does."""
        if condition is None:
            return
        node = draft.fields["when"]
        if word(draft.fields, "action") == "allow" and condition.set_by_clients:
            got = f"one that reads {quoted(condition.set_by_clients[0])}"
            hint = "what a client sets may tighten a policy, never loosen it"
            self.problems.append(node.problem("for `allow`, a condition that reads no header, parameter or tool", got, hint))
        found = any(name in draft.fields for name in ("detect", *LOGIC))
        if condition.reads_findings and "count" in draft.fields and not found:
            self.problems.append(node.problem("a condition without `finding`, as nothing is found", hint="add `detect`"))

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


@dataclass(frozen=True, slots=True)
class _Parts:
    """What of a rule takes more than reading a value."""

    condition: CelCondition | None
    logic: Clause | None
    schedule: Schedule | None
    count: Count | None
    message: Message


def _threshold(fields: Mapping[str, Node], defaults: Mapping[str, Node]) -> float:
    """Return a rule's threshold: its own, that of its severity, its file's, the usual one."""
    if "threshold" in fields and isinstance(fields["threshold"].value, int | float):
        return float(fields["threshold"].value)
    severity = word(fields, "severity")
    if severity in SEVERITIES:
        own = members(defaults.get("severities")).get(severity)
        return float(own.value) if own is not None and isinstance(own.value, int | float) else SEVERITIES[severity]
    usual = defaults.get("threshold")
    return float(usual.value) if usual is not None and isinstance(usual.value, int | float) else 0.5


def _rule(name: str, given: dict[str, Any], defaults: dict[str, Any], threshold: float, parts: _Parts, gone: set[str]) -> Rule:
    action = Action[given["action"].upper()]
    read = tuple(leaves(parts.logic)) if parts.logic is not None else ()
    detect = tuple(dict.fromkeys(each for leaf in read for each in leaf.detect)) or tuple(given.get("detect", ()))
    category = tuple(dict.fromkeys(each for leaf in read for each in leaf.category)) or tuple(given.get("category", ()))
    roles = frozenset[Role]().union(*(ROLE_WORDS[role] for role in given["roles"])) if "roles" in given else None
    on_error = Action[given.get("on_error", defaults.get("on_error", "block")).upper()]
    return Rule(
        id=name,
        on=frozenset(Stage(stage) for stage in given.get("on", ("input", "output"))),
        detect=detect,
        category=category,
        action=action,
        threshold=threshold,
        roles=roles if roles is not None else default_roles(category) if category else frozenset(Role),
        principle=given.get("principle", ""),
        message=parts.message.text,
        redact=redactor(given.get("redact", {})),
        revise=Revise(**{"by": "upstream", **given.get("revise", {})}),
        when=parts.condition,
        turns=given.get("turns", "all"),
        overrides=tuple(rule for rule in given.get("overrides", ()) if rule not in gone),
        on_error=on_error if action > Action.FLAG else action,
        locked=given.get("locked", False),
        reason=given.get("reason", ""),
        thresholds=tuple(sorted((each, float(least)) for each, least in given.get("thresholds", {}).items())),
        by_language=tuple(sorted((each, float(least)) for each, least in given.get("by_language", {}).items())),
        logic=parts.logic,
        schedule=parts.schedule,
        sample=float(given.get("sample", 1)),
        count=parts.count,
        messages=parts.message.localised,
    )
