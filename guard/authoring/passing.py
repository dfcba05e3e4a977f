"""Hold a policy against the tests beside it, before it is put in force."""

from __future__ import annotations

from pathlib import Path

from guard.authoring.cases import read_cases
from guard.authoring.testing import Bench
from guard.errors import TenetError
from guard.policy.model import Policy


def must_pass(policy: Policy, tests: Path) -> None:
    """Run the tests of a file, where it is there.

    Raises:
        TenetError: Where one fails, with every failure.
        PolicyError: Where the file has mistakes.
    """
    if not tests.is_file():
        return
    bench = Bench(policy)
    failed = [outcome for case in read_cases(tests, policy) if not (outcome := bench.run(case)).passed]
    if failed:
        told = "\n".join(f"{outcome.where}: {failure}" for outcome in failed for failure in outcome.failures)
        raise TenetError(f"{len(failed)} of its tests failed:\n{told}")
