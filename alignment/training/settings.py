"""What a recipe may say of a model and of a training step; a step's `method` tells which of these it is."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from alignment.rewards.settings import RewardSettings

PATH = {"path": True}
"""Marks a text that is a path, relative to the recipe that says it."""

Problem = tuple[str, str, str]
"""Path in the settings, what was expected, what was found."""


class ModelSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A language model in a folder, or in a GGUF file."""

    path: Annotated[str, Meta(min_length=1, extra=PATH, description="folder with config, tokenizer and safetensors")]
    gguf_file: Annotated[str, Meta(description="file in that folder, where the weights are in GGUF; dequantised when loaded")] = (
        ""
    )
    adapters: Annotated[
        tuple[str, ...], Meta(extra=PATH, description="folders of LoRA adapters, merged in one after the other when loaded")
    ] = ()
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16"],
        Meta(description="of the weights; auto is bfloat16 on a GPU that has it, float32 elsewhere"),
    ] = "auto"
    quantization: Annotated[
        Literal["none", "8bit", "4bit"], Meta(description="of the frozen weights, for QLoRA; needs bitsandbytes and a GPU")
    ] = "none"
    trust_remote_code: Annotated[
        bool, Meta(description="run code that comes with the model: only where you trust its source")
    ] = False


class LoraSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Low-rank adapters: the model stays as it is, and small matrices beside it learn."""

    rank: Annotated[int, Meta(ge=1, le=1024, description="inner dimension of the matrices")] = 16
    alpha: Annotated[float, Meta(gt=0, le=4096, description="scale: what they add is multiplied by alpha / rank")] = 32.0
    dropout: Annotated[float, Meta(ge=0, lt=1, description="share of their input that is dropped in training")] = 0.0
    target: Annotated[
        str | tuple[str, ...],
        Meta(description="names of the layers that get them; all-linear for every linear layer but the head"),
    ] = "all-linear"


class Common(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every method knows."""

    name: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]*$", description="of the step; the method's where not said")] = ""
    data: Annotated[
        str, Meta(description="folder that `align data` or `align critique` wrote; an earlier step's product where empty")
    ] = ""
    lora: Annotated[LoraSettings | None, Meta(description="adapters; null trains all weights")] = LoraSettings()
    learning_rate: Annotated[float, Meta(gt=0, le=1, description="at its highest, after warm-up")] = 1e-4
    epochs: Annotated[float, Meta(gt=0, le=1000, description="passes over the data, where max_steps does not say")] = 1.0
    max_steps: Annotated[int, Meta(ge=-1, le=10_000_000, description="optimizer steps; -1 where epochs say")] = -1
    batch_size: Annotated[int, Meta(ge=1, le=4096, description="examples on each device at a time")] = 4
    gradient_accumulation: Annotated[int, Meta(ge=1, le=4096, description="batches to an optimizer step")] = 1
    max_length: Annotated[
        int, Meta(ge=8, le=1_000_000, description="tokens of an example; what is longer is cut, and counted")
    ] = 1024
    warmup: Annotated[float, Meta(ge=0, lt=1, description="share of the steps in which the learning rate rises")] = 0.05
    schedule: Annotated[
        Literal["linear", "cosine", "constant", "constant_with_warmup"], Meta(description="how the learning rate goes on")
    ] = "cosine"
    weight_decay: Annotated[float, Meta(ge=0, le=1, description="how strongly weights are drawn to zero")] = 0.0
    max_grad_norm: Annotated[float, Meta(gt=0, le=1e6, description="gradients are clipped to this norm")] = 1.0
    bf16: Annotated[bool | None, Meta(description="mixed precision; where it helps, if not said: on GPUs that have it")] = None
    gradient_checkpointing: Annotated[
        bool | None, Meta(description="compute activations twice to save memory; on GPUs, if not said")
    ] = None
    checkpoint_every: Annotated[int, Meta(ge=1, le=1_000_000, description="optimizer steps between checkpoints")] = 50
    keep_checkpoints: Annotated[int, Meta(ge=2, le=1000, description="how many of the latest are kept")] = 2
    log_every: Annotated[int, Meta(ge=1, le=100_000, description="optimizer steps between lines of metrics")] = 5
    evaluate_every: Annotated[int, Meta(ge=0, le=1_000_000, description="optimizer steps between evaluations; 0 for none")] = 0
    report_to: Annotated[
        tuple[Literal["tensorboard", "mlflow", "wandb"], ...], Meta(description="who is told besides metrics.jsonl")
    ] = ()


