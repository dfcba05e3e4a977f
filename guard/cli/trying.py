"""Run in a server what the store says is on trial: begun by an option or a command, ended by one, alike in every process."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from guard.app import GuardApp
from guard.cli.candidates import Candidate, begin, candidate
from guard.engine import Guard
from guard.errors import StoreError, TenetError
from guard.trials.trials import Canary, Drawn, Shadow

if TYPE_CHECKING:
    from guard.store.store import Store
    from guard.store.trial_log import TrialRecord

log = logging.getLogger("guard")
_LOOK_AGAIN_SECONDS = 2.0
_SECRET = "trials"  # noqa: S105 - its name in the store


@dataclass(frozen=True, slots=True)
class TrialOptions:
    """What was asked for: `POLICY[@PERCENT]`, or nothing."""

    shadow: str = ""
    canary: str = ""

    def check(self, *, store: bool) -> None:
        """Raise TenetError where something is to be tried, and nobody could see what comes of it."""
        for option, text in (("--shadow", self.shadow), ("--canary", self.canary)):
            if text and not store:
                raise TenetError(f"{option}: expected a store that keeps what comes of it, got none; name one with --store")


class Trying:
    """Keeps the trials of a server as the store has them."""

    def __init__(self, app: GuardApp, store: Store, make: Callable[[str, str], Guard], reload: Callable[[], object]) -> None:
        """Take what serves.

        Args:
            make: Builds the guard of a candidate, from the kind of the trial and the policy.
            reload: Puts the policy in force again, as its file has changed.
        """
        from guard.store.differences import Differences
        from guard.store.trial_log import TrialLog

        self._app = app
        self._store = store
        self._make = make
        self._reload = reload
        self._log = TrialLog(store)
        self._witness = Differences(store)
        self._loaded: dict[tuple[str, str], Guard] = {}
        self._running: dict[str, TrialRecord] = {}
        self._refused: set[TrialRecord] = set()
        self._over = {(trial.digest, trial.until) for trial in self._log.every()}
        self._ending = threading.Event()
        store.before_close.append(self.stop)

    def begin(self, options: TrialOptions) -> None:
        """Begin what the options ask for; what was dropped before stays dropped, so that no restart brings it back.

        Raises:
            TenetError: Where a candidate cannot be used.
        """
        chosen = [
            candidate(kind, f"--{kind}", text, lambda policy, kind=kind: self._make(kind, policy))  # type: ignore[misc]
            for kind, text in (("shadow", options.shadow), ("canary", options.canary))
            if text
        ]
        digests = [each.guard.policy.digest for each in chosen]
        if len(set(digests)) < len(digests):
            raise TenetError("--shadow and --canary: expected two policies, got the same one twice")
        for each in chosen:
            self._begin(each)

    def _begin(self, chosen: Candidate) -> None:
        policy, beside = chosen.guard.policy, self._app.policy
        if policy.digest == beside.digest:
            _tell(f"--{chosen.kind}: {chosen.source} is the policy in force itself; there is nothing to try")
            return
        before = next((each for each in self._log.every() if (each.digest, each.beside) == (policy.digest, beside.name)), None)
        if before is not None and before.ended in ("dropped", "promoted"):
            _tell(
                f"--{chosen.kind}: {policy.name}, digest {policy.digest[:16]}…, was {before.ended} and is not tried again; "
                "`guard policy shadow start` does that"
            )
            return
        self._loaded[chosen.kind, policy.digest] = chosen.guard
        begin(self._log, chosen, beside.name, "server")

    def follow(self) -> None:
        """Do what the store says now, and from now on whenever that changes."""
        self.look()
        threading.Thread(target=self._follow, name="guard-trials", daemon=True).start()

    def look(self) -> None:
        """Do what the store says."""
        for trial in self._log.every():
            over = (trial.digest, trial.until)
            if trial.ended == "promoted" and over not in self._over and trial.beside == self._app.policy.name:
                self._reload()
            self._over.add(over)
        wanted = {trial.kind: trial for trial in self._log.running(self._app.policy.name)}
        for kind in ("shadow", "canary"):
            found = wanted.get(kind)
            usable = found is not None and found.digest != self._app.policy.digest and found not in self._refused
            if (found if usable else None) != self._running.get(kind):
                self._end(kind)
                if found is not None and usable:
                    self._start(found)

    def stop(self) -> None:
        """Look no more, and end what runs."""
        self._ending.set()
        if self._app.trials.shadow is not None:
            self._app.trials.shadow.stop()

    def _follow(self) -> None:
        failing = False
        while not self._ending.wait(_LOOK_AGAIN_SECONDS):
            try:
                self.look()
                failing = False
            except StoreError as error:
                if not failing:
                    log.warning("what is on trial stays as it is: %s", error)
                failing = True
            except Exception as error:  # without this thread no trial would ever end
                log.error("what is on trial could not be looked up: %s", type(error).__name__)

    def _start(self, trial: TrialRecord) -> None:
        try:
            guard = self._guard_of(trial)
        except Exception as error:  # whatever is wrong with a candidate, what serves goes on, and does not try it again
            self._refused.add(trial)
            why = str(error) if isinstance(error, TenetError) else type(error).__name__
            _tell(f"{trial.name} is not tried as a {trial.kind}:\n{why}")
            return
        drawn = Drawn(trial.name, trial.percent, self._store.secret(_SECRET))
        if trial.kind == "shadow":
            self._app.trials.shadow = Shadow(guard, drawn, self._witness)
        else:
            self._app.trials.canary = Canary(guard, drawn)
        self._running[trial.kind] = trial
        _tell(
            f"policy {trial.name}, digest {trial.digest[:16]}…, is tried as a {trial.kind} on {trial.percent:g} % of the traffic"
        )

    def _end(self, kind: str) -> None:
        trial = self._running.pop(kind, None)
        if trial is None:
            return
        if kind == "shadow":
            shadow, self._app.trials.shadow = self._app.trials.shadow, None
            if shadow is not None:
                shadow.stop()
        else:
            self._app.trials.canary = None
        _tell(f"policy {trial.name}, digest {trial.digest[:16]}…, is not tried as a {kind} any more")

    def _guard_of(self, trial: TrialRecord) -> Guard:
        """Return the candidate's guard. Raises TenetError where its file is not what was put on trial."""
        guard = self._loaded.pop((trial.kind, trial.digest), None) or self._make(trial.kind, trial.source)
        if guard.policy.digest != trial.digest:
            raise TenetError(
                f"{trial.source}: expected the policy that was put on trial, digest {trial.digest[:16]}…, "
                f"found {guard.policy.digest[:16]}…; start it again (`guard policy shadow start`)"
            )
        guard.prepare()
        return guard


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
