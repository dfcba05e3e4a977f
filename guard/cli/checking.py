"""`guard check`: one text, one decision."""

from __future__ import annotations

import json

from guard.engine import Guard
from guard.errors import TenetError
from guard.values import Action, Decision, Role, Stage


def check_text(text: str, policy: str, stage: str, role: str, *, json_output: bool) -> bool:
    """Print the decision on `text`; return whether it is blocked.

    Raises:
        TenetError: For a stage or a role that does not exist, or a policy that cannot be used.
    """
    if stage not in list(Stage):
        raise TenetError(f"--stage: expected input or output, got {stage!r}")
    if role and role not in list(Role):
        raise TenetError(f"--role: expected one of {', '.join(Role)}, got {role!r}")
    decision = Guard(policy).check_sync(text, stage, role=role or None)
    print(json.dumps(decision.as_dict(), indent=2) if json_output else _summary(decision))
    return decision.action is Action.BLOCK


def _summary(decision: Decision) -> str:
    lines = [decision.action.word]
    if decision.rules:
        lines.append(f"rules: {', '.join(decision.rules)}")
    lines += [
        f"  {finding.category:<24} {finding.score:.2f}  {finding.detector}"
        + (f"  characters {finding.span.start} to {finding.span.end}" if finding.span else "")
        for finding in decision.findings
    ]
    if decision.failed:
        lines.append(f"no verdict from: {', '.join(decision.failed)}")
    return "\n".join(lines)
