"""Kinds that ask a moderation service or a model server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from guard.detectors.catalogue.late import late
from guard.policy.kinds import Kind, Option

_HOME = "guard.detectors.services"
_URL = Option("string", "where the service is")
_SERVER = Option("string", "where the server is", required=True)
_KEY = Option("string", "the environment variable that holds the key")
_LABELS = Option("mapping", "for each label of the model: a category, a list of categories, or null")
_ASKED: Mapping[str, Option] = {
    "longest": Option("integer", "characters that one question holds; longer texts are cut", minimum=64, maximum=1_000_000),
    "reach": Option("string", "`window` (the default), or `whole` for few calls", choices=("window", "whole")),
    "after": Option("integer", "characters after which a window may end at a sentence", minimum=1, maximum=100_000),
    "most": Option("integer", "characters that a window has at most", minimum=40, maximum=100_000),
    "context": Option("integer", "characters before a window that are shown with it", minimum=0, maximum=100_000),
}


def _kind(use: str, module: str, summary: str, options: Mapping[str, Option], **more: Any) -> Kind:  # noqa: ANN401
    """Return a kind whose detector is in `module` of the services."""

    def own(function: str) -> Callable[..., Any]:
        return late(f"{_HOME}.{module}", function)

    return Kind(
        use=use,
        summary=summary,
        make=own("make"),
        categories=own("categories_of"),
        check=own("check"),
        options={**options, **_ASKED},
        reach="window",
        **{"spans": False, "remote": True, **more},
    )


KINDS: tuple[Kind, ...] = (
    _kind(
        "openai",
        "openai",
        "OpenAI's moderation endpoint, or a server that speaks its format",
        {
            "url": _URL,
            "key_env": _KEY,
            "model": Option("string", "the model; `omni-moderation-latest` where absent"),
            "labels": Option("mapping", "for each name that the server scores: a category; OpenAI's own names where absent"),
        },
        licence="OpenAI's terms",
    ),
    _kind(
        "perspective",
        "perspective",
        "Google's Perspective, or a server that speaks its format",
        {
            "url": _URL,
            "key_env": _KEY,
            "attributes": Option(
                "strings",
                "the attributes to ask for; all where absent",
                choices=(
                    "TOXICITY",
                    "SEVERE_TOXICITY",
                    "IDENTITY_ATTACK",
                    "INSULT",
                    "PROFANITY",
                    "THREAT",
                    "SEXUALLY_EXPLICIT",
                ),
            ),
            "languages": Option("strings", "the languages of the texts, such as `en`; found by the service where absent"),
            "spans": Option("boolean", "whether the service is asked where in the text"),
        },
        spans=True,
        licence="Google's terms",
    ),
    _kind(
        "azure-content-safety",
        "azure",
        "Azure AI Content Safety: harm, blocklists, Prompt Shields",
        {
            "url": Option("string", "the endpoint of your resource", required=True),
            "key_env": _KEY,
            "checks": Option("strings", "what to ask; both where absent", choices=("harm", "attacks")),
            "blocklists": Option("mapping", "for each blocklist of the resource to apply: the category of its words"),
            "api_version": Option("string", "the API's version; 2024-09-01 where absent"),
        },
        spans=True,
        licence="Microsoft's terms",
    ),
    _kind(
        "bedrock-guardrails",
        "bedrock",
        "guardrails of Amazon Bedrock, applied to any generator's texts",
        {
            "guardrail": Option("string", "the guardrail's id or ARN", required=True),
            "version": Option("string", "its version, in quotes; DRAFT where absent"),
            "region": Option("string", "its region; AWS_REGION where absent"),
            "labels": Option("mapping", "for a topic, a regular expression, or a kind of AWS's: its category"),
            "url": Option("string", "where the service is, if not at the region's own endpoint"),
            "key_env": Option("string", "the variable of an API key of Bedrock's; requests are signed where absent"),
        },
        spans=True,
        licence="AWS's terms",
    ),
    _kind(
        "http",
        "any_json",
        "any classifier that takes and answers JSON, described here",
        {
            "url": Option("string", "the URL to ask", required=True),
            "method": Option("string", "POST where absent", choices=("POST", "GET", "PUT")),
            "body": Option("any", "the request's JSON, with `{text}`, or `{texts}` for a list, in the place of values"),
            "params": Option("mapping", "parameters of the query, with `{text}`"),
            "headers": Option("mapping", "headers without secrets"),
            "key_env": _KEY,
            "key_header": Option("string", "the header that carries the key; `authorization` where absent"),
            "key_prefix": Option("string", "what stands before the key; `Bearer ` in `authorization`"),
            "results": Option("string", "selects the results in the answer; the answer itself where absent"),
            "label": Option("string", "selects the label in a result"),
            "score": Option("string", "selects the score in a result, or an object of scores by label"),
            "start": Option("string", "selects the offset at which a result begins, in code points of the text sent"),
            "end": Option("string", "selects the offset at which it ends"),
            "labels": _LABELS,
            "category": Option("string", "the category of a score without a label"),
            "scale": Option("number", "what a certain finding scores; 1 where absent", minimum=0.000_001),
            "batch": Option("integer", "texts of one request; 32 where the body has `{texts}`", minimum=1, maximum=10_000),
        },
        spans=True,
    ),
    _kind(
        "triton",
        "triton",
        "a classifier behind Triton, or any server of the Open Inference Protocol (KServe v2)",
        {
            "url": _SERVER,
            "key_env": _KEY,
            "model": Option("string", "the model's name", required=True),
            "model_version": Option("string", "its version; the server's choice where absent"),
            "labels": Option("list", "for each column of the output: a category, a list of categories, or null", required=True),
            "activation": Option(
                "string", "from the output to scores; softmax where absent", choices=("softmax", "sigmoid", "none")
            ),
            "input": Option("string", "the name of the input tensor of texts; `TEXT` where absent"),
            "shape": Option("string", "its shape for n texts; `[n, 1]` where absent", choices=("[n, 1]", "[n]")),
            "output": Option("string", "the name of the output tensor; the only one where absent"),
        },
    ),
    _kind(
        "tei",
        "tei",
        "a classifier behind Hugging Face's text-embeddings-inference",
        {"url": _SERVER, "key_env": _KEY, "labels": _LABELS},
    ),
)
