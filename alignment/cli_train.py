"""The command `align train`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from guard.errors import PolicyError, TenetError

if TYPE_CHECKING:
    from alignment.recipe.doing import Done


def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A path, or the name of a recipe that is shipped.")],
    out: Annotated[Path, typer.Option(help="Folder for data, steps and checkpoints; the same one goes on.")] = Path("run"),
    step: Annotated[str, typer.Option(metavar="NAME", help="Stop after this step.")] = "",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that is there; refuse to begin a new one.")] = False,
    planned: Annotated[
        bool, typer.Option("--plan", help="Only say what each step takes; exit status 1 where one does not fit.")
    ] = False,
    devices: Annotated[int, typer.Option(min=1, help="With --plan: devices over which FSDP or ZeRO-3 spreads the model.")] = 1,
    accelerate: Annotated[
        str, typer.Option(metavar="FILE|NAME", help="With --plan: what spreads it, as a configuration of accelerate says.")
    ] = "",
    gpu: Annotated[
        float, typer.Option(metavar="GIB", min=0, help="With --plan: for GPUs of so much memory, not this machine.")
    ] = 0,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a value, such as steps[0].max_steps=20.")
    ] = None,
) -> None:
    """Train as a recipe says; what was done before is not done again, and what was cut short goes on."""
    from alignment.recipe.together import LeftAlone, first
    from alignment.training.errors import Stopped

    def tell(line: object) -> None:
        if first():
            typer.echo(line, err=True)

    try:
        if planned:
            sys.exit(_plan(recipe, changes or [], devices, accelerate, gpu))
        done = _train(recipe, changes or [], out, step, resume)
    except Stopped as stopped:
        tell(f"align: {stopped}")
        sys.exit(stopped.status)
    except LeftAlone:
        sys.exit(2)
    except (PolicyError, TenetError, OSError) as error:
        tell(error if isinstance(error, PolicyError) else f"align: {error}")
        sys.exit(2)
    if first():
        for each in done:
            figures = ", ".join(f"{name} {value:.4g}" for name, value in each.record.figures.items() if name in _TOLD)
            typer.echo(f"{each.folder}: {each.record.kind}{f', {figures}' if figures else ''}")


def _train(name: str, changes: Sequence[str], out: Path, step: str, resume: bool) -> list[Done]:
    from alignment.recipe.doing import Doing
    from alignment.recipe.reading import load_recipe
    from alignment.recipe.together import first, joined

    recipe = load_recipe(name, changes, there=True)
    if resume and not (out / "steps").is_dir():
        raise TenetError(f"--resume: expected a run in {out}, found none (leave --resume out to begin one)")
    with joined():
        return Doing(recipe, out, lambda line: typer.echo(line, err=True) if first() else None).train(step)


def _plan(name: str, changes: Sequence[str], devices: int, accelerate: str, gpu: float) -> int:
    from alignment.recipe.counting import Target
    from alignment.recipe.planning import plan, told, would_fit
    from alignment.recipe.reading import configuration, load_recipe
    from alignment.recipe.spreading import spread_of

    recipe = load_recipe(name, changes)
    spread = spread_of(configuration(accelerate)) if accelerate else None
    target = Target(gpu=True, memory=round(gpu * (1 << 30))) if gpu else Target.here()
    status = 0
    for step in recipe.steps:
        found = plan(step, recipe.model, devices=devices, spread=spread, target=target)
        typer.echo("\n".join(told(found)))
        if found.fits:
            continue
        status = 1
        fitting = [(words, each) for words, each in would_fit(step, recipe.model, found, target) if each.fits]
        typer.echo(
            "  does not fit; " + ("what would:" if fitting else "no change of these would make it fit: a smaller model would")
        )
        for words, each in fitting:
            typer.echo(f"    {words}: {each.total / (1 << 30):.2f} GiB")
    return status


_TOLD = ("loss", "eval_loss", "rewards/margins", "rewards/accuracies", "accuracy", "reward", "kl", "train_loss")
