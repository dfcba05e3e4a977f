"""Write a policy that was tried in the place of the one in force."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from guard.authoring.cases import tests_beside
from guard.authoring.passing import must_pass
from guard.authoring.replacing import replace_file
from guard.cli.authoring import policy_path
from guard.detectors.registry import kinds
from guard.engine import Guard
from guard.errors import PolicyError, TenetError
from guard.policy.digest import digest
from guard.policy.including import policies_folder
from guard.policy.load import loads

if TYPE_CHECKING:
    from guard.store.trial_log import TrialRecord


def promoted(trial: TrialRecord, into: str) -> tuple[Path, Path]:
    """Replace a policy's file, and its tests where the candidate has some; return the file, and where the old one is kept.

    Args:
        into: The file of the policy in force.

    Raises:
        TenetError: Where the candidate is not what was tried, fails its tests, means something else in the other place, or the
            file cannot be replaced. Nothing is changed then.
    """
    source, target = policy_path(trial.source), _target(into)
    if source.resolve() == target.resolve():
        raise TenetError(f"{target}: the candidate is the very file that is served; there is nothing to write")
    before, data = _read(target), _read(source)
    guard = Guard(trial.source)
    _check_digest(trial, guard.policy.digest, str(source))
    versions = {name: detector.version for name, detector in guard.detectors.items()}
    _check_place(trial, data, target, versions)
    tests, own = tests_beside(target), tests_beside(source)
    must_pass(guard.policy, own if own.is_file() else tests)
    saved = target.with_name(f"{target.name}.before")
    replace_file(target, before, before)  # changes nothing, and says whether it could
    _write(saved, before)
    if own.is_file():
        _write(tests, _read(own))
    replace_file(target, before, data)
    return target, saved


def _target(into: str) -> Path:
    if not into:
        raise TenetError("--into: expected the file of the policy in force, got none, and the store does not know it")
    target = Path(into)
    if not target.is_file():
        raise TenetError(f"{target}: expected the file of the policy in force, found nothing there; name it with --into")
    if target.resolve().parent == policies_folder().resolve():
        raise TenetError(
            f"{target}: the policy in force is one that comes with Tenet, and its file stays as it is; "
            "serve the candidate's own file (`guard serve --policy FILE`)"
        )
    return target


def _check_digest(trial: TrialRecord, found: str, where: str) -> None:
    if found != trial.digest:
        raise TenetError(
            f"{where}: expected the policy that was tried, digest {trial.digest[:16]}…, found {found[:16]}…; "
            "it has changed since, so try it again (`guard policy shadow start`)"
        )


def _check_place(trial: TrialRecord, data: bytes, target: Path, versions: dict[str, str]) -> None:
    """Raise TenetError where the text would be another policy in the other place, as paths in it are relative to its file."""
    try:
        there = loads(data.decode("utf-8"), kinds(), name=str(target), directory=target.parent)
    except PolicyError as error:
        raise TenetError(f"the candidate cannot stand in {target}, as what it names is not beside it:\n{error}") from error
    _check_digest(trial, digest(there, versions), f"the candidate in the place of {target}")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TenetError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from error


def _write(path: Path, data: bytes) -> None:
    """Write a file that may not be there yet, at once or not at all."""
    try:
        path.touch(exist_ok=True)
    except OSError as error:
        raise TenetError(f"{path}: cannot be written: {(error.strerror or str(error)).lower()}") from error
    replace_file(path, _read(path), data)
