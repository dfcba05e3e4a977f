"""The command `align critique`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from guard.errors import PolicyError, TenetError

if TYPE_CHECKING:
    from alignment.critique.making import Wanted


def critique(
    recipe: Annotated[
        str, typer.Argument(metavar="[RECIPE]", help="A recipe with `critique:`; or say --model, --prompts and --policy.")
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for what is made, `critique`; of a recipe's run, `run`. The same one goes on where it was."),
    ] = None,
    model: Annotated[Path | None, typer.Option(help="Folder of the model that answers, or a GGUF file.")] = None,
    adapter: Annotated[list[Path] | None, typer.Option(help="Folder of a LoRA adapter; may be repeated.")] = None,
    policy: Annotated[str, typer.Option(help="A shipped policy's name, or a path.")] = "constitution",
    prompts: Annotated[list[str] | None, typer.Option(help="File of prompts; may be repeated.")] = None,
    critic: Annotated[str, typer.Option(help="policy, self, the folder of a model, or the URL of a server.")] = "policy",
    critic_model: Annotated[str, typer.Option(help="The model's name at that server.")] = "",
    critic_key_env: Annotated[str, typer.Option(help="Environment variable with the server's key.")] = "",
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, such as answers.answers=8.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace sets made with other settings; answers stay.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the card as JSON.")] = False,
) -> None:
    """Have a model answer prompts, and its answers criticised, revised and compared by the policy's principles."""
    from alignment.data.preparing import ChecksFailed

    def say(line: str) -> None:
        typer.echo(line, err=True)

    try:
        if recipe:
            card, folder = _of_recipe(recipe, changes or [], out or Path("run"), say)
        else:
            from alignment.critique.making import make

            folder = out or Path("critique")
            said = {"critic": critic, "critic_model": critic_model, "critic_key_env": critic_key_env}
            wanted = _of_options(model, adapter or [], policy, prompts or [], said, changes or [], folder, overwrite=overwrite)
            card = make(wanted, say)
    except ChecksFailed as failed:
        typer.echo(f"align: {failed}", err=True)
        sys.exit(1)
    except (OSError, TenetError) as error:
        typer.echo(error if isinstance(error, PolicyError) else f"align: {error}", err=True)
        sys.exit(2)
    typer.echo(json.dumps(card, indent=2, ensure_ascii=False) if as_json else _summary(card, folder))


def _of_recipe(name: str, changes: list[str], out: Path, say: Callable[[str], None]) -> tuple[dict[str, Any], Path]:
    """Make what a recipe asks for where its training looks for it; return the card and the folder."""
    from alignment.critique.writing import CARD
    from alignment.recipe.doing import Doing
    from alignment.recipe.reading import load_recipe

    recipe = load_recipe(name, changes)
    if recipe.critique is None:
        raise TenetError(f"{name}: expected `critique:` in the recipe, found none (or say --model, --prompts and --policy)")
    folder, _ = Doing(recipe, out, say).critique()
    return json.loads((folder / CARD).read_bytes()), folder


def _of_options(
    model: Path | None,
    adapters: list[Path],
    policy: str,
    prompts: list[str],
    critic: dict[str, str],
    changes: list[str],
    out: Path,
    *,
    overwrite: bool,
) -> Wanted:
    from alignment.critique.making import Wanted
    from alignment.critique.settings import CritiqueSettings
    from alignment.recipe.binding import bind
    from alignment.training.settings import ModelSettings
    from guard.policy.yaml_source import read

    if model is None:
        raise TenetError("--model: expected the folder of a model, or name a recipe")
    said = {"prompts": [str(Path(prompt).absolute()) for prompt in prompts], **_critic(critic)}
    document = read(_flow({name: json.dumps(value) for name, value in said.items()} | _nested(changes)), "the options")
    problems: list[Any] = []
    settings = bind(document, CritiqueSettings, Path.cwd(), problems)
    if settings is None:
        raise PolicyError(problems)
    gguf = model.suffix == ".gguf"
    own = ModelSettings(
        path=str(model.parent if gguf else model),
        gguf_file=model.name if gguf else "",
        adapters=tuple(map(str, adapters)),
    )
    return Wanted(settings, own, policy, out, overwrite)


def _nested(changes: list[str]) -> dict[str, Any]:
    """Return `answers.answers=8` and the like as nested mappings; the values are YAML."""
    found: dict[str, Any] = {}
    for change in changes:
        key, equals, value = change.partition("=")
        *parents, last = key.split(".")
        if not equals or not all([*parents, last, value]):
            raise TenetError(f"--set: expected KEY=VALUE, such as answers.answers=8, got {change!r}")
        place = found
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise TenetError(f"--set {key}: expected a mapping at {parent}, which has a value already")
        place[last] = value
    return found


def _flow(values: dict[str, Any]) -> str:
    """Return nested mappings as YAML, whose values are YAML already."""
    said = (f"{json.dumps(name)}: {_flow(value) if isinstance(value, dict) else value}" for name, value in values.items())
    return "{" + ", ".join(said) + "}"


def _critic(said: dict[str, str]) -> dict[str, Any]:
    critic = said["critic"]
    if critic in ("policy", "self"):
        return {"critic": critic}
    if critic.startswith(("http://", "https://")):
        if not said["critic_model"]:
            raise TenetError("--critic-model: expected the model's name at the server, got none")
        server = {"url": critic, "model": said["critic_model"], "key_env": said["critic_key_env"]}
        return {"critic": "server", "server": server}
    if not Path(critic).is_dir():
        raise TenetError(f"--critic: expected policy, self, a folder or a URL, got {critic!r}, where there is no folder")
    return {"critic": "model", "model": {"path": str(Path(critic).absolute())}}


def _summary(card: dict[str, Any], out: Path) -> str:
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in card["demonstrations"].items())
    lines = [f"{card['prompts']:,} prompts, {card['answers']:,} answers; critic: {card['critic']['name']}"]
    lines.append(f"  demonstrations: {kinds or 'none'}" + (f"; {card['benign_share']:.0%} benign" if kinds else ""))
    again = "" if card["disagreement"] is None else f"; the critic contradicted itself in {card['disagreement']:.1%} of them"
    lines.append(f"  pairs: {card['pairs']:,}{again}")
    lines += [f"  left out: {count:,} × {reason}" for reason, count in card["left_out"].items()]
    lines += [f"  {note}" for note in card["notes"]]
    return "\n".join([*lines, f"written: {out} ({', '.join(card['sets']) or 'no sets'})"])
