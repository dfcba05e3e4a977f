"""Every service with the options that reach its server, and what a bad text is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import service_formats as formats

from guard.detectors.registry import kinds
from guard.values import Detector

ENVIRONMENT = {
    "SERVICE_KEY": formats.KEY,
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": formats.KEY,
    "AWS_REGION": "eu-west-1",
}


@dataclass(frozen=True)
class Case:
    """One kind of detector and a server for it.

    Attributes:
        finds: The category of a bad text.
        longest: Characters that one question may hold.
        path: Of the URL that the policy gives.
    """

    use: str
    answer: Callable[[formats.Asked], Any]
    finds: str
    longest: int
    options: Mapping[str, Any] = field(default_factory=dict)
    path: str = ""

    def made(self, url: str, **more: Any) -> Detector:
        """Return the detector."""
        return kinds()[self.use].make("own", self.at(url, **more))

    def at(self, url: str, **more: Any) -> dict[str, Any]:
        """Return its options for a server at `url`."""
        return {"url": url + self.path, **self.options, **more}


MAPPING = {
    "key_env": "SERVICE_KEY",
    "key_header": "X-Key",
    "body": {"inputs": "{texts}", "options": {"wait": True}},
    "results": "data",
    "label": "name",
    "score": "p",
    "labels": {"toxic": "toxicity", "fine": None},
}
CASES = {
    case.use: case
    for case in (
        Case("openai", formats.openai, "harassment", 8_000, {"key_env": "SERVICE_KEY"}, "/v1"),
        Case("perspective", formats.perspective, "toxicity/severe", 5_000, {"key_env": "SERVICE_KEY"}),
        Case("azure-content-safety", formats.azure, "hate", 10_000, {"key_env": "SERVICE_KEY"}),
        Case("bedrock-guardrails", formats.bedrock, "harassment", 12_000, {"guardrail": "gr1"}),
        Case("http", formats.labelled, "toxicity", 2_000, MAPPING, "/classify"),
        Case("triton", formats.triton, "toxicity", 1_000, {"model": "tox", "labels": ["toxicity", None]}),
        Case("tei", formats.tei, "toxicity", 1_000, {"labels": {"toxic": "toxicity", "neutral": None}}),
    )
}
