"""`guard evaluate`: its options. What it does is imported when it is run, so that other commands start quickly."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    datasets: Annotated[
        list[str], typer.Argument(metavar="DATASET…", help="Labelled records: JSON lines (also .gz), CSV or Parquet.")
    ],
    detector: Annotated[
        list[str] | None,
        typer.Option("--detector", metavar="NAME", help="A kind, or a detector of --policy; give two to compare them."),
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option("--policy", metavar="POLICY", help="A policy, whose decisions are judged; give two to compare them."),
    ] = None,
    against: Annotated[
        str, typer.Option("--against", metavar="NAME", help="Compare with this detector or policy, on the same records.")
    ] = "",
    field: Annotated[str, typer.Option(metavar="FIELD", help="Where a record's text stands.")] = "text",
    labels: Annotated[str, typer.Option(metavar="FIELD", help="Where its labels stand: 0 or 1 by category.")] = "labels",
    category: Annotated[
        str, typer.Option(metavar="NAME", help="What the single label of each record is about; any for harm of any kind.")
    ] = "",
    label: Annotated[str, typer.Option(metavar="FIELD", help="Where that label of 0 or 1 stands.")] = "label",
    id_field: Annotated[str, typer.Option("--id", metavar="FIELD", help="Where its own id stands, if it has one.")] = "id",
    slices: Annotated[
        list[str] | None,
        typer.Option("--slice", metavar="FIELD", help="Measure each value of this field for itself; may be given again."),
    ] = None,
    stage: Annotated[
        str, typer.Option("--stage", metavar="STAGE", help="Which way texts travel, where their record does not say.")
    ] = "input",
    role: Annotated[
        str, typer.Option("--role", metavar="ROLE", help="Whose words they are, where their record does not say.")
    ] = "",
    batch: Annotated[int, typer.Option(metavar="N", help="Records judged at the same time.", min=1, max=10_000)] = 64,
    timed: Annotated[
        int, typer.Option(metavar="N", help="Texts that are judged alone to measure times; 0 for none.", min=0, max=10_000)
    ] = 200,
    seed: Annotated[
        int, typer.Option(metavar="N", help="Of the draws for intervals and of the texts that are timed.", min=0)
    ] = 0,
    worst: Annotated[
        int, typer.Option("--worst", metavar="N", help="Print the texts of the N worst false alarms and misses.", min=0, max=1000)
    ] = 0,
    min_auprc: Annotated[
        list[str] | None,
        typer.Option("--min-auprc", metavar="CATEGORY=NUMBER", help="Exit with 1 if it is lower; may be given again."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Write evaluation.json, evaluation.md and plots here.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an evaluation that FOLDER already has.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Measure how good detectors and policies are on labelled texts; exit status 1 if a --min-auprc is not reached."""
    from guard.cli.evaluations import Output, evaluate_files, question

    asked = question(
        datasets,
        detector or [],
        policy or [],
        against,
        layout={"text": field, "labels": labels, "category": category, "label": label, "id": id_field},
        slices=slices or [],
        stage=stage,
        role=role,
        numbers={"together": batch, "timed": timed, "seed": seed, "worst": worst},
    )
    raise typer.Exit(evaluate_files(asked, Output(out, overwrite, json_output, tuple(min_auprc or ()))))
