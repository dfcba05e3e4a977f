"""Take a policy that is to be tried: load it, hold it against its tests, and say what the store is to know of the trial."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from guard.authoring.cases import tests_beside
from guard.authoring.passing import must_pass
from guard.cli.authoring import policy_path
from guard.engine import Guard
from guard.trials.share import Wish, wish_of

if TYPE_CHECKING:
    from guard.store.trial_log import TrialLog, TrialRecord


@dataclass(frozen=True, slots=True)
class Candidate:
    """A policy that is to be tried, loaded and tested.

    Attributes:
        kind: shadow or canary.
        source: The name of a shipped policy, or an absolute path.
    """

    kind: str
    wish: Wish
    source: str
    guard: Guard


def candidate(kind: str, option: str, text: str, make: Callable[[str], Guard]) -> Candidate:
    """Return the policy that `POLICY[@PERCENT]` names.

    Args:
        kind: shadow or canary.
        option: Where it was said, for messages.
        make: Builds the guard of a policy.

    Raises:
        TenetError: Where it cannot be loaded, or fails the tests beside it.
    """
    wish = wish_of(option, text, percent_needed=kind == "canary")
    path = policy_path(wish.policy)
    guard = make(wish.policy)
    must_pass(guard.policy, tests_beside(path))
    source = str(path.absolute()) if is_path(wish.policy) else wish.policy
    return Candidate(kind, wish, source, guard)


def begin(log: TrialLog, chosen: Candidate, beside: str, actor: str) -> TrialRecord | None:
    """Record that a trial begins, unless that very one goes on already; return it where it begins.

    Args:
        beside: Name of the policy beside which it is tried.
    """
    from guard.store.identity import now
    from guard.store.trial_log import TrialRecord

    policy = chosen.guard.policy
    said = (chosen.kind, policy.digest, policy.name, chosen.source, chosen.wish.percent, beside)
    for running in log.running(beside):
        known = (running.kind, running.digest, running.name, running.source, running.percent, running.beside)
        if known == said:
            return None
    trial = TrialRecord(*said, actor=actor, started=now())
    log.begin(trial, policy, {name: detector.version for name, detector in chosen.guard.detectors.items()})
    return trial


def is_path(policy: str) -> bool:
    """Return whether a policy is named by a path, and not by the name of a shipped one."""
    return "/" in policy or Path(policy).suffix == ".yaml"
