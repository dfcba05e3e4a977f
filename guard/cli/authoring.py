"""`guard policy`: what authors of policies run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from guard.authoring.testing import run_tests, tests_beside
from guard.detectors.registry import kinds
from guard.engine import Guard
from guard.errors import TenetError
from guard.policy.load import load, shipped
from guard.policy.model import Policy


def test_files(files: Sequence[str]) -> bool:
    """Run the tests beside each policy and print what came of them; return whether one failed.

    Raises:
        PolicyError: For mistakes in a policy or its tests.
        TenetError: Where there are no tests.
    """
    failed = False
    for name in files:
        tests = tests_beside(policy_path(name))
        if not tests.is_file():
            raise TenetError(f"{name}: expected its tests at {tests}, found no such file")
        outcomes = run_tests(Guard(_loaded(name)), tests)
        for outcome in outcomes:
            print(f"{'ok  ' if outcome.passed else 'FAIL'} {outcome.name}")
            for failure in outcome.failures:
                print(f"     {outcome.where}: {failure}")
        passed = sum(outcome.passed for outcome in outcomes)
        print(f"{name}: {passed} of {len(outcomes)} tests passed")
        failed |= passed < len(outcomes)
    return failed


def _loaded(name: str) -> Policy:
    return load(name, kinds())


def policy_path(name: str) -> Path:
    """Return the file that a name stands for. Raises TenetError where it cannot be read."""
    path = Path(name) if "/" in name or name.endswith(".yaml") else shipped().get(name)
    if path is None:
        raise TenetError(f"{name!r}: expected a path, or a shipped policy: {', '.join(shipped())}")
    if not path.is_file():
        raise TenetError(f"{name}: expected a policy file, found {'a folder' if path.is_dir() else 'nothing'} there")
    return path
