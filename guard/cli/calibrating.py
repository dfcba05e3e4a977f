"""`guard calibrate`: its options. What it does is imported when it is run, so that other commands start quickly."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXIT_NOT_KEPT = 1


def calibrate(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="Labelled records: JSON lines (also .gz), CSV or Parquet.")],
    policy: Annotated[str, typer.Option("--policy", help="The policy whose thresholds are chosen; a shipped one needs --out.")],
    risk: Annotated[float, typer.Option(metavar="SHARE", help="The largest rate of losses.")] = 0.05,
    control: Annotated[str, typer.Option(metavar="LOSS", help="Which losses: misses or false-alarms.")] = "misses",
    confidence: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Promise it with this confidence, such as 0.95; in expectation where absent."),
    ] = None,
    benign_only: Annotated[
        bool, typer.Option("--benign-only", help="Count false alarms among records whose known labels are all 0.")
    ] = False,
    rule: Annotated[
        list[str] | None, typer.Option("--rule", metavar="ID", help="Choose only for this rule; may be given again.")
    ] = None,
    holdout: Annotated[float, typer.Option(metavar="SHARE", help="Share of the records to look at what came of it.")] = 0.0,
    seed: Annotated[int, typer.Option(metavar="N", help="Which records are held out.")] = 0,
    stage: Annotated[
        str, typer.Option(metavar="STAGE", help="Which way the texts travel; as each rule reads where absent.")
    ] = "",
    role: Annotated[str, typer.Option(metavar="ROLE", help="Whose words they are; the stage's own where absent.")] = "",
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write here instead of into the policy.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE where it exists.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print what came of it as JSON.")] = False,
) -> None:
    """Choose thresholds that keep a promise about fresh records; exit status 1 where a rule does not keep it."""
    from guard.cli.thresholds import Target, asked, calibrate_policy

    question = asked(
        control,
        risk,
        confidence,
        rules=rule or [],
        benign_only=benign_only,
        holdout=holdout,
        seed=seed,
        stage=stage,
        role=role,
    )
    target = Target(dataset, policy, out, overwrite, dry_run)
    raise typer.Exit(0 if calibrate_policy(target, question, json_output=json_output) else EXIT_NOT_KEPT)
