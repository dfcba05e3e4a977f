"""Kinds that ask a language model for its verdict."""

from __future__ import annotations

from guard.detectors.catalogue.late import late
from guard.policy.kinds import Kind, Option

_REACHED = {
    "url": Option("string", "the server, its `/v1`, or the whole route", required=True),
    "model": Option("string", "the model, as the server knows it", required=True),
    "key_env": Option("string", "the environment variable that holds the key"),
    "body": Option("mapping", "further fields of each request; one that is null is left out"),
    "max_tokens": Option("integer", "tokens that an answer may have", minimum=1, maximum=100_000),
}
_SHOWN = {
    "longest": Option("integer", "characters that one question shows; a longer text is asked about in pieces", minimum=200),
    "after": Option("integer", "judge in windows: characters after which one may end at a sentence", minimum=1, maximum=100_000),
    "most": Option("integer", "judge in windows: characters that one has at most", minimum=40, maximum=100_000),
}

KINDS: tuple[Kind, ...] = (
    Kind(
        use="llm-judge",
        summary="a language model that is asked whether a text breaks a principle",
        make=late("guard.detectors.judges.judge", "make"),
        categories=late("guard.detectors.judges.judge", "categories_of"),
        check=late("guard.detectors.judges.judge", "check"),
        reach="whole",
        remote=True,
        options={
            "api": Option("string", "the interface of the server", choices=("openai", "anthropic")),
            **_REACHED,
            "principle": Option("string", "the principle, in prose"),
            "principles": Option("strings", "ids of the policy's principles, in place of `principle`", principles=True),
            "category": Option("string", "the category of what breaks it; `custom` where absent"),
            "examples": Option("list", "decided texts, each with `text`, `violates`, and optionally `why`"),
            "sees": Option(
                "string", "whether an answer is shown with its prompt; `text` where absent", choices=("text", "exchange")
            ),
            "structured": Option(
                "string", "how the form of the answer is asked for", choices=("json_schema", "json_object", "none")
            ),
            "score": Option(
                "string", "what the model says of itself, or its tokens' probability", choices=("stated", "logprobs")
            ),
            **_SHOWN,
            "context": Option(
                "integer", "judge in windows: characters before one that are shown with it", minimum=0, maximum=100_000
            ),
        },
    ),
    Kind(
        use="llama-guard",
        summary="a model that is trained to judge: Llama Guard, ShieldGemma, Granite Guardian, gpt-oss-safeguard",
        make=late("guard.detectors.judges.guard_model", "make"),
        categories=late("guard.detectors.judges.guard_model", "categories_of"),
        check=late("guard.detectors.judges.guard_model", "check"),
        spans=False,
        reach="whole",
        remote=True,
        options={
            "family": Option(
                "string",
                "the family of the model; `llama-guard-3` where absent",
                choices=(
                    "llama-guard-3",
                    "llama-guard-4",
                    "shieldgemma",
                    "granite-guardian-3",
                    "granite-guardian-3.3",
                    "gpt-oss-safeguard",
                ),
            ),
            **_REACHED,
            "template": Option(
                "string",
                "who writes the prompt: the `server`, by the model's template; `ollama`, by its own; or `raw`, Tenet",
                choices=("server", "ollama", "raw"),
            ),
            "categories": Option("mapping", "for labels of the model: the category, or a list of them, in place of the family's"),
            "risks": Option("strings", "the risks that are asked about, one request for each (ShieldGemma, Granite Guardian)"),
            "policy": Option("string", "what gpt-oss-safeguard judges by, in prose"),
            "think": Option("boolean", "whether Granite Guardian 3.3 reasons before its verdict"),
            "sees": Option(
                "string", "whether an answer is shown with its prompt; `exchange` where absent", choices=("text", "exchange")
            ),
            "logprobs": Option(
                "boolean", "whether the score is the verdict's probability, where the server tells it; true where absent"
            ),
            **_SHOWN,
        },
    ),
)
