"""What `guard serve --policies` serves: a guard for each policy of a file of choices, loaded again as one."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from guard.authoring.cases import tests_beside
from guard.authoring.passing import must_pass
from guard.choosing import Policies
from guard.choosing.policies import Requirements
from guard.choosing.schema import REQUIREMENTS
from guard.choosing.signing import place_of
from guard.engine import Guard
from guard.errors import TenetError
from guard.policy.including import policies_folder
from guard.policy.model import Policy
from guard.policy.shapes import did_you_mean, listed


@dataclass(frozen=True, slots=True)
class ChoosingOptions:
    """What was asked for.

    Attributes:
        file: Of choices; None for one policy for all requests.
        keys: Files of public keys, one of which must have signed it.
        require: What must hold of all files, whatever they say themselves.
    """

    file: Path | None = None
    keys: tuple[Path, ...] = ()
    require: tuple[str, ...] = ()

    def check(self, policy: str) -> None:
        """Raise TenetError where the options do not go together."""
        if self.file is None and (self.keys or self.require):
            raise TenetError("--policies-key and --policies-require: expected --policies with what they are about, got none")
        if self.file is not None and policy != "default":
            raise TenetError("expected one of --policy and --policies, got both; name the policy as the file's `default`")
        for word in self.require:
            if word not in REQUIREMENTS:
                hint = did_you_mean(word, REQUIREMENTS)
                raise TenetError(
                    f"--policies-require: expected {listed(REQUIREMENTS)}, got {word[:100]!r}" + f" ({hint})" * bool(hint)
                )

    def check_trials(self, served: Guard | Policies, *, wanted: bool) -> bool:
        """Return whether something may be tried beside what is served: a candidate is neither signed nor checked where it lies.

        Args:
            wanted: Whether the options ask for it.

        Raises:
            TenetError: Where they ask for what may not be.
        """
        held = served.loaded.require if isinstance(served, Policies) else frozenset()
        if held and wanted:
            got = f"policies that have to be {' and '.join(sorted(held))}, which a candidate is not"
            raise TenetError(f"--shadow and --canary: expected policies of which nothing is required, got {got}")
        return not held

    @property
    def requirements(self) -> Requirements:
        """What must hold of the files."""
        return Requirements(frozenset(self.require), self.keys)


Note = Callable[[str, Guard, str, str], None]
"""Is told of a guard that is about to be in force: for which tenant, and whether and how it is chosen."""


class ManyPolicies:
    """A file of choices, as a server takes it in."""

    def __init__(self, file: Path, requirements: Requirements, make: Callable[[Policy], Guard], note: Note) -> None:
        """Take what builds a guard, and what is told of each before it is in force: tenant, guard, kind, reason."""
        self._file = file
        self._requirements = requirements
        self._make = make
        self._note = note
        self._policies: Policies | None = None

    def begin(self) -> Policies:
        """Return the policies, for the first time. Raises TenetError where one of them can't be used."""
        began = time.perf_counter()
        policies = Policies(self._file, requirements=self._requirements, make=self._make)
        self._take(policies)
        took = time.perf_counter() - began
        print(f"ready after {took:.1f} s, with {len(policies.guards)} policies", file=sys.stderr, flush=True)
        return policies

    def again(self) -> Policies:
        """Return what the files hold now, if the tests of every policy pass; all of it, or TenetError."""
        policies = self._policies.again(_test) if self._policies is not None else self.begin()
        self._take(policies)
        return policies

    def files(self) -> Iterable[Path]:
        """Return every file that counts, with signature and tests."""
        known = [] if self._policies is None else list(self._policies.files)
        return {self._file, place_of(self._file), *known, *map(tests_beside, known)}

    def _take(self, policies: Policies) -> None:
        self._policies = policies
        for tenant, guard, kind, reason in _told(policies):
            self._note(tenant, guard, kind, reason)


def notes_on(policies: Policies, *, required: bool) -> Iterator[str]:
    """Yield what a server says of its policies when it begins to listen.

    Args:
        required: Whether generation needs a key.
    """
    choices, default = policies.loaded.choices, policies.default.policy
    yield (
        f"policies of {policies.source}: {len(policies.guards)}, by {len(choices.choices)} choices, "
        f"digest {policies.digest[:16]}…; default {default.name}"
    )
    if not required and any(choice.when.words.keys() & {"tenant", "key", "role"} for choice in choices.choices):
        yield "policies are chosen by key, which generation does not need: see --require-key"
    if policies.loaded.writable is not None and policies.loaded.signature is None:
        yield (
            f"this process could change its own policies: it can write {policies.loaded.writable} "
            "(--policies-require read-only, --policies-key)"
        )


def _told(policies: Policies) -> Iterator[tuple[str, Guard, str, str]]:
    """Yield once what is in force for whom: the default for nobody's tenant, a chosen one for each tenant that is named."""
    choices = policies.loaded.choices
    yield "", policies.default, "in-force", ""
    told: set[tuple[str, str]] = set()
    for choice in choices.choices:
        for tenant in sorted(choice.when.words.get("tenant", frozenset({""}))):
            if (tenant, choice.policy) not in told:
                told.add((tenant, choice.policy))
                yield tenant, policies.guards[choice.policy], "chosen", choice.written


def _test(policy: Policy) -> None:
    """Run the tests beside a policy; those that come with Tenet were run before it was released."""
    own = [Path(source) for source in policy.sources[-1:] if not Path(source).is_relative_to(policies_folder())]
    for source in own:
        must_pass(policy, tests_beside(source))
