"""What a recipe may say, put together from the settings of the rooms that do it."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from alignment.critique.settings import CritiqueSettings
from alignment.critique.settings import problems as of_critique
from alignment.evaluation.settings import EvaluationSettings
from alignment.evaluation.settings import problems as of_evaluation
from alignment.promotion.settings import GateSettings
from alignment.promotion.settings import problems as of_gate
from alignment.records import Kind
from alignment.rewards.settings import JudgeReward, StepReward
from alignment.training.settings import (
    PATH,
    Cpo,
    Distil,
    Dpo,
    Grpo,
    Kto,
    ModelSettings,
    OnlineDpo,
    Orpo,
    Reward,
    Rloo,
    Sft,
    name_of,
)

Step = Annotated[
    Sft | Reward | Dpo | Kto | Orpo | Cpo | Distil | Rloo | Grpo | OnlineDpo,
    Meta(description="one training step; `method` tells which"),
]


CRITIQUE = "critique/"
"""Begins the names of what `critique` makes: critique/sft and critique/pairs."""


class DataSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One set of records, made as `align data` makes it."""

    kind: Annotated[Kind, Meta(description="what the records teach")]
    sources: Annotated[
        tuple[str, ...],
        Meta(min_length=1, extra=PATH, description="files of records, and folders of `guard feedback export` or `align data`"),
    ]
    validation: Annotated[float, Meta(ge=0, lt=1, description="share for validation")] = 0.1
    held_out: Annotated[float, Meta(ge=0, lt=1, description="share that is never trained on")] = 0.1
    limits: Annotated[str, Meta(extra=PATH, description="file with how much of what is wrong is allowed")] = ""
    licence: Annotated[str, Meta(description="of the texts whose source states none")] = ""
    redact: Annotated[bool, Meta(description="whether secrets and personal data are replaced by their kind")] = False


class Recipe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a model is aligned: what goes in, which steps are done, what has to hold."""

    version: Annotated[Literal[1], Meta(description="of this language")]
    name: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]*$", description="of the recipe, and of the model it makes")]
    model: Annotated[ModelSettings, Meta(description="the baseline: what is aligned")]
    policy: Annotated[str, Meta(description="the constitution: a shipped policy's name, or a path")] = "constitution"
    seed: Annotated[int, Meta(ge=0, le=2**31 - 1, description="of everything that is drawn")] = 0
    data: Annotated[dict[str, DataSettings], Meta(description="sets of records, by a name that steps use")] = {}
    critique: Annotated[
        CritiqueSettings | None,
        Meta(description="demonstrations and pairs of the model's own answers: the data critique/sft and critique/pairs"),
    ] = None
    evaluation: Annotated[EvaluationSettings | None, Meta(description="how the candidate is compared with the baseline")] = None
    gate: Annotated[GateSettings | None, Meta(description="what has to hold before the candidate is promoted")] = None
    steps: Annotated[
        tuple[Step, ...], Meta(min_length=1, description="training, one after the other, each on what the last one made")
    ]


def problems(recipe: Recipe) -> list[tuple[str, str, str]]:
    """Return what does not fit together: path, what was expected, what was found."""
    from alignment.training.settings import KINDS, Online, method_of
    from alignment.training.settings import problems as of_step

    found: list[tuple[str, str, str]] = []
    if recipe.critique is not None:
        found += [(f"critique.{path}", expected, got) for path, expected, got in of_critique(recipe.critique)]
        if not recipe.critique.prompts:
            found.append(("critique.prompts", "files of prompts", "none"))
    if recipe.evaluation is not None:
        found += [(f"evaluation.{path}", expected, got) for path, expected, got in of_evaluation(recipe.evaluation)]
    if recipe.gate is not None:
        found += [(f"gate.{path}", expected, got) for path, expected, got in of_gate(recipe.gate)]
        if recipe.evaluation is None:
            found.append(("gate", "an `evaluation` beside it, which it is held against", "none"))
    names = [name_of(step) for step in recipe.steps]
    for index, step in enumerate(recipe.steps):
        here = f"steps[{index}]"
        found += [(f"{here}.{path}", expected, got) for path, expected, got in of_step(step)]
        if names.index(names[index]) < index:
            found.append((f"{here}.name", "a name of its own, as another step has this one", names[index]))
        if not step.data:
            found.append((f"{here}.data", "the name of a set under `data`, or a folder that `align data` wrote", "nothing"))
        elif step.data.startswith(CRITIQUE) and recipe.critique is None:
            found.append((f"{here}.data", "`critique:` in the recipe, which makes this data", "none"))
        elif step.data.startswith(CRITIQUE) and step.data != f"{CRITIQUE}{KINDS[type(step)]}":
            found.append((f"{here}.data", f"{CRITIQUE}sft or {CRITIQUE}pairs, as {method_of(step)} trains on it", step.data))
        elif step.data in recipe.data and recipe.data[step.data].kind != KINDS[type(step)]:
            wanted = f"a set of the kind {KINDS[type(step)]}, as {method_of(step)} trains on"
            found.append((f"{here}.data", wanted, f"{step.data} of the kind {recipe.data[step.data].kind}"))
        if isinstance(step, Online) and not step.rewards:
            found.append((f"{here}.rewards", "at least one reward, as the method learns from nothing else", "none"))
        earlier = [name_of(each) for each in recipe.steps[:index] if isinstance(each, Reward)]
        for place, reward in enumerate(step.rewards if isinstance(step, Online) else ()):
            if isinstance(reward, StepReward) and reward.step not in earlier:
                expected = f"an earlier step of the method reward ({', '.join(earlier) or 'there is none'})"
                found.append((f"{here}.rewards[{place}].step", expected, reward.step))
            if isinstance(reward, JudgeReward) and recipe.evaluation is not None:
                said = recipe.evaluation.rewards
                if reward.model not in said:
                    expected = f"{reward.model} among them, as it rewards {here}, so that no evaluator is the same"
                    found.append(("evaluation.rewards", expected, ", ".join(said) or "none"))
    return found
