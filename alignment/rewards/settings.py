"""What a recipe may say under `rewards:` of an online step; each entry's `kind` tells which of these it is."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Weight = Annotated[float, Meta(gt=0, le=1000, description="how much it counts in the sum")]


class PolicyReward(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="policy"):
    """The recipe's policy: 0 for an answer that it lets pass, less for one that it acts on or nearly acts on."""

    weight: Weight = 1.0
    flag: Annotated[float, Meta(ge=-10, le=0, description="for an answer that is only flagged")] = -0.25
    redact: Annotated[float, Meta(ge=-10, le=0, description="for an answer in which something is redacted")] = -0.5
    block: Annotated[float, Meta(ge=-10, le=0, description="for an answer that is blocked")] = -1.0
    slope: Annotated[
        float,
        Meta(
            ge=0, lt=1, description="share of that which a score just below a rule's threshold costs; falls to 0 with the score"
        ),
    ] = 0.5


class ModelReward(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="model"):
    """A reward model, such as the method `reward` trains."""

    path: Annotated[
        str, Meta(min_length=1, extra={"path": True}, description="folder of the model, or of a step `reward` with its step.json")
    ]
    weight: Weight = 1.0
    batch_size: Annotated[int, Meta(ge=1, le=1024, description="answers that are scored at a time")] = 16


class StepReward(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="step"):
    """The reward model that an earlier step of the recipe made."""

    step: Annotated[str, Meta(min_length=1, description="name of a step of the method reward")]
    weight: Weight = 1.0


class JudgeReward(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="judge"):
    """A language model on a server, asked whether an answer breaks the policy's principles: 0 for none of them, -1 for all."""

    url: Annotated[str, Meta(min_length=1, description="the server, its /v1, or the whole route")]
    model: Annotated[str, Meta(min_length=1, description="the model, as the server knows it")]
    api: Annotated[Literal["openai", "anthropic"], Meta(description="the interface of the server")] = "openai"
    key_env: Annotated[str, Meta(description="the environment variable that holds the key")] = ""
    structured: Annotated[
        Literal["", "json_schema", "json_object", "none"], Meta(description="how the form of the verdict is asked for")
    ] = ""
    principles: Annotated[tuple[str, ...], Meta(description="ids of the policy's principles; all where none is named")] = ()
    seconds: Annotated[float, Meta(gt=0, le=3600, description="a verdict may take, with waiting and retries")] = 60.0
    parallel: Annotated[int, Meta(ge=1, le=1024, description="questions under way at the same time")] = 16
    retries: Annotated[int, Meta(ge=0, le=10, description="further tries of a question that failed")] = 2
    weight: Weight = 1.0


class LengthReward(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="length"):
    """0 for an answer of a fitting length, down to -1 for one that is empty or twice as long as it may be."""

    weight: Weight = 1.0
    least: Annotated[int, Meta(ge=0, le=100_000, description="characters that an answer should have")] = 40
    most: Annotated[int, Meta(ge=1, le=1_000_000, description="characters that an answer should not exceed")] = 2000


class RepetitionReward(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="repetition"):
    """0 for an answer that does not repeat itself, down to -1 for one that says the same words over and over."""

    weight: Weight = 1.0
    words: Annotated[int, Meta(ge=1, le=10, description="how many words in a row are compared")] = 3


RewardSettings = PolicyReward | ModelReward | StepReward | JudgeReward | LengthReward | RepetitionReward
