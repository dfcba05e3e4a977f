"""`guard check`: one text, one decision."""

from __future__ import annotations

import json
from typing import Any

from guard.engine import Guard
from guard.errors import TenetError
from guard.runtime.trace import Explanation, Step
from guard.values import Action, Decision, Role, Stage


def check_text(text: str, policy: str, stage: str, role: str, *, json_output: bool, explain: bool) -> bool:
    """Print the decision on `text`, and with `explain` what ran for it; return whether it is blocked.

    Raises:
        TenetError: For a stage or a role that does not exist, or a policy that cannot be used.
    """
    if stage not in list(Stage):
        raise TenetError(f"--stage: expected input or output, got {stage!r}")
    if role and role not in list(Role):
        raise TenetError(f"--role: expected one of {', '.join(Role)}, got {role!r}")
    guard = Guard(policy)
    if explain:
        explanation = guard.explain(text, stage, role=role or None)
        decision = explanation.decision
        described = {**decision.as_dict(), "steps": [_step(explanation, step) for step in explanation.steps]}
        print(json.dumps(described, indent=2) if json_output else f"{_summary(decision)}\n{_costs(explanation)}")
    else:
        decision = guard.check_sync(text, stage, role=role or None)
        print(json.dumps(decision.as_dict(), indent=2) if json_output else _summary(decision))
    return decision.action is Action.BLOCK


def _step(explanation: Explanation, step: Step) -> dict[str, Any]:
    return {
        "detector": step.detector,
        "outcome": step.outcome.value,
        "items": step.items,
        "seconds": round(step.seconds, 6),
        "spared": step.detector in explanation.spared,
    }


def _costs(explanation: Explanation) -> str:
    lines = ["what ran:"]
    for step in explanation.steps:
        spared = "  (spared without --explain)" if step.detector in explanation.spared else ""
        lines.append(f"  {step.detector:<24} {step.outcome.value:<10} {step.seconds * 1000:9.2f} ms  {step.items} items{spared}")
    return "\n".join(lines)


def _summary(decision: Decision) -> str:
    lines = [decision.action.word]
    if decision.rules:
        lines.append(f"rules: {', '.join(decision.rules)}")
    lines += [
        f"  {finding.category:<24} {finding.score:.2f}  {finding.detector}"
        + (f"  characters {finding.span.start} to {finding.span.end}" if finding.span else "")
        for finding in decision.findings
    ]
    if decision.not_run:
        lines.append(f"not run: {', '.join(decision.not_run)}")
    if decision.failed:
        lines.append(f"no verdict from: {', '.join(decision.failed)}")
    return "\n".join(lines)
