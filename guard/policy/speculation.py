"""Which rules forbid that an upstream starts while the input is still judged."""

from __future__ import annotations

from guard import categories
from guard.policy.model import Policy, Rule
from guard.values import Action, Stage

_PROTECTS_THE_UPSTREAM = frozenset({"pii", "secret", "injection"})


def rules_against_speculation(policy: Policy) -> tuple[Rule, ...]:
    """Return the input rules that protect more than the client, in the policy's order.

    Where there is one, no route speculates: what a redact or revise rule changes must not be sent before, and a text blocked for
    personal data, a secret or an injection must not reach the upstream at all.
    """
    return tuple(rule for rule in policy.rules if Stage.INPUT in rule.on and _forbids(rule))


def _forbids(rule: Rule) -> bool:
    if rule.action in (Action.REDACT, Action.REVISE):
        return True
    groups = {categories.group(pattern) for pattern in rule.category}
    return rule.action is Action.BLOCK and not groups.isdisjoint(_PROTECTS_THE_UPSTREAM)
