"""`Policies`: a guard for each policy of a file of choices, and which of them a request gets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guard import asgi
from guard.asgi import Scope
from guard.choosing.choices import Choices, Chosen
from guard.choosing.reading import Read, read_choices
from guard.choosing.signing import Checked, Signature, verified
from guard.choosing.when import Asked
from guard.choosing.writable import writable
from guard.detectors.registry import kinds
from guard.engine import Guard
from guard.errors import PolicyError, Problem
from guard.policy.detector_options import digest_of
from guard.policy.including import policies_folder
from guard.policy.model import Policy
from guard.policy.yaml_source import shown_to


@dataclass(frozen=True, slots=True)
class Requirements:
    """What must hold of a file of choices and of every file of its policies, whatever the file itself says.

    Attributes:
        require: `read-only`, `signed`.
        keys: Files of public keys, one of which must have signed; where there are any, a signature is needed.
        not_before: A time in seconds since 1970; a signature that is older is refused.
    """

    require: frozenset[str] = frozenset()
    keys: tuple[Path, ...] = ()
    not_before: int = 0


@dataclass(frozen=True, slots=True)
class Loaded:
    """A file of choices with its policies, as far as that goes without building a detector.

    Attributes:
        files: The SHA-256 of every file, by its absolute path.
        require: What holds of all of them.
        signature: The one that was checked; None where none was needed.
        writable: What this process could change of them; None for nothing.
    """

    read: Read
    files: Mapping[Path, str]
    require: frozenset[str] = frozenset()
    signature: Signature | None = None
    writable: Path | None = None

    @property
    def choices(self) -> Choices:
        """What the file says."""
        return self.read.choices


def load_all(path: Path, requirements: Requirements = Requirements(), *, serving: bool = True) -> Loaded:
    """Return a file of choices with all its policies, checked as it is required.

    Args:
        serving: Whether it is to be served; else what the file itself requires is not asked for, nor read-only places.

    Raises:
        PolicyError: With every mistake, in whichever file; or with what is not signed, or not read-only.
        TenetError: Where a public key can't be used.
    """
    signed = bool(requirements.keys) or "signed" in requirements.require
    signature = verified(path, requirements.keys, requirements.not_before) if signed else None
    checked = Checked(path, signature)
    with shown_to(checked.look):
        read = read_choices(path, kinds())
    require = requirements.require | (read.choices.require if serving else set()) | ({"signed"} if signed else set())
    if "signed" in require and signature is None:
        hint = "name it with --policies-key; a file can't vouch for itself"
        raise PolicyError([Problem(str(path), 0, 0, "require", "a public key, where it has to be signed", "none", hint)])
    _note_options(read.policies.values(), checked)
    files = dict(checked.files)
    changeable = next((found for each in files if not _shipped(each) and (found := writable(each))), None)
    if changeable is not None and "read-only" in require:
        hint = "let files and folders belong to another user, or mount them read-only"
        raise PolicyError([Problem(str(changeable), 0, 0, "", "a place that this process can't write", "one that it can", hint)])
    return Loaded(read, files, frozenset(require), signature, changeable)


class Policies:
    """A guard for each policy of a file of choices. Never changes; what was loaded later is another one (`again`)."""

    def __init__(
        self,
        source: str | Path,
        *,
        requirements: Requirements = Requirements(),
        make: Callable[[Policy], Guard] = Guard,
        test: Callable[[Policy], None] = lambda _policy: None,
        before: Policies | None = None,
    ) -> None:
        """Load the file and its policies, and build their guards.

        Args:
            source: The file of choices.
            requirements: What must hold of the files, whatever they say themselves.
            make: Builds the guard of a policy.
            test: Raises TenetError where a policy is not to be served; asked about those that are not the same as `before`.
            before: Those that were loaded before: a policy that is still the same keeps its guard.

        Raises:
            PolicyError: With every mistake, in whichever file; or with what is not signed, or not read-only.
            TenetError: As `make` and `test` do.
        """
        loaded = load_all(Path(source), requirements)
        known = before.loaded.read.policies if before is not None else {}
        fresh = {name for name, policy in loaded.read.policies.items() if not _same(known.get(name), policy)}
        for name in fresh:
            test(loaded.read.policies[name])
        self.loaded: Loaded = loaded
        self.source = Path(source)
        self._make = make
        self._requirements = _kept(requirements, loaded)
        kept = before.guards if before is not None else {}
        self.guards: Mapping[str, Guard] = {
            name: make(loaded.read.policies[name]) if name in fresh else kept[name] for name in loaded.choices.policies
        }
        """The guards by `Choice.policy`, the default's first."""
        if loaded.signature is not None:  # detectors have opened their files by now
            _note_options(loaded.read.policies.values(), Checked(loaded.read.path, loaded.signature))
        self.digest = _digest(loaded.choices, self.guards)

    def again(self, test: Callable[[Policy], None] = lambda _policy: None) -> Policies:
        """Return what the files hold now. What was required once stays required, whatever they say. Raises as the constructor."""
        return Policies(self.source, requirements=self._requirements, make=self._make, test=test, before=self)

    @property
    def default(self) -> Guard:
        """The guard of requests for which no choice holds."""
        return self.guards[self.loaded.choices.default.policy]

    @property
    def files(self) -> Iterable[Path]:
        """Every file that counts."""
        return self.loaded.files

    def choose(self, scope: Scope) -> Guard:
        """Return the guard for a connection.

        Raises:
            BadMessage: Where the path, or a trusted header, may be read in several ways.
        """
        return self.guards[self.why(scope).policy]

    def why(self, scope: Scope) -> Chosen:
        """Return which policy a connection gets, and why. Raises as `choose`."""
        return self.loaded.choices.choose(self._asked(scope))

    def _asked(self, scope: Scope) -> Asked:
        return self.loaded.choices.asked(scope.get("method", "GET"), scope["path"], asgi.caller_of(scope), scope["headers"])


