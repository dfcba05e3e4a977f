"""Make words unreadable: what `redact` does to a text, and what a decision may say about where it looked."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from guard.anonymizing import anonymized
from guard.faking import faked
from guard.formats.fields import public_pointer
from guard.policy.decide import strictest
from guard.policy.model import Redactor
from guard.values import Decision, Location, Span

_KEY = os.environ.get("GUARD_HASH_KEY", "").encode() or os.urandom(32)
"""Key of the `hash` redactor; without GUARD_HASH_KEY its digests are comparable only within one process."""


class Replacement(NamedTuple):
    """What stands in a text instead of a span."""

    span: Span
    text: str


class Marked(NamedTuple):
    """A span that has to go, how, and as what."""

    span: Span
    redactor: Redactor
    category: str


def united(marked: Sequence[Marked]) -> list[Marked]:
    """Return the spans with overlapping ones united under the strictest redactor, by start."""
    result: list[Marked] = []
    for entry in sorted(marked, key=lambda entry: entry.span):
        last = result[-1] if result else None
        if last is None or entry.span.start >= last.span.end:
            result.append(entry)
            continue
        span = Span(last.span.start, max(last.span.end, entry.span.end))
        redactor = strictest(last.redactor, entry.redactor)
        result[-1] = Marked(span, redactor, last.category if redactor == last.redactor else entry.category)
    return result


def replacements(text: str, marked: Sequence[Marked], offset: int = 0) -> list[Replacement]:
    """Return what to put for each united span; `text` begins at `offset` of the positions that the spans count in."""
    return [
        Replacement(entry.span, _instead(text[entry.span.start - offset : entry.span.end - offset], entry))
        for entry in united(marked)
    ]


def redact(text: str, marked: Sequence[Marked]) -> str:
    """Return `text` with every marked span replaced."""
    pieces, done = [], 0
    for span, instead in replacements(text, marked):
        pieces += [text[done : span.start], instead]
        done = span.end
    return "".join([*pieces, text[done:]])


def published(decision: Decision) -> Decision:
    """Return the decision with no key of a user's or a model's own in its findings' pointers, fit to be logged and shown."""
    pointers = [public_pointer(finding.location.pointer) for finding in decision.findings]
    if all(pointer == finding.location.pointer for pointer, finding in zip(pointers, decision.findings, strict=True)):
        return decision
    placed = (
        replace(finding, location=Location(pointer, finding.location.choice))
        for pointer, finding in zip(pointers, decision.findings, strict=True)
    )
    return replace(decision, findings=tuple(placed))


def _instead(original: str, entry: Marked) -> str:
    redactor = entry.redactor
    label = redactor.label or (entry.category.rpartition("/")[2] or "redacted").upper()
    if redactor.kind == "mask":
        kept = min(redactor.keep, len(original) // 2)
        shown = original[len(original) - kept :]
        return "".join("*" if character.isalnum() else character for character in original[: len(original) - kept]) + shown
    if redactor.kind == "presidio":
        return anonymized(original, redactor, label.replace("-", "_"), hashlib.sha256(_KEY).digest())
    if redactor.kind == "fake":
        return faked(original, entry.category, hashlib.sha256(_KEY).digest())
    if redactor.kind == "hash":
        digest = hmac.new(_KEY, original.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
        return f"[{label}:{digest[:12]}]"
    return f"[{label}]"
