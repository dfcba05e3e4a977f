"""The command `align`."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from alignment.cli_critique import critique
from alignment.cli_data import data
from alignment.cli_distil import distil
from alignment.cli_evaluate import evaluate as evaluate_models
from alignment.cli_promote import promote, report, run
from alignment.cli_recipe import recipe as recipes
from alignment.cli_train import train as train_recipe
from guard.detectors.embedded_stages import MODEL
from guard.errors import TenetError
from guard.runtime.cores import available_cores


class Stage(StrEnum):
    """Which of the two stages is trained."""

    LINEAR = "linear"
    TRANSFORMER = "transformer"
    BOTH = "both"


app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Train and judge what Tenet runs on."
)
classifier = typer.Typer(no_args_is_help=True, help="Train classifiers: the embedded one, and small ones of your own.")
app.add_typer(classifier, name="classifier")
classifier.command("distil")(distil)
app.add_typer(recipes, name="recipe")
app.command("data")(data)
app.command("critique")(critique)
app.command("train")(train_recipe)
app.command("evaluate")(evaluate_models)
app.command("run")(run)
app.command("report")(report)
app.command("promote")(promote)

Data = Annotated[Path, typer.Option(help="Folder with the data sets, one JSONL file each.")]
Seed = Annotated[int, typer.Option(help="The same data and seed give the same model.")]

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@app.callback()
def _align() -> None:
    """Keep `classifier` a group of its own."""


@classifier.command("train")
def train(
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for the weights, their digest and the model card.")] = MODEL.parent,
    seed: Seed = 20261124,
    stage: Annotated[Stage, typer.Option(help="Which stage; the transformer takes most of an hour on two cores.")] = Stage.BOTH,
) -> None:
    """Train the embedded classifier, evaluate it, and write weights, digests and model cards."""
    start = time.monotonic()

    def tell(line: str) -> None:
        typer.echo(f"{time.monotonic() - start:5.0f} s  {line}", err=True)

    try:
        if stage is not Stage.TRANSFORMER:  # first, as the transformer is calibrated together with it
            _written(_train_linear(data, out, seed, tell))
        if stage is not Stage.LINEAR:
            _written(_train_transformer(data, out, seed, tell))
    except (OSError, ValueError, TenetError) as error:
        _give_up(error)


def _train_transformer(data: Path, out: Path, seed: int, tell: Callable[[str], None]) -> Path:
    import torch

    from alignment.classifiers.encoder import make

    torch.set_num_threads(available_cores())
    return make(data, out, seed, tell)


def _train_linear(data: Path, out: Path, seed: int, tell: Callable[[str], None]) -> Path:
    _use_one_thread()
    from alignment.classifiers.export import export
    from alignment.classifiers.training import train as fit

    return export(fit(data, seed, tell), out)


def _written(path: Path) -> None:
    typer.echo(f"{path}: {path.stat().st_size / 1e6:.2f} MB; its card stands beside it")


@classifier.command("evaluate")
def evaluate(
    data: Data,
    model: Annotated[Path, typer.Option(help="The weights.")] = MODEL,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    seed: Seed = 20261124,
) -> None:
    """Evaluate a classifier on the held-out rows of the data sets."""
    _use_one_thread()
    from alignment.classifiers.card import measured
    from alignment.classifiers.dataset import read
    from alignment.classifiers.evaluation import evaluate as judge
    from guard.detectors.linear import LinearStage

    try:
        examples = [example for example in read(data) if example.held_out]
        found = judge(LinearStage.load(model), examples, seed)
    except (OSError, ValueError, TenetError) as error:
        _give_up(error)
    typer.echo(json.dumps(found.as_dict(), indent=2) if as_json else measured(found))


def main() -> None:
    """Run the command."""
    app()


def _use_one_thread() -> None:
    """Keep the linear algebra on one core: the sums are small, and a machine is shared."""
    for name in _ONE_THREAD:
        os.environ.setdefault(name, "1")


def _give_up(error: Exception) -> NoReturn:
    typer.echo(f"align: {error}", err=True)
    sys.exit(2)
