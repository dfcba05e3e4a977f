"""What `guard calibrate` does: choose thresholds that keep a promise, write them into the policy, print what came of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn

from guard.detectors.registry import kinds
from guard.errors import TenetError
from guard.evaluation.calibration import Asked, Calibration, calibrate
from guard.evaluation.conformal import Control, Promise
from guard.evaluation.dataset import Dataset
from guard.evaluation.layout import Layout
from guard.evaluation.outcomes import Outcome, Rate, Rates, Status
from guard.evaluation.policy_file import PolicyFile
from guard.policy.digest import digest
from guard.policy.load import load
from guard.policy.model import Policy
from guard.values import Role, Stage


@dataclass(frozen=True, slots=True)
class Target:
    """What is calibrated, and where the thresholds go.

    Attributes:
        out: A file to write instead of the policy's own; None for its own.
        dry_run: Whether nothing is written.
    """

    dataset: str
    policy: str
    out: Path | None = None
    overwrite: bool = False
    dry_run: bool = False


def asked(
    control: str,
    risk: float,
    confidence: float | None,
    *,
    rules: list[str],
    benign_only: bool,
    holdout: float,
    seed: int,
    stage: str,
    role: str,
) -> Asked:
    """Return what is asked for.

    Raises:
        TenetError: For a value that makes no sense.
    """
    for option, value, known in (("--control", control, Control), ("--stage", stage, Stage), ("--role", role, Role)):
        if value and value not in list(known):
            raise TenetError(f"{option}: expected one of {', '.join(known)}, got {value!r}")
    promise = Promise(Control(control), risk, confidence)
    chosen = (Stage(stage) if stage else None, Role(role) if role else None)
    return Asked(promise, tuple(rules), benign_only, holdout, seed, *chosen)


def calibrate_policy(target: Target, question: Asked, *, json_output: bool) -> bool:
    """Choose thresholds, write them, and print what came of it; return whether every rule keeps the promise.

    Raises:
        TenetError: Where something cannot be used, read or written.
    """
    policy = load(target.policy, kinds())
    file = None if target.dry_run else PolicyFile(target.policy, target.out, overwrite=target.overwrite)
    dataset = Dataset(target.dataset, Layout(known=None))
    if dataset.total is None:
        raise TenetError(f"{target.dataset}: expected a file of labelled records, which is read twice, found a pipe")
    with _progress() as progress:
        found = calibrate(policy, kinds(), dataset.records, question, progress)
    changed = _changed(policy, found.thresholds)
    if file is not None and found.thresholds:
        data, changed = file.edited(policy, found.thresholds, kinds())
        file.write(data)
    else:
        file = None
    digests = tuple(digest(each, found.versions) for each in (policy, changed))
    written = str(file.target) if file else None
    if json_output:
        print(json.dumps(_as_dict(found, question, written, *digests), indent=2))
    else:
        print("\n".join(_lines(found, question, written, *digests)))
        _warn(found)
    return found.kept


def _changed(policy: Policy, thresholds: Mapping[str, str]) -> Policy:
    rules = (replace(rule, threshold=float(thresholds.get(rule.id, rule.threshold))) for rule in policy.rules)
    return replace(policy, rules=tuple(rules))


@contextmanager
def _progress() -> Iterator[Any]:
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.completed:,} records"))
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda records: bar.update(task, completed=records)


def _as_dict(found: Calibration, question: Asked, written: str | None, before: str, after: str) -> dict[str, Any]:
    promise = question.promise
    return {
        "control": promise.control.value,
        "risk": promise.risk,
        "confidence": promise.confidence,
        "needed": promise.needed,
        "recommended": promise.recommended,
        "records": found.records,
        "kept": found.kept,
        "rules": [_rule_as_dict(each) for each in found.outcomes],
        "uncovered": list(found.uncovered),
        "file": written,
        "digest": {"before": before, "after": after},
    }


def _rule_as_dict(each: Outcome) -> dict[str, Any]:
    return {
        "rule": each.rule.id,
        "detect": list(each.rule.detect),
        "categories": list(each.categories),
        "status": each.status.value,
        "kept": each.kept,
        "reason": each.reason,
        "threshold": {"before": each.rule.threshold, "after": each.threshold.value if each.threshold else each.rule.threshold},
        "allowed": max(each.allowed, 0),
        "calibration": _rates_as_dict(each.chosen_from),
        "holdout": _rates_as_dict(each.held_out, intervals=True),
    }


def _rates_as_dict(rates: Rates | None, *, intervals: bool = False) -> dict[str, Any] | None:
    if rates is None:
        return None
    return {
        name: {
            "losses": rate.losses,
            "examples": rate.examples,
            "rate": rate.share,
            **({"interval": list(rate.interval)} if intervals else {}),
        }
        for name, rate in (("misses", rates.misses), ("false_alarms", rates.false_alarms))
    }


def _lines(found: Calibration, question: Asked, written: str | None, before: str, after: str) -> Iterator[str]:
    promise = question.promise
    what = "misses at most" if promise.control is Control.MISSES else "false alarms on at most"
    surely = "in expectation" if promise.confidence is None else f"with {promise.confidence:.5g} confidence"
    yield f"promise: {what} {_percent(promise.risk)}, {surely}, each rule for itself; {found.records:,} records"
    width = max((len(each.rule.id) for each in found.outcomes), default=0)
    for each in found.outcomes:
        new = f"{each.rule.threshold:g} → {each.threshold.written}" if each.threshold else f"{each.rule.threshold:g} stays"
        yield f"  {each.rule.id:<{width}}  {new:<16}" + (_rates(each.chosen_from) if each.chosen_from else f"  {each.status}")
        if each.held_out:
            yield f"  {'':<{width}}  {'held out':<16}" + _rates(each.held_out, intervals=True)
    yield f"policy: {before}" + (f" → {after}" if after != before else ", as before")
    yield f"written: {written}" if written else "nothing was written"


def _rates(rates: Rates, *, intervals: bool = False) -> str:
    misses, false_alarms = (_rate(rate, with_interval=intervals) for rate in (rates.misses, rates.false_alarms))
    return f"  misses {misses}  false alarms {false_alarms}"


def _rate(rate: Rate, *, with_interval: bool) -> str:
    if rate.share is None:
        return "- (no records)"
    said = f"{rate.losses:,} of {rate.examples:,} ({_percent(rate.share)}"
    return said + (f", {_percent(rate.interval.low)} to {_percent(rate.interval.high)})" if with_interval else ")")


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"


def _warn(found: Calibration) -> None:
    for each in found.outcomes:
        if each.reason and each.status is not Status.NOT_LABELLED:
            print(f"warning: {each.rule.id}: {each.reason}", file=sys.stderr)
    silent = [each.rule.id for each in found.outcomes if each.status is Status.NOT_LABELLED]
    if silent:
        print(f"warning: no record has a label for what these rules cover: {', '.join(silent)}", file=sys.stderr)
    if found.uncovered:
        print(f"warning: none of these rules covers the labels {', '.join(found.uncovered)}", file=sys.stderr)
