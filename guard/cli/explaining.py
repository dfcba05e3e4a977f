"""`guard policy explain`: the decision on a text as a tree, what was found marked in the text."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from guard.authoring.explaining import Explained, Seen, explain
from guard.engine import Guard
from guard.errors import TenetError
from guard.values import Action, Role, Stage

_STYLES = {Action.ALLOW: "green", Action.FLAG: "yellow", Action.REDACT: "magenta", Action.BLOCK: "bold red"}

_WIDE = 200
"""Columns where the output goes to no terminal."""


def explained(text: str, policy: str, stage: str, role: str, *, as_json: bool) -> bool:
    """Print what every rule of a policy saw in a text; return whether it is blocked.

    Raises:
        TenetError: For a stage or a role that does not exist, or a policy that cannot be used.
    """
    if stage not in list(Stage):
        raise TenetError(f"--stage: expected input or output, got {stage!r}")
    if role and role not in list(Role):
        raise TenetError(f"--role: expected one of {', '.join(Role)}, got {role!r}")
    found = explain(Guard(policy), text, Stage(stage), Role(role) if role else None)
    if as_json:
        print(json.dumps(_plain(found), indent=2, ensure_ascii=False))
    else:
        _show(found)
    return found.decision.action is Action.BLOCK


def _show(found: Explained) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDE
    decision = found.decision
    tree = Tree(Text.assemble("decision: ", (decision.action.word, _STYLES.get(decision.action, "bold red"))))
    tree.add(_marked(found))
    for name, fires in (("rules that fire", True), ("rules that don't", False)):
        branch = tree.add(name)
        for seen in (each for each in found.rules if each.fires is fires):
            branch.add(Text(f"{seen.rule.id} ({seen.rule.action.word}): {seen.why}", style="bold" if fires else "dim"))
    ran = tree.add("detectors")
    for step in found.explanation.steps:
        spared = ", spared where nothing is explained" if step.detector in found.explanation.spared else ""
        ran.add(f"{step.detector}: {step.outcome.value}, {step.seconds * 1000:.2f} ms{spared}")
    console.print(tree)


def _marked(found: Explained) -> Text:
    """Return the text with what made rules fire marked."""
    text = Text(found.text)
    for seen in found.rules:
        for finding in seen.findings if seen.fires else ():
            if finding.span is not None and finding.score >= seen.threshold:
                text.stylize(f"reverse {_STYLES.get(seen.rule.action, 'red')}", finding.span.start, finding.span.end)
    return text


def _plain(found: Explained) -> dict[str, Any]:
    steps = [
        {"detector": step.detector, "outcome": step.outcome.value, "seconds": round(step.seconds, 6)}
        for step in found.explanation.steps
    ]
    return {**found.decision.as_dict(), "explained": [_rule(seen) for seen in found.rules], "steps": steps}


def _rule(seen: Seen) -> dict[str, Any]:
    return {
        "rule": seen.rule.id,
        "action": seen.rule.action.word,
        "fires": seen.fires,
        "why": seen.why,
        "threshold": seen.threshold or seen.rule.threshold,
        "findings": [
            {
                "detector": finding.detector,
                "category": finding.category,
                "score": round(finding.score, 4),
                "span": list(finding.span) if finding.span else None,
            }
            for finding in seen.findings
        ],
    }