class Sft(Common, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="method", tag="sft"):
    """Supervised fine-tuning on good answers: prompts are masked, the answers are learned."""

    learning_rate: Annotated[float, Meta(gt=0, le=1, description="at its highest, after warm-up")] = 2e-4
    packing: Annotated[bool, Meta(description="put several examples into one row; needs an attention that keeps them apart")] = (
        False
    )


class Reward(Common, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="method", tag="reward"):
    """A reward model: learns to score the chosen answer above the rejected one."""

    center: Annotated[
        Annotated[float, Meta(ge=0, le=10)] | None, Meta(description="how strongly mean rewards are drawn to zero; null for not")
    ] = 0.01


class Dpo(Common, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="method", tag="dpo"):
    """Direct preference optimisation on pairs."""

    beta: Annotated[float, Meta(gt=0, le=10, description="how strongly it is held to the reference model")] = 0.1
    loss: Annotated[
        Literal["sigmoid", "ipo", "hinge", "robust"], Meta(description="robust takes a share of labels to be flipped")
    ] = "sigmoid"
    label_smoothing: Annotated[float, Meta(ge=0, lt=0.5, description="share of labels taken to be flipped, for robust")] = 0.0
    sft_weight: Annotated[float, Meta(ge=0, le=10, description="of a supervised term on the chosen answers beside the loss")] = (
        0.0
    )


class Kto(Common, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="method", tag="kto"):
    """Learn from thumbs up and down, without pairs."""

    beta: Annotated[float, Meta(gt=0, le=10, description="how strongly it is held to the reference model")] = 0.1
    desirable_weight: Annotated[float, Meta(gt=0, le=100, description="of answers with a thumb up")] = 1.0
    undesirable_weight: Annotated[float, Meta(gt=0, le=100, description="of answers with a thumb down")] = 1.0


class Orpo(Common, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="method", tag="orpo"):
    """Experimental in TRL: supervised and preference learning in one, without a reference model."""

    beta: Annotated[float, Meta(gt=0, le=10, description="weight of the preference term")] = 0.1


class Cpo(Common, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="method", tag="cpo"):
    """Experimental in TRL: contrastive preference learning, without a reference model."""

    beta: Annotated[float, Meta(gt=0, le=10, description="how sharply chosen and rejected are told apart")] = 0.1
    loss: Annotated[Literal["sigmoid", "hinge", "ipo", "simpo"], Meta(description="which loss")] = "sigmoid"


class Distil(Common, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="method", tag="distil"):
    """Learn a larger model's distribution on answers that the smaller one samples."""

    teacher: Annotated[str, Meta(min_length=1, extra=PATH, description="folder of the larger model; it has the same tokenizer")]
    temperature: Annotated[float, Meta(gt=0, le=10, description="of the sampling")] = 1.0
    max_new_tokens: Annotated[int, Meta(ge=1, le=8192, description="tokens of a sampled answer at most")] = 128
    beta: Annotated[float, Meta(ge=0, le=1, description="0 for forward, 1 for reverse divergence, between them a mixture")] = 1.0