def _kept(requirements: Requirements, loaded: Loaded) -> Requirements:
    signed = loaded.signature.signed if loaded.signature is not None else 0
    return Requirements(loaded.require, requirements.keys, max(requirements.not_before, signed))


def _note_options(policies: Iterable[Policy], checked: Checked) -> None:
    """Note the files that detectors are told to read. Raises PolicyError where they are not as they were signed."""
    problems: list[Problem] = []
    for policy in policies:
        for config in policy.detectors.values():
            for option in config.files:
                path = Path(config.options[option])
                try:
                    checked.note(path, str(path), digest_of(path))
                except PolicyError as error:
                    problems.extend(error.problems)
                except OSError as error:
                    problems.append(Problem(str(path), 0, 0, "", "a readable file", (error.strerror or str(error)).lower()))
    if problems:
        raise PolicyError(list(dict.fromkeys(problems)))


def _same(policy: Policy | None, other: Policy) -> bool:
    if policy is None:
        return False
    return (policy.digest, policy.name, policy.sources) == (other.digest, other.name, other.sources)


def _shipped(path: Path) -> bool:
    return path.resolve().is_relative_to(policies_folder().resolve())


def _digest(choices: Choices, guards: Mapping[str, Guard]) -> str:
    """Return 64 hexadecimal digits: SHA-256 of who gets which policy."""
    said: list[Any] = [[_described(choice.when), guards[choice.policy].policy.digest] for choice in choices.choices]
    whole = [said, guards[choices.default.policy].policy.digest, sorted(choices.trusted)]
    return hashlib.sha256(json.dumps(whole, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()


def _described(when: Any) -> Any:  # noqa: ANN401 - plain JSON values
    return [
        {name: sorted(values) for name, values in when.words.items()},
        sorted(when.routes),
        {name: sorted(values) for name, values in when.headers.items()},
    ]
