"""The command `align evaluate`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from guard.errors import PolicyError, TenetError

if TYPE_CHECKING:
    from alignment.evaluation.settings import EvaluationSettings
    from alignment.evaluation.subjects import LocalModel
    from alignment.recipe.model import Recipe

_BAD = 2


def evaluate(
    recipe: Annotated[
        str, typer.Argument(metavar="[RECIPE]", help="Take settings, policy and baseline from this recipe's file or name.")
    ] = "",
    baseline: Annotated[str, typer.Option(metavar="DIR|URL", help="The model before; the recipe's where not said.")] = "",
    candidate: Annotated[
        str, typer.Option(metavar="DIR|URL", help="The model after: a folder, a LoRA adapter's, a training step's, or a URL.")
    ] = "",
    baseline_model: Annotated[str, typer.Option(help="Name of the baseline at its URL.")] = "",
    candidate_model: Annotated[str, typer.Option(help="Name of the candidate at its URL.")] = "",
    key_env: Annotated[str, typer.Option(help="Environment variable with the key of both URLs.")] = "",
    base: Annotated[str, typer.Option(help="Folder of the model that an adapter belongs to, where it names none.")] = "",
    policy: Annotated[
        str, typer.Option(help="A shipped policy's name, or a path; the recipe's where not said, else default.")
    ] = "",
    prompts: Annotated[
        list[str] | None, typer.Option(metavar="SET=FILE", help="Prompts of one set, instead of the recipe's; may be repeated.")
    ] = None,
    trained_on: Annotated[
        list[str] | None, typer.Option(help="Training data, whose prompts are left out; may be repeated.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a value of the recipe, such as evaluation.asking.answers=4."),
    ] = None,
    most: Annotated[int | None, typer.Option(help="Prompts of each set at most.")] = None,
    answers: Annotated[int | None, typer.Option(help="Answers to each prompt; above 1 they are sampled.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Of the sampling; 0 for the likeliest tokens.")] = None,
    max_new_tokens: Annotated[int | None, typer.Option(help="Tokens of an answer at most.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the sampling and of the intervals.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for answers and evaluation.json; the same one goes on.")] = Path("evaluation"),
    as_json: Annotated[bool, typer.Option("--json", help="Print evaluation.json instead of a table.")] = False,
) -> None:
    """Compare a candidate with a baseline on the same prompts and seeds, with intervals."""
    from alignment.evaluation.comparing import Compared, compare
    from alignment.evaluation.result import FILE
    from alignment.evaluation.subjects import model_at
    from alignment.evaluation.table import lines

    try:
        named = _recipe(recipe, changes or ())
        settings = _settings(named, prompts or (), trained_on or ())
        asking = _given(answers=answers, temperature=temperature, max_new_tokens=max_new_tokens, seed=seed)
        settings = _changed(settings, most, asking)
        before = baseline or (named.model.path if named else "")
        if not before or not candidate:
            raise TenetError("expected --baseline and --candidate (a recipe names the baseline), got only one of them or none")
        models = Compared(
            _baseline(named, baseline) or model_at(before, base=base, served=baseline_model, key_env=key_env),
            model_at(candidate, base=base or before, served=candidate_model, key_env=key_env),
            policy or (named.policy if named else "default"),
        )
        found = compare(models, settings, out, lambda line: typer.echo(line, err=True))
    except (PolicyError, TenetError, OSError) as error:
        typer.echo(error if isinstance(error, PolicyError) else f"align: {error}", err=True)
        sys.exit(_BAD)
    typer.echo((out / FILE).read_text() if as_json else "\n".join([*lines(found), f"written: {out / FILE}"]))


def _recipe(name: str, changes: Sequence[str]) -> Recipe | None:
    from alignment.recipe.reading import load_recipe

    return load_recipe(name, changes) if name else None


def _settings(recipe: Recipe | None, prompts: Sequence[str], trained_on: Sequence[str]) -> EvaluationSettings:
    import msgspec

    from alignment.evaluation.prompts import sorted_files
    from alignment.evaluation.settings import SETS, EvaluationSettings

    settings = (recipe.evaluation if recipe else None) or EvaluationSettings()
    if prompts:
        files = msgspec.structs.replace(settings.prompts, **{name: () for name in SETS})
        settings = msgspec.structs.replace(settings, prompts=msgspec.structs.replace(files, **sorted_files(prompts)))
    return msgspec.structs.replace(settings, trained_on=(*settings.trained_on, *trained_on))


def _changed(settings: EvaluationSettings, most: int | None, asking: dict[str, Any]) -> EvaluationSettings:
    import msgspec

    if asking.get("answers", 1) > 1:
        asking.setdefault("temperature", settings.asking.temperature or 1.0)
    asked = {**msgspec.to_builtins(settings.asking), **asking}
    files = {**msgspec.to_builtins(settings.prompts), **({} if most is None else {"most": most})}
    try:
        return msgspec.structs.replace(
            settings,
            asking=msgspec.convert(asked, type(settings.asking)),
            prompts=msgspec.convert(files, type(settings.prompts)),
        )
    except msgspec.ValidationError as error:
        raise TenetError(f"expected options within their bounds, got: {error}") from error


def _given(**options: Any) -> dict[str, Any]:  # noqa: ANN401
    return {name: value for name, value in options.items() if value is not None}


def _baseline(recipe: Recipe | None, baseline: str) -> LocalModel | None:
    """Return the recipe's model as the recipe loads it; None where another one is named."""
    if recipe is None or baseline:
        return None
    from alignment.evaluation.subjects import LocalModel

    return LocalModel(recipe.model)
