"""`guard policy test`: run the tests beside policies, say which rules they cover, and what they would not notice."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from guard.authoring.cases import read_cases, tests_beside
from guard.authoring.coverage import Coverage, coverage
from guard.authoring.junit import junit
from guard.authoring.mutation import Mutation, mutate
from guard.authoring.testing import Bench, Outcome
from guard.cli.authoring import policy_path
from guard.detectors.registry import kinds
from guard.errors import PolicyError, TenetError
from guard.policy.load import load
from guard.policy.model import Policy

_LOOK_AGAIN_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Wanted:
    """How the tests are to be run.

    Attributes:
        coverage: Whether every rule is listed with the tests that concern it.
        least: The share of rules, in percent, that tests have to make fire; None where that does not matter.
        mutate: Whether the tests are tried on changed policies too.
        report: Where JUnit XML is written.
    """

    coverage: bool = False
    least: float | None = None
    mutate: bool = False
    report: Path | None = None


def run(files: Sequence[str], wanted: Wanted) -> bool:
    """Run the tests of each policy and print what came of them; return whether something failed.

    Raises:
        PolicyError: For mistakes in a policy or its tests.
        TenetError: Where there are no tests.
    """
    outcomes: dict[str, list[Outcome]] = {}
    failed = False
    for name in files:
        policy, tests = _read(name)
        cases = read_cases(tests, policy)
        bench = Bench(policy)
        outcomes[name] = [bench.run(case) for case in cases]
        failed |= _tell(name, outcomes[name])
        if wanted.coverage or wanted.least is not None:
            failed |= _tell_coverage(name, coverage(policy, outcomes[name]), wanted)
        if wanted.mutate:
            failed |= _tell_mutation(name, mutate(bench, cases, outcomes[name], kinds()))
    if wanted.report:
        wanted.report.write_text(junit(outcomes), encoding="utf-8")
    return failed


def _read(name: str) -> tuple[Policy, Path]:
    tests = tests_beside(policy_path(name))
    if not tests.is_file():
        raise TenetError(f"{name}: expected its tests at {tests}, found no such file")
    return load(name, kinds()), tests


def _tell(name: str, outcomes: Sequence[Outcome]) -> bool:
    for outcome in outcomes:
        print(f"{'ok  ' if outcome.passed else 'FAIL'} {outcome.name}")
        for failure in outcome.failures:
            print(f"     {outcome.where}: {failure}")
    passed = sum(outcome.passed for outcome in outcomes)
    print(f"{name}: {passed} of {len(outcomes)} tests passed")
    return passed < len(outcomes)


def _tell_coverage(name: str, found: Coverage, wanted: Wanted) -> bool:
    if wanted.coverage:
        width = max((len(each.rule) for each in found.rules), default=4)
        print(f"  {'rule':<{width}}  fired  held back")
        for each in found.rules:
            print(f"  {each.rule:<{width}}  {each.fired:5}  {each.held_back:9}")
    missing = f"; no test makes {', '.join(found.missing)} fire" if found.missing else ""
    covered = len(found.rules) - len(found.missing)
    print(f"{name}: {covered} of {len(found.rules)} rules covered ({100 * found.share:.0f} %){missing}")
    return wanted.least is not None and 100 * found.share < wanted.least


def _tell_mutation(name: str, found: Mutation) -> bool:
    for mutant in found.survivors:
        print(f"  unnoticed: {mutant.rule}: {mutant.change}")
    print(f"{name}: {found.tried - len(found.survivors)} of {found.tried} changes noticed")
    return bool(found.survivors)


def watch(files: Sequence[str], wanted: Wanted) -> None:
    """Run, and run again whenever something changes, until Ctrl-C; a mistake is told and waited out."""
    before: dict[Path, int] = {}
    try:
        while True:
            now = _stamps(files)
            if now != before:
                before = now
                try:
                    run(files, wanted)
                except PolicyError as error:
                    print(error)
                except TenetError as error:
                    print(f"guard: {error}")
                print("waiting for changes", flush=True)
            time.sleep(_LOOK_AGAIN_SECONDS)
    except KeyboardInterrupt:
        return


def _stamps(files: Sequence[str]) -> dict[Path, int]:
    """Return when each file was last changed: the policies, their bases where they can be read, their tests."""
    found: dict[Path, int] = {}
    for name in files:
        try:
            path = policy_path(name)
        except TenetError:
            continue
        watched = {path, tests_beside(path), *path.parent.glob("*.yaml")}
        for each in watched:
            if each.is_file():
                found[each] = each.stat().st_mtime_ns
    return found
