"""The commands `align run`, `align report` and `align promote`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from guard.errors import PolicyError, TenetError

if TYPE_CHECKING:
    from alignment.promotion.registry import Registry

RecipeArgument = Annotated[str, typer.Argument(metavar="RECIPE", help="A path, or the name of a recipe that is shipped.")]
Changes = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="As for `align train`.")]
Run = Annotated[Path, typer.Option(help="The folder that `align train` and `align evaluate` wrote.")]


def report(
    recipe: RecipeArgument,
    out: Run = Path("run"),
    changes: Changes = None,
) -> None:
    """Write report.html and model-card.md into the run's folder: figures, curves, answers side by side, lineage."""
    with _told():
        _report(recipe, out, changes or [])


def _report(recipe: str, out: Path, changes: list[str]) -> None:
    from alignment.promotion.gate import verdicts
    from alignment.recipe.doing import Doing
    from alignment.recipe.reading import load_recipe, recipe_path
    from alignment.report.page import Findings, Trained, card, page, read_metrics

    asked = load_recipe(recipe, changes)
    doing = Doing(asked, out, _say)
    steps = [Trained(each.record, read_metrics(each.folder)) for each in doing.candidate()]
    evaluation = doing.evaluation()
    gate = verdicts(asked.gate, evaluation) if asked.gate else ()
    found = Findings(asked.name, evaluation, steps, recipe_path(recipe).read_text(encoding="utf-8"), gate)
    for name, text in (("report.html", page(found)), ("model-card.md", card(found))):
        (out / name).write_text(text, encoding="utf-8")
        typer.echo(out / name)


def promote(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE|NAME", help="The recipe; with --rollback and --list the model's name.")
    ] = "",
    out: Run = Path("run"),
    registry: Annotated[Path, typer.Option(help="Folder of promoted models.")] = Path("registry"),
    rollback: Annotated[bool, typer.Option("--rollback", help="Serve the version again that was served before.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="List versions; the one in production is marked.")] = False,
    changes: Changes = None,
) -> None:
    """Promote the candidate of a run if the recipe's gate holds; exit status 1 if it does not."""
    from alignment.promotion.registry import Registry

    with _told():
        shelf = Registry(registry)
        if listed:
            _list(shelf, recipe)
            return
        if not recipe:
            raise TenetError("expected a recipe, or with --rollback the name of a model")
        if rollback:
            version = shelf.roll_back(recipe)
            typer.echo(f"{shelf.path(recipe, version)}: {recipe} {version} is in production again")
            return
        _promote(recipe, out, shelf, changes or [])


def run(
    recipe: RecipeArgument,
    out: Run = Path("run"),
    registry: Annotated[
        Path | None, typer.Option(help="Promote into this folder if the gate holds; not at all where not said.")
    ] = None,
    changes: Changes = None,
) -> None:
    """Do all that a recipe says: data, critique, training, evaluation, report, gate; what was done before is not done again."""
    from alignment.evaluation.table import lines
    from alignment.promotion.registry import Registry
    from alignment.recipe.doing import Doing
    from alignment.recipe.reading import load_recipe

    with _told():
        doing = Doing(load_recipe(recipe, changes or (), there=True), out, _say)
        doing.train()
        if doing.recipe.evaluation is None:
            return
        _say("evaluation")
        typer.echo("\n".join(lines(doing.evaluate())))
        _report(recipe, out, changes or [])
        if registry is not None:
            _promote(recipe, out, Registry(registry), changes or [])


def _promote(recipe: str, out: Path, shelf: Registry, changes: list[str]) -> None:
    from alignment.promotion.promoting import Refused
    from alignment.promotion.promoting import promote as let_through
    from alignment.recipe.doing import Doing
    from alignment.recipe.reading import digest, folder_of, load_recipe

    asked = load_recipe(recipe, changes)
    if asked.gate is None:
        raise TenetError(f"{recipe}: expected a gate, got none: nothing would say whether the candidate is better")
    doing = Doing(asked, out, _say)
    steps = doing.candidate()
    aligned = [each for each in steps if each.record.kind != "reward"]
    try:
        version, found = let_through(
            asked.name,
            aligned[-1].model,
            evaluation=doing.evaluation(),
            gate=asked.gate,
            registry=shelf,
            steps=[each.record for each in steps],
            recipe=digest(asked, folder_of(recipe)),
            tell=_say,
        )
    except Refused as refused:
        for each in refused.verdicts:
            typer.echo(f"{'holds' if each.held else 'FAILS'}  {each.condition}: {each.found}")
        typer.echo("align: the gate refuses it", err=True)
        sys.exit(1)
    for each in found:
        typer.echo(f"holds  {each.condition}: {each.found}")
    folder = shelf.path(asked.name, version)
    typer.echo(f"{folder}: {asked.name} {version} is in production")
    typer.echo(f"  guard serve --upstream-model {folder} --policy {asked.policy}")
    typer.echo(
        f"  vllm serve {folder} --served-model-name {asked.name}        # for a larger one; then guard serve --upstream URL"
    )


def _list(shelf: Registry, name: str) -> None:
    for each in [name] if name else shelf.names():
        served = shelf.production(each).version
        for version in shelf.versions(each):
            lineage = shelf.lineage(each, version)
            mark = "production" if version == served else ""
            typer.echo(f"{each}  {version}  candidate {lineage.candidate[:12]}  policy {lineage.policy[:12]}  {mark}".rstrip())


@contextmanager
def _told() -> Iterator[None]:
    from alignment.data.preparing import ChecksFailed
    from alignment.training.errors import Stopped

    try:
        yield
    except Stopped as stopped:
        typer.echo(f"align: {stopped}", err=True)
        sys.exit(stopped.status)
    except ChecksFailed as failed:
        typer.echo(f"align: {failed}", err=True)
        sys.exit(1)
    except PolicyError as error:
        typer.echo(error, err=True)
        sys.exit(2)
    except (TenetError, OSError) as error:
        typer.echo(f"align: {error}", err=True)
        sys.exit(2)


def _say(line: str) -> None:
    typer.echo(line, err=True)
