"""The commands `align recipe check`, `schema`, `list` and `path`."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from guard.errors import PolicyError, TenetError

recipe = typer.Typer(no_args_is_help=True, help="Recipes: see what may stand in them, and what is wrong with them.")


@recipe.command()
def check(
    recipes: Annotated[list[str], typer.Argument(metavar="RECIPE…", help="Paths, or names of recipes that are shipped.")],
    there: Annotated[
        bool, typer.Option("--files/--no-files", help="Whether the model, data and policy that it names have to be there.")
    ] = True,
    changes: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="As for `align train`.")] = None,
) -> None:
    """Say all that is wrong with recipes; exit status 1 where something is."""
    from alignment.recipe.reading import digest, folder_of, load_recipe

    status = 0
    for name in recipes:
        try:
            found = load_recipe(name, changes or (), there=there)
        except PolicyError as error:
            typer.echo(error)
            status = 1
        except TenetError as error:
            typer.echo(f"align: {error}", err=True)
            sys.exit(2)
        else:
            steps = "1 step" if len(found.steps) == 1 else f"{len(found.steps)} steps"
            typer.echo(f"{name}: {found.name}, {steps}, digest {digest(found, folder_of(name))[:12]}")
    sys.exit(status)


@recipe.command()
def schema(
    markdown: Annotated[bool, typer.Option("--markdown", help="Every key of a recipe as tables in Markdown.")] = False,
) -> None:
    """Print the JSON Schema of recipes, by which an editor completes and checks them."""
    from alignment.recipe import reference

    typer.echo(reference.page() if markdown else json.dumps(reference.schema(), indent=2, ensure_ascii=False), nl=not markdown)


@recipe.command("list")
def list_shipped() -> None:
    """List the recipes that are shipped, and what each is for."""
    from alignment.recipe.reading import purpose, shipped

    for name, path in shipped().items():
        typer.echo(f"{name:<16} {purpose(path)}")


@recipe.command()
def path(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A shipped recipe, or accelerate/NAME for one of accelerate.")],
) -> None:
    """Print where a shipped recipe or configuration of accelerate stands, to copy it or hand it to accelerate."""
    from alignment.recipe.reading import shipped_file

    try:
        typer.echo(shipped_file(name))
    except TenetError as error:
        typer.echo(f"align: {error}", err=True)
        sys.exit(2)
