"""Records of plain fields: pairs, conversations with or without a verdict, labelled texts, feedback on exchanges of the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from guard import categories
from guard.store.exporting.conversations import Message
from guard.store.identity import is_id
from guard.store.importing import hh_rlhf
from guard.store.importing.drafts import AboutExchange, BadRecord, Conversation, Draft, Label, Pair, Remark
from guard.store.importing.fields import (
    Record,
    answer,
    asked,
    conversation,
    index,
    kind,
    messages,
    name_of,
    number,
    parsed,
    truth,
    words,
)


class Whose(TypedDict):
    """Whose words a record has."""

    subject: str
    conversation: str
    licence: str


KINDS = ("thumb", "score", "category", "correction", "preference", "appeal", "regenerate", "edit", "retry")
_COMMON = frozenset(("id", "source", "weight", "subject", "user", "conversation", "licence", "license", "metadata", "category"))
_PROMPT = ("prompt", "question", "instruction")
_ANSWER = ("completion", "response", "answer", "output")
KNOWN = _COMMON | {
    *("exchange_id", "kind", "choice", "value", "preferred", "compared", "comment", "correction", "by"),
    *("chosen", "rejected", "margin", "messages", "conversations", "text", "labels", "label", "score", "rating", "stage", "role"),
    *_PROMPT,
    *_ANSWER,
}
"""Every field that is read, or may be there and says nothing."""


def read(record: Record) -> list[Draft]:
    """Return what a record says.

    Raises:
        BadRecord: Where it says nothing that is known.
    """
    if "exchange_id" in record:
        return [_about_exchange(record)]
    if "chosen" in record or "rejected" in record:
        return [pair(record)]
    if "text" in record:
        return [_labelled(record)]
    if "messages" in record or "conversations" in record or any(name in record for name in _PROMPT):
        return [_answered(record)]
    shapes = (
        "`exchange_id` and `kind`; `prompt`, `chosen`, `rejected`; `messages`; `prompt` and `completion`; `text` and `labels`"
    )
    raise BadRecord(f"expected fields of one of these shapes: {shapes}; got others (see docs/feedback-import.md)")


def whose(record: Record) -> Whose:
    """Return what says whose words they are, and under which licence."""
    return {
        "subject": name_of(record, "subject", "user"),
        "conversation": name_of(record, "conversation"),
        "licence": name_of(record, "licence", "license"),
    }


def weight_of(record: Record) -> float:
    """Return how much a record counts."""
    found = number(record, "weight", lowest=0, highest=1_000)
    return 1.0 if found is None else found


def category_of(name: str, where: str = "category") -> str:
    """Return the name of a category, if it can be one."""
    if name and not categories.is_known(name) and not (name.isascii() and name.replace("/", "").replace("-", "").isalnum()):
        raise BadRecord(f"`{where}`: expected the name of a category, such as harassment/threatening, got something else")
    return name


def pair(record: Record) -> Pair:
    """Return a pair: with a `prompt`, or as two conversations that begin alike."""
    for name in ("chosen", "rejected"):
        if record.get(name) is None:
            raise BadRecord(f"expected `chosen` and `rejected`, got no `{name}`")
    prompt, chosen, rejected = _sides(record)
    if chosen == rejected:
        raise BadRecord("expected two answers in `chosen` and `rejected`, got the same one twice")
    if not chosen.strip() or not rejected.strip():
        raise BadRecord("expected an answer in `chosen` and in `rejected`, got an empty one")
    return Pair(
        prompt,
        chosen,
        rejected,
        number(record, "margin"),
        weight_of(record),
        category_of(name_of(record, "category")),
        **whose(record),
    )


def _sides(record: Record) -> tuple[tuple[Message, ...], str, str]:
    name = next((name for name in _PROMPT if record.get(name) is not None), None)
    if name is not None:
        prompt = asked(messages(record[name], name), name)
        sides = [_side(record[side], side, prompt) for side in ("chosen", "rejected")]
        return prompt, sides[0], sides[1]
    chosen, rejected = (parsed(record[side]) for side in ("chosen", "rejected"))
    if isinstance(chosen, str) and isinstance(rejected, str):
        return hh_rlhf.sides(chosen, rejected)
    before, better = conversation(chosen, "chosen")
    also, worse = conversation(rejected, "rejected")
    if before != also:
        raise BadRecord("expected conversations that differ in their last answer in `chosen` and `rejected`, got others")
    return before, better, worse


def _side(value: object, name: str, prompt: tuple[Message, ...]) -> str:
    """Return one side: an answer, or the whole conversation again with the answer at its end."""
    found = parsed(value)
    if isinstance(found, list) and len(found) > 1:
        before, last = conversation(found, name)
        if before != prompt:
            raise BadRecord(f"`{name}`: expected the messages of `prompt` and an answer, got others")
        return last
    return answer(value, name)


def _about_exchange(record: Record) -> AboutExchange:
    exchange = words(record, "exchange_id", required=True) or ""
    said = words(record, "kind", required=True) or ""
    if not is_id(exchange):
        raise BadRecord("`exchange_id`: expected the id of an exchange (ex_…), got something else")
    if said not in KINDS:
        raise BadRecord(f"`kind`: expected one of {', '.join(KINDS)}, got {kind(said)}")
    value = number(record, "value")
    if said in ("thumb", "score") and value is None:
        raise BadRecord(f"`value`: expected a number, as the kind is {said}, got nothing")
    if said == "correction" and not (words(record, "correction") or "").strip():
        raise BadRecord("`correction`: expected what should have been said, got nothing")
    remark = Remark(
        said,
        index(record, "choice"),
        value,
        category_of(name_of(record, "category")),
        index(record, "preferred"),
        _indices(record.get("compared")),
        words(record, "comment"),
        words(record, "correction"),
        weight_of(record),
        name_of(record, "by", "source"),
    )
    return AboutExchange(exchange, remark, name_of(record, "subject", "user"))


def _indices(value: object) -> tuple[int, ...]:
    found = parsed(value) if value is not None else []
    if not isinstance(found, list) or not all(isinstance(each, int) and 0 <= each <= 1_000 for each in found):
        raise BadRecord(f"`compared`: expected a list of the indices of choices, got {kind(value)}")
    return tuple(found)


def _answered(record: Record) -> Conversation:
    name = next((name for name in ("messages", "conversations") if record.get(name) is not None), None)
    if name is not None:
        prompt, said = conversation(record[name], name)
    else:
        name = next(name for name in _PROMPT if name in record)
        prompt = asked(messages(record[name], name), name)
        given = next((each for each in _ANSWER if record.get(each) is not None), None)
        if given is None:
            raise BadRecord(f"expected an answer beside `{name}` (`completion`, `response`), got none")
        said = answer(record[given], given)
    return Conversation(prompt, (said,), remarks=tuple(_remarks(record)), **whose(record))


def _remarks(record: Record) -> list[Remark]:
    """Return what is said of an answer; one of which nothing is said is there to be imitated."""
    weight, by = weight_of(record), name_of(record, "by", "source")
    comment = words(record, "comment")
    found = []
    score = number(record, "score", "rating")
    if score is not None:
        found.append(Remark("score", 0, score, comment=comment, weight=weight, by=by))
    correction = words(record, "correction")
    if correction and correction.strip():
        found.append(Remark("correction", 0, correction=correction, comment=comment, weight=weight, by=by))
    if record.get("label") is not None:
        value = 1.0 if truth(record["label"], "label") else -1.0
        found.append(Remark("thumb", 0, value, comment=comment, weight=weight, by=by))
    return found or [Remark("thumb", 0, 1.0, comment=comment, weight=weight, by=by)]


def _labelled(record: Record) -> Conversation:
    text = words(record, "text", required=True) or ""
    if not text.strip():
        raise BadRecord("`text`: expected a text, got an empty one")
    stage = words(record, "stage") or ("output" if record.get("prompt") is not None else "input")
    if stage not in ("input", "output"):
        raise BadRecord(f"`stage`: expected input or output, got {kind(stage)}")
    weight, by = weight_of(record), name_of(record, "by", "source")
    choice = 0 if stage == "output" else None
    labels = tuple(Label(name, yes, stage, choice, weight, by) for name, yes in _labels(record).items())
    if stage == "input":
        return Conversation(({"role": "user", "content": text},), (), labels=labels, **whose(record))
    prompt = tuple(messages(record["prompt"], "prompt")) if record.get("prompt") is not None else ()
    return Conversation(prompt, (text,), labels=labels, **whose(record))


def _labels(record: Record) -> dict[str, bool]:
    given: Any = parsed(record.get("labels"))
    named = {name.removeprefix("labels."): value for name, value in record.items() if name.startswith("labels.")}
    if given is not None and not isinstance(given, Mapping):
        raise BadRecord(f"`labels`: expected an object with 1 or 0 by category, got {kind(given)}")
    known = {**(given or {}), **named}
    found = {category_of(str(name), "labels"): truth(value, "labels") for name, value in known.items() if value is not None}
    if record.get("label") is not None:
        category = category_of(name_of(record, "category")) or "any"
        found.setdefault(category, truth(record["label"], "label"))
    if not found:
        raise BadRecord("expected `labels`, an object with 1 or 0 by category, got none")
    return found
