"""What a recipe may say under `evaluation:`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from alignment.training.settings import PATH

SETS = ("harmful", "benign", "jailbreaks", "helpful", "continuations", "pairs", "neutral")
"""What prompts are there to show: the fields of `PromptFiles`."""

Files = tuple[str, ...]
Problem = tuple[str, str, str]
"""Path in the settings, what was expected, what was found."""


class PromptFiles(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files of prompts by what they are there to show. None of them may have been trained on."""

    harmful: Annotated[Files, Meta(extra=PATH, description="harmful requests; each row may name its category")] = ()
    benign: Annotated[Files, Meta(extra=PATH, description="benign requests that look harmful: refusing one is over-refusal")] = ()
    jailbreaks: Annotated[
        Files,
        Meta(
            extra=PATH, description="jailbreaks; each is put before a harmful request, or around it where it has a place for one"
        ),
    ] = ()
    helpful: Annotated[
        Files, Meta(extra=PATH, description="ordinary requests, on which the better of both answers is chosen")
    ] = ()
    continuations: Annotated[Files, Meta(extra=PATH, description="beginnings of texts whose continuation may be toxic")] = ()
    pairs: Annotated[Files, Meta(extra=PATH, description="held-out pairs: a prompt, a chosen and a rejected answer")] = ()
    neutral: Annotated[Files, Meta(extra=PATH, description="plain texts, on which perplexity is measured")] = ()
    most: Annotated[
        int, Meta(ge=1, le=100_000, description="prompts of each set that are used at most, chosen by a hash of the text")
    ] = 200


class Asking(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How answers are sampled; the same for both models."""

    answers: Annotated[int, Meta(ge=1, le=64, description="answers for each prompt")] = 1
    temperature: Annotated[float, Meta(ge=0, le=2, description="0 always takes the likeliest token")] = 0.0
    top_p: Annotated[float, Meta(gt=0, le=1, description="share of the probability from which tokens are drawn")] = 1.0
    max_new_tokens: Annotated[int, Meta(ge=1, le=8192, description="tokens of an answer at most")] = 128
    batch: Annotated[int, Meta(ge=1, le=1024, description="answers that are made at the same time")] = 16
    seed: Annotated[int, Meta(ge=0, le=2**31 - 1, description="of the sampling; the same for both models")] = 0
    system: Annotated[str, Meta(description="system message before every prompt; none where empty")] = ""


class Server(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model behind an OpenAI-compatible server."""

    url: Annotated[str, Meta(description="base URL, with its /v1")]
    model: Annotated[str, Meta(description="the model's name there")]
    key_env: Annotated[str, Meta(description="environment variable that holds the key; none is sent where empty")] = ""
    timeout: Annotated[float, Meta(gt=0, le=3600, description="seconds for one answer")] = 120.0


class Evaluators(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who judges the answers."""

    harm: Annotated[
        tuple[Literal["independent", "judge", "policy"], ...],
        Meta(
            min_length=1,
            description="who calls an answer harmful: the shipped independent model, the judge, or the policy's detectors. "
            "The first counts, the others are reported beside it",
        ),
    ] = ("independent",)
    judge: Annotated[Server | None, Meta(description="a large model that judges answers, and chooses the better of two")] = None
    reward_model: Annotated[
        str,
        Meta(
            extra=PATH, description="folder of a reward model that chooses the better of two answers; the judge does where empty"
        ),
    ] = ""
    judge_made_from: Annotated[
        Files, Meta(description="data sets and detectors that the judge or the reward model was made from")
    ] = ()


class LmEval(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tasks of lm-evaluation-harness, run on both models."""

    tasks: Annotated[Files, Meta(description="names of tasks; none are run where empty")] = ()
    limit: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="examples of each task at most; all where not said")] = (
        None
    )


class EvaluationSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a candidate is compared with the baseline."""

    prompts: Annotated[PromptFiles, Meta(description="files of prompts")] = PromptFiles()
    trained_on: Annotated[
        Files,
        Meta(
            extra=PATH,
            description="files and folders of the training data: prompts that stand there, nearly the same, are left out",
        ),
    ] = ()
    asking: Annotated[Asking, Meta(description="how answers are sampled")] = Asking()
    evaluators: Annotated[Evaluators, Meta(description="who judges")] = Evaluators()
    labels: Annotated[
        Files,
        Meta(
            description="what made the labels trained on: `policy`, a detector's kind, a data set, a folder of a model; "
            "`policy` stands for all detectors of the policy"
        ),
    ] = ("policy",)
    rewards: Annotated[Files, Meta(description="what made the rewards that were trained on, in the same words")] = ("policy",)
    circular: Annotated[
        Literal["refused", "accepted"],
        Meta(description="whether evaluators may be those that made labels or rewards; the result says so on top"),
    ] = "refused"
    level: Annotated[float, Meta(ge=0.5, lt=1, description="confidence of the intervals")] = 0.95
    draws: Annotated[int, Meta(ge=100, le=100_000, description="resamplings behind an interval")] = 2000
    margin: Annotated[
        float, Meta(gt=0, lt=1, description="how far a rate may be off: it says how many prompts that would take")
    ] = 0.05
    lm_eval: Annotated[LmEval, Meta(description="tasks of lm-evaluation-harness")] = LmEval()
    samples: Annotated[int, Meta(ge=0, le=1000, description="answers of both models that the result shows, of each set")] = 8


def problems(settings: EvaluationSettings) -> list[Problem]:
    """Return what does not fit together."""
    found: list[Problem] = []
    judges = settings.evaluators
    if "judge" in judges.harm and judges.judge is None:
        found.append(("evaluators.judge", "a judge, as evaluators.harm names it", "nothing"))
    if len(set(judges.harm)) < len(judges.harm):
        found.append(("evaluators.harm", "each evaluator once", ", ".join(judges.harm)))
    if settings.asking.answers > 1 and settings.asking.temperature == 0:
        found.append(("asking.temperature", "above 0, as equal answers to a prompt say nothing more", "0"))
    if settings.prompts.jailbreaks and not settings.prompts.harmful:
        found.append(("prompts.harmful", "harmful requests, which the jailbreaks are put before", "none"))
    if not any(getattr(settings.prompts, name) for name in SETS) and not settings.lm_eval.tasks:
        found.append(("prompts", f"files of prompts in one of {', '.join(SETS)}", "none"))
    return found


def plain(settings: Struct) -> dict[str, Any]:
    """Return settings as JSON values."""
    import msgspec

    values: dict[str, Any] = msgspec.to_builtins(settings)
    return values
