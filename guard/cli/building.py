"""Build the guards of a server: all of them record, remember and cache in the same places."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from guard.detectors.registry import kinds
from guard.engine import Guard
from guard.policy.model import DetectorConfig, Policy
from guard.ports import RecentDecisions
from guard.remembering import RecentConversations
from guard.runtime.cache import VerdictCache

if TYPE_CHECKING:
    from guard.store.recording import StoreRecorder


class Builder:
    """Builds guards."""

    def __init__(self, recorder: RecentDecisions | StoreRecorder, cache: VerdictCache) -> None:
        """Take where decisions are recorded, and where verdicts are remembered."""
        self._recorder = recorder
        self._cache = cache
        self._memory = RecentConversations()  # what a conversation came to outlives a change of the policy

    def only(self, policy: str) -> Guard:
        """Return the guard of all requests with its models loaded and warm, and note that its policy is in force.

        Tells on standard error what takes long.
        """
        began = time.perf_counter()
        guard = self.served(policy)
        self.note("", guard, "in-force", "")
        print(f"ready after {time.perf_counter() - began:.1f} s", file=sys.stderr, flush=True)
        return guard

    def served(self, policy: str | Policy) -> Guard:
        """Return a guard that is ready to serve."""
        guard = self._guard(policy)
        guard.prepare()
        return guard

    def candidate(self, kind: str, policy: str) -> Guard:
        """Return a policy on trial: a canary records and remembers as the one in force does, a shadow by itself."""
        if kind == "shadow":
            return Guard(policy, cache=self._cache, loading=_tell_loading)
        return self._guard(policy)

    def note(self, tenant: str, guard: Guard, kind: str, reason: str) -> None:
        """Tell the store, where there is one, that a guard's policy is in force for a tenant."""
        if not isinstance(self._recorder, RecentDecisions):
            versions = {name: detector.version for name, detector in guard.detectors.items()}
            self._recorder.store.policies.put_in_force(tenant, guard.policy, versions, kind=kind, reason=reason)

    def _guard(self, policy: str | Policy) -> Guard:
        return Guard(policy, recorder=self._recorder, cache=self._cache, memory=self._memory, loading=_tell_loading)


def _tell_loading(config: DetectorConfig) -> None:
    if kinds()[config.use].reach != "pattern":
        print(f"loading the detector {config.name} ({config.use})", file=sys.stderr, flush=True)
