"""`guard policy shadow …`: try a policy beside the one in force, see what comes of it, put it in its place or drop it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from guard.cli.storing import JsonOption, StoreOption, opened_store
from guard.errors import TenetError

if TYPE_CHECKING:
    from guard.store.store import Store
    from guard.store.trial_log import TrialLog, TrialRecord

shadow_app = typer.Typer(help="Try a policy beside the one in force: in the shadow, or as a canary.", no_args_is_help=True)

CandidateArgument = Annotated[
    str, typer.Argument(help="The candidate's name, or how its digest begins; not needed where one is tried.")
]
TenantOption = Annotated[str | None, typer.Option(help="Whose exchanges only; everybody's where not said.")]
BesideOption = Annotated[
    str,
    typer.Option("--beside", metavar="NAME", help="Name of the policy beside which it stands; the last in force where not said."),
]


@shadow_app.command()
def start(
    policy: Annotated[str, typer.Argument(metavar="POLICY[@PERCENT]", help="The candidate, and its share of the traffic.")],
    canary: Annotated[
        bool, typer.Option("--canary", help="Let it decide about that share, in place of the one in force.")
    ] = False,
    beside: BesideOption = "",
    store: StoreOption = "default",
) -> None:
    """Try a policy: the servers of the store begin within seconds. Its tests have to pass."""
    from guard.cli.candidates import begin, candidate
    from guard.engine import Guard
    from guard.store.audit import operator

    with _log(store) as (_, log):
        known = log.in_force(beside)
        if known is None:
            got = f"none of the name {beside!r}" if beside else "none"
            raise TenetError(f"{store}: expected a policy that a server has put in force, got {got}; see `guard policy history`")
        chosen = candidate("canary" if canary else "shadow", "POLICY[@PERCENT]", policy, Guard)
        trial = begin(log, chosen, known[0], operator())
    done = "is tried" if trial is not None else "is tried already"
    percent = f"{chosen.wish.percent:g} % of the traffic"
    print(
        f"{chosen.guard.policy.name} {done} as a {chosen.kind} beside {known[0]}, on {percent}; its servers see it within seconds"
    )


@shadow_app.command(name="list")
def list_trials(
    store: StoreOption = "default",
    limit: Annotated[int, typer.Option(help="Trials at most, the latest first.", min=1, max=100_000)] = 20,
    json_output: JsonOption = False,
) -> None:
    """Say which policies are tried, and were."""
    from guard.cli.shadow_report import listed

    with _log(store) as (opened, log):
        print(listed(opened, log.every()[:limit], as_json=json_output))


@shadow_app.command()
def show(
    candidate: CandidateArgument = "",
    tenant: TenantOption = None,
    store: StoreOption = "default",
    most: Annotated[int, typer.Option("--examples", help="Latest differences that are named.", min=0, max=10_000)] = 10,
    texts: Annotated[bool, typer.Option("--show", help="Show how their texts begin, where the store keeps them.")] = False,
    json_output: JsonOption = False,
) -> None:
    """Say how often a candidate decides as the policy in force does, which rules fire more or less, and where."""
    from guard.cli.shadow_report import report

    with _log(store) as (opened, log):
        trial = _chosen(log, candidate, running=False)
        print(report(opened, trial, tenant, most, texts=texts, as_json=json_output))


@shadow_app.command()
def promote(
    candidate: CandidateArgument = "",
    into: Annotated[
        str,
        typer.Option(
            metavar="FILE", help="File of the policy in force, which is replaced; the one that was served, where not said."
        ),
    ] = "",
    store: StoreOption = "default",
) -> None:
    """Write a candidate in the place of the policy in force, if its tests pass; the servers of the store put it in force."""
    from guard.cli.promoting import promoted
    from guard.store.audit import operator
    from guard.store.trial_log import PROMOTED

    with _log(store) as (_, log):
        trial = _chosen(log, candidate, running=True)
        known = log.in_force(trial.beside)
        target, saved = promoted(trial, into or (known[1] if known is not None else ""))
        log.end(trial, PROMOTED, actor=operator())
    print(f"{trial.name}, digest {trial.digest[:16]}…, is in {target}; what was there is in {saved}")
    print("its servers put it in force within seconds")


@shadow_app.command()
def drop(
    candidate: CandidateArgument = "",
    reason: Annotated[str, typer.Option(help="Why, for the history.")] = "",
    store: StoreOption = "default",
) -> None:
    """Try a policy no longer; what came of it stays."""
    from guard.store.audit import operator
    from guard.store.trial_log import DROPPED

    with _log(store) as (_, log):
        trial = _chosen(log, candidate, running=True)
        log.end(trial, DROPPED, actor=operator(), reason=reason)
    print(f"{trial.name}, digest {trial.digest[:16]}…, is dropped; its servers see it within seconds")


def when(at: int) -> str:
    """Return a time of the store as tables show it, in UTC."""
    return datetime.fromtimestamp(at / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")


@contextmanager
def _log(url: str) -> Iterator[tuple[Store, TrialLog]]:
    with opened_store(url) as store:
        from guard.store.trial_log import TrialLog

        yield store, TrialLog(store)


def _chosen(log: TrialLog, named: str, *, running: bool) -> TrialRecord:
    """Return the trial that is meant: of several of one candidate the latest.

    Raises:
        TenetError: Where there is none, or several are meant.
    """
    every = log.every()
    going = [trial for trial in every if not trial.ended]
    known = going if running else every
    if not named and not running and going:
        known = going
    elif not named and not running:
        known = every[:1]
    fitting = [
        trial for trial in known if not named or trial.name == named or (len(named) >= 4 and trial.digest.startswith(named))
    ]
    latest = {trial.digest: trial for trial in reversed(fitting)}
    if len(latest) == 1:
        return next(iter(latest.values()))
    meant = "a policy that is tried" if running else "a policy that is or was tried"
    got = ", ".join(f"{trial.name} ({trial.digest[:16]})" for trial in latest.values()) or "none"
    raise TenetError(f"CANDIDATE: expected {meant}{f', of the name or digest {named!r}' if named else ''}, found {got}")
