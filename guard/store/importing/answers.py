"""What annotation tools have in common: fields that hold a prompt and answers, and what a person's choice means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from guard import categories
from guard.store.exporting.conversations import Message
from guard.store.importing.drafts import BadRecord, Label, Remark
from guard.store.importing.fields import asked, kind, messages, parsed

_PROMPTS = ("prompt", "instruction", "question", "input", "context", "chat")
_SAFE = frozenset(("safe", "allowed", "benign", "ok", "okay", "none", "clean", "not-harmful", "harmless", "acceptable"))
_UNSAFE = frozenset(("unsafe", "violates", "harmful", "violation", "unacceptable"))
_GOOD = frozenset(("good", "thumbs-up", "up", "like", "yes", "true", "accept", "accepted", "positive", "helpful", "correct"))
_BAD = frozenset(
    ("bad", "thumbs-down", "down", "dislike", "no", "false", "reject", "rejected", "negative", "unhelpful", "incorrect")
)
_REASON = ("comment", "reason", "why", "notes", "note", "explanation")


@dataclass(slots=True)
class Verdict:
    """What somebody's answer to a question of a tool says."""

    remarks: list[Remark] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)


def asked_and_answers(fields: Mapping[str, Any]) -> tuple[tuple[Message, ...], dict[str, str]]:
    """Return the prompt and the answers, by the name of their field; a single text without a prompt is a prompt.

    Raises:
        BadRecord: Where there are no texts.
    """
    given = {str(name): parsed(value) for name, value in fields.items() if value is not None}
    name = next((name for name in _PROMPTS if name in given), None)
    texts = {each: value for each, value in given.items() if each != name and isinstance(value, str) and value.strip()}
    if name is not None:
        return asked(messages(given[name], name), name), texts
    if not texts:
        raise BadRecord(f"expected fields with texts, such as `prompt` and `response`, got {kind(given or None)}")
    if len(texts) > 1:
        raise BadRecord("expected a field `prompt` (or instruction, question) beside several texts, got none")
    return ({"role": "user", "content": next(iter(texts.values()))},), {}


def verdict_on(question: str, value: Any, by: str, *, answers: int) -> Verdict:  # noqa: ANN401 - a value of a file
    """Return what a value says: a number is a score, a text is a correction or a comment, a word is a label or a thumb.

    Args:
        answers: How many answers there are; it is not known which one is meant, where there are several.

    Raises:
        BadRecord: Where nobody can know what it means.
    """
    if isinstance(value, bool):
        return verdict_on(question, "yes" if value else "no", by, answers=answers)
    if isinstance(value, int | float):
        return Verdict([Remark("score", 0 if answers == 1 else None, float(value), by=by)])
    if isinstance(value, list):
        found = Verdict()
        for each in value:
            part = verdict_on(question, each, by, answers=answers)
            found.remarks += part.remarks
            found.labels += part.labels
        return found
    if not isinstance(value, str):
        raise BadRecord(f"question `{question[:40]}`: expected a number, a text or a choice, got {kind(value)}")
    return _word(question, value, by, answers=answers)


def _word(question: str, value: str, by: str, *, answers: int) -> Verdict:
    word = value.strip().casefold().replace("_", "-").replace(" ", "-")
    stage, choice = "output" if answers else "input", 0 if answers == 1 else None
    name = question.strip().casefold().replace("_", "-")
    about = name if categories.is_known(name) else ""
    if word in _GOOD | _BAD and about:
        return Verdict(labels=[Label(about, word in _GOOD, stage, choice, by=by)])
    if word in _SAFE | _UNSAFE:
        return Verdict(labels=[Label(about or "any", word in _UNSAFE, stage, choice, by=by)])
    if categories.is_known(word):
        return Verdict(labels=[Label(word, True, stage, choice, by=by)])
    if word in _GOOD | _BAD and answers:
        return Verdict([Remark("thumb", choice, 1.0 if word in _GOOD else -1.0, by=by)])
    if name in _REASON:
        return Verdict()
    if answers and any(
        part in name for part in ("correct", "rewrite", "better", "edit", "improve", "response", "answer", "ideal")
    ):
        return Verdict([Remark("correction", choice, correction=value, by=by)])
    raise BadRecord(
        f"question `{question[:40]}`: expected a category, safe or unsafe, good or bad, a number or a correction, "
        "got something else; rename the choices, or write JSON lines with fields of Tenet's own"
    )
