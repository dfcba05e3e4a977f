"""What a recipe may say under `critique:`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from alignment.evaluation.settings import Server
from alignment.models.sampling import Sampling
from alignment.models.sampling import problems as of_sampling
from alignment.training.settings import PATH, ModelSettings

Problem = tuple[str, str, str]
"""Path in the settings, what was expected, what was found."""

Minded = Literal["flag", "redact", "block"]


class PolicyCritic(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the policy's own detectors judge answers, where no model is there that could."""

    margin: Annotated[
        float,
        Meta(gt=0, le=1, description="by how much the best answer has to be better than the worst to make a pair; block is 1"),
    ] = 0.1
    minds: Annotated[Minded, Meta(description="the mildest action on an answer that makes the refusal its lesson")] = "flag"
    refuse_labelled: Annotated[
        bool,
        Meta(description="teach the refusal for prompts that are labelled as harmful, also where no detector minds the answers"),
    ] = True


class CritiqueSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a model's own answers become training data by the policy's principles."""

    prompts: Annotated[
        tuple[Annotated[str, Meta(extra=PATH)], ...],
        Meta(description="files of prompts, and folders of `align data --kind prompts`, whose held-out prompts are left alone"),
    ] = ()
    most: Annotated[int, Meta(ge=1, description="prompts that are used at most, chosen by a hash of their words")] = 10_000
    system: Annotated[str, Meta(description="system message before every prompt; none where empty")] = ""
    answers: Annotated[Sampling, Meta(description="how the model answers the prompts")] = Sampling(answers=4, temperature=1.0)
    critic: Annotated[
        Literal["policy", "self", "model", "server"],
        Meta(
            description="who judges: the policy's detectors, the model itself, another one in a folder (`model`), or one behind "
            "an OpenAI-compatible server (`server`)"
        ),
    ] = "policy"
    policy: Annotated[PolicyCritic, Meta(description="how the policy judges, with `critic: policy`")] = PolicyCritic()
    model: Annotated[ModelSettings | None, Meta(description="the critic, with `critic: model`")] = None
    server: Annotated[Server | None, Meta(description="the critic, with `critic: server`")] = None
    principles: Annotated[
        tuple[str, ...], Meta(description="ids of the policy's principles that are asked about; all of them where empty")
    ] = ()
    rounds: Annotated[
        int,
        Meta(
            ge=0, le=100, description="critiques of an answer at most, each by another principle; a revision follows if need be"
        ),
    ] = 2
    labels: Annotated[
        int, Meta(ge=0, le=64, description="pairs of answers to each prompt that the critic labels, each by a principle")
    ] = 1
    critic_tokens: Annotated[int, Meta(ge=16, le=65_536, description="tokens of one answer of the critic at most")] = 512
    critic_batch: Annotated[int, Meta(ge=1, le=4096, description="questions that the critic answers at the same time")] = 8
    critic_seconds: Annotated[float, Meta(ge=0, description="after which the critic is asked no more; 0 for no limit")] = 0.0
    benign_share: Annotated[
        float,
        Meta(ge=0, lt=1, description="share of demonstrations that answer benign prompts at least; refusals are left out for it"),
    ] = 0.5
    validation: Annotated[float, Meta(ge=0, lt=1, description="share for validation")] = 0.1
    limits: Annotated[
        str,
        Meta(
            extra=PATH,
            description="file with how much of what is wrong with the data is allowed; measured and not limited where empty",
        ),
    ] = ""


def problems(settings: CritiqueSettings) -> list[Problem]:
    """Return what does not fit together."""
    found = [(f"answers.{path}", expected, got) for path, expected, got in of_sampling(settings.answers)]
    if settings.critic == "policy" and settings.answers.answers < 2:
        found.append(("answers.answers", "at least 2, as the policy compares answers", str(settings.answers.answers)))
    if settings.critic == "model" and settings.model is None:
        found.append(("model", "a model, as `critic: model` asks one", "nothing"))
    if settings.critic == "server" and settings.server is None:
        found.append(("server", "a server, as `critic: server` asks one", "nothing"))
    if settings.critic != "policy" and not settings.rounds and not settings.labels:
        found.append(("rounds", "at least 1 here or at `labels`, or the critic has nothing to do", "0"))
    if settings.critic != "policy" and settings.labels and settings.answers.answers < 2:
        found.append(
            ("answers.answers", "at least 2, as `labels` compares answers (or labels: 0)", str(settings.answers.answers))
        )
    return found
