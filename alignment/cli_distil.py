"""The command `align classifier distil`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from guard.errors import PolicyError, TenetError


def distil(
    texts: Annotated[list[str], typer.Argument(metavar="FILE…", help="Labelled texts, as for guard evaluate.")],
    out: Annotated[Path, typer.Option(help="New folder for the classifier.")],
    teacher: Annotated[
        str, typer.Option(metavar="POLICY", help="Label the texts by the detectors of this policy, instead of their own labels.")
    ] = "",
    detector: Annotated[str, typer.Option(help="With --teacher: only by this one.")] = "",
) -> None:
    """Train a small classifier of what people or an expensive detector decided, for a policy to use in its place."""
    from alignment.classifiers.distil import distil as fit

    try:
        rows = list(_taught(texts, teacher, detector) if teacher else _labelled(texts))
        found = fit(rows, out, lambda line: typer.echo(line, err=True))
    except (PolicyError, TenetError, OSError) as error:
        typer.echo(error if isinstance(error, PolicyError) else f"align: {error}", err=True)
        sys.exit(2)
    names = ", ".join(each.category for each in found)
    typer.echo(f"{out}: {names}; its card is {out / 'README.md'}")
    labels = ", ".join(f"{each.category}: {each.category}" for each in found)
    typer.echo(f"  detectors: {{cheap: {{use: onnx, model: {out.absolute()}, labels: {{{labels}}}}}}}")


def _labelled(files: list[str]) -> Iterator[tuple[str, Mapping[str, float]]]:
    from guard.evaluation.dataset import Dataset

    for file in files:
        for record in Dataset(file).records():
            yield record.text, {name: float(value) for name, value in record.labels.items()}


def _taught(files: list[str], policy: str, detector: str) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Yield texts with what a policy's detectors say of them: the highest score of each category that they can report."""
    from guard.engine import Guard
    from guard.evaluation.dataset import Dataset
    from guard.values import Stage

    guard = Guard(policy)
    if detector and detector not in guard.detectors:
        raise TenetError(f"--detector: expected one of {', '.join(guard.detectors)}, got {detector}")
    teachers = [each for name, each in guard.detectors.items() if not detector or name == detector]
    wanted = sorted({category for each in teachers for category in each.categories})
    for file in files:
        for record in Dataset(file).records():
            found = guard.explain(record.text, record.stage or Stage.INPUT).decision
            scores = dict.fromkeys(wanted, 0.0)
            for finding in found.findings:
                if finding.category in scores and (not detector or finding.detector == detector):
                    scores[finding.category] = max(scores[finding.category], finding.score)
            if not found.failed:
                yield record.text, scores