class StopEarly(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Signs at which an online run is stopped, its last logs beside its first; the weights of before are kept."""

    window: Annotated[int, Meta(ge=1, le=1000, description="logs at the begin and at the end that are compared")] = 5
    kl: Annotated[Annotated[float, Meta(gt=0)] | None, Meta(description="highest KL to the reference model; null for any")] = 10.0
    longer: Annotated[
        Annotated[float, Meta(gt=1)] | None, Meta(description="how many times longer answers may become; null for any")
    ] = 3.0
    refusals: Annotated[
        Annotated[float, Meta(gt=0, le=1)] | None, Meta(description="by how much the share of refusals may rise; null for any")
    ] = 0.3
    fall: Annotated[float, Meta(gt=0, description="by how much a reward under `watch` may fall while the reward rises")] = 0.1


class Online(Common, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the methods know that learn from answers which they sample themselves."""

    generations: Annotated[int, Meta(ge=2, le=256, description="answers to each prompt, which are compared with each other")] = 4
    max_new_tokens: Annotated[int, Meta(ge=1, le=8192, description="tokens of an answer at most")] = 128
    temperature: Annotated[float, Meta(gt=0, le=10, description="of the sampling")] = 1.0
    beta: Annotated[float, Meta(ge=0, le=10, description="how strongly it is held to the reference model (KL)")] = 0.04
    rewards: Annotated[tuple[RewardSettings, ...], Meta(description="what an answer is worth: their weighted sum")] = ()
    watch: Annotated[
        tuple[RewardSettings, ...], Meta(description="judges that are measured and do not count: held out against gaming")
    ] = ()
    stop_early: Annotated[StopEarly | None, Meta(description="signs of a gamed reward at which it stops; null for none")] = (
        StopEarly()
    )
    vllm: Annotated[Literal["no", "colocate", "server"], Meta(description="whether vLLM samples; needs vllm and a GPU")] = "no"
    learning_rate: Annotated[float, Meta(gt=0, le=1, description="at its highest, after warm-up")] = 5e-5


class Rloo(Online, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="method", tag="rloo"):
    """REINFORCE, with the other answers to the same prompt as the baseline."""

    beta: Annotated[float, Meta(ge=0, le=10, description="how strongly it is held to the reference model (KL)")] = 0.05


class Grpo(Online, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="method", tag="grpo"):
    """Group relative policy optimisation."""

    loss: Annotated[
        Literal["dapo", "grpo", "dr_grpo", "bnpo"], Meta(description="how a token's share depends on the answer's length")
    ] = "dapo"


class OnlineDpo(Online, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="method", tag="online_dpo"):
    """Experimental in TRL: samples two answers to each prompt, and prefers the one that is worth more."""

    generations: Annotated[Literal[2], Meta(description="answers to each prompt: the better and the worse one")] = 2
    beta: Annotated[float, Meta(gt=0, le=10, description="how strongly it is held to the reference model")] = 0.1
    loss: Annotated[Literal["sigmoid", "ipo"], Meta(description="which loss")] = "sigmoid"


Step = Sft | Reward | Dpo | Kto | Orpo | Cpo | Distil | Rloo | Grpo | OnlineDpo

KINDS: dict[type[Common], str] = {
    Sft: "sft",
    Reward: "pairs",
    Dpo: "pairs",
    Kto: "unpaired",
    Orpo: "pairs",
    Cpo: "pairs",
    Distil: "prompts",
    Rloo: "prompts",
    Grpo: "prompts",
    OnlineDpo: "prompts",
}
"""Which kind of records each method trains on, in the words of `align data --kind`."""

EXPERIMENTAL = ("orpo", "cpo", "online_dpo")
"""Methods that TRL keeps in `trl.experimental`: they may change with any of its versions."""


def method_of(step: Common) -> str:
    """Return a step's method."""
    return str(type(step).__struct_config__.tag)


def name_of(step: Common) -> str:
    """Return a step's name."""
    return step.name or method_of(step)


def problems(step: Common) -> list[Problem]:
    """Return what does not fit together in a step."""
    found: list[Problem] = []
    if isinstance(step, Dpo) and step.label_smoothing and step.loss != "robust":
        found.append(("label_smoothing", "0, as only the loss robust smooths labels", f"{step.label_smoothing:g}"))
    if isinstance(step, Dpo) and step.loss == "robust" and not step.label_smoothing:
        found.append(("label_smoothing", "above 0: the share of labels that the loss robust takes to be flipped", "0"))
    if isinstance(step, Kto) and step.batch_size < 2:
        found.append(("batch_size", "at least 2, as the method compares answers within a batch", str(step.batch_size)))
    together = step.batch_size * step.gradient_accumulation
    if isinstance(step, Rloo | Grpo) and together % step.generations:
        got = f"{step.batch_size} × {step.gradient_accumulation} with {step.generations} generations"
        found.append(("batch_size", "batch_size × gradient_accumulation divisible by generations", got))
    if isinstance(step, Online | Distil) and step.max_new_tokens >= step.max_length:
        found.append(
            ("max_new_tokens", f"less than max_length ({step.max_length}), as the prompt needs room", str(step.max_new_tokens))
        )
    return found
