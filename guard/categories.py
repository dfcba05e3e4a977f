"""The closed list of categories, and how names match.

OpenAI's moderation names come first, so that clients of its endpoint find what they know.
A name matches exactly; `g/*` matches `g` and every `g/…`. A policy may add categories of its own.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

OPENAI = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
"""The categories of OpenAI's moderation endpoint (platform documentation, "Moderation", omni-moderation-latest)."""

PII = (
    "pii/email",
    "pii/phone",
    "pii/credit-card",
    "pii/iban",
    "pii/ip-address",
    "pii/mac-address",
    "pii/us-ssn",
    "pii/date-of-birth",
    "pii/crypto-address",
    "pii/passport",
    "pii/driver-licence",
)
PII_BY_MODEL = ("pii/person", "pii/location", "pii/organization")
"""Personal data that no pattern finds: names, for detectors with a model of named entities."""
SECRETS = (
    "secret/aws-key",
    "secret/gcp-key",
    "secret/azure-key",
    "secret/github-token",
    "secret/gitlab-token",
    "secret/slack-token",
    "secret/stripe-key",
    "secret/openai-key",
    "secret/anthropic-key",
    "secret/jwt",
    "secret/private-key",
    "secret/connection-string",
    "secret/high-entropy",
)
KNOWN = frozenset(
    (
        *OPENAI,
        "toxicity",
        "toxicity/severe",
        "profanity",
        "pii",
        *PII,
        *PII_BY_MODEL,
        "secret",
        *SECRETS,
        "injection",
        "jailbreak",
        "harmful-request",
        "harmful-response",
        "ungrounded",
        "obfuscation",
        "language",
        "topic",
        "gibberish",
        "url/denied",
        "url/homograph",
        "url/data",
        "url/exfiltration",
        "code/shell",
        "code/sql",
        "image/nudity",
        "image/denied",
        "image/unreadable",
        "custom",
    )
)
"""Every category that Tenet's own detectors can report; `custom` and `custom/…` are free for word lists."""


def group(category: str) -> str:
    """Return the part before the slash."""
    return category.partition("/")[0]


def matches(pattern: str, category: str) -> bool:
    """Return whether `pattern`, a name or `group/*`, covers `category`."""
    if pattern.endswith("/*"):
        stem = pattern[:-2]
        return category == stem or category.startswith(stem + "/")
    return pattern == category


def is_known(pattern: str, own: Iterable[str] = ()) -> bool:
    """Return whether `pattern` covers at least one category of Tenet's or of the policy's `own`."""
    return any(matches(pattern, name) for name in (*KNOWN, *own)) or pattern.startswith("custom/")


def nearest(name: str, own: Iterable[str] = ()) -> str | None:
    """Return the category that `name` was most likely meant to be, or None."""
    close = difflib.get_close_matches(name, [*sorted(KNOWN), *own], n=1, cutoff=0.6)
    return close[0] if close else None
