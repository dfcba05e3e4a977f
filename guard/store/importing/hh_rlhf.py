"""Pairs as Anthropic's HH-RLHF has them: two transcripts of `Human:` and `Assistant:` that differ at their end."""

from __future__ import annotations

import re

from guard.store.exporting.conversations import Message, merged
from guard.store.importing.drafts import BadRecord, Draft, Pair
from guard.store.importing.fields import Record, asked, words

_TURN = re.compile(r"(?:\A|\n\n)[ \t]*(Human|Assistant|System):")
_ROLES = {"Human": "user", "Assistant": "assistant", "System": "system"}
MARK = re.compile(r"\A\s*(?:Human|System):")
"""How a transcript begins."""


def read(record: Record) -> list[Draft]:
    """Return the pair that a record holds.

    Raises:
        BadRecord: Where it is none.
    """
    chosen, rejected = (words(record, name, required=True) or "" for name in ("chosen", "rejected"))
    return [Pair(*sides(chosen, rejected))]


def sides(chosen: str, rejected: str) -> tuple[tuple[Message, ...], str, str]:
    """Return the messages that both transcripts begin with, and how each goes on.

    Where they differ before their last answers, the earliest answers that differ are compared, and what follows them is left out.

    Raises:
        BadRecord: Where they are no such transcripts.
    """
    better, worse = (transcript(text, name) for text, name in ((chosen, "chosen"), (rejected, "rejected")))
    common = next((at for at, (one, other) in enumerate(zip(better, worse, strict=False)) if one != other), None)
    if common is None:
        raise BadRecord("expected transcripts that differ in an answer in `chosen` and `rejected`, got others")
    if better[common]["role"] != "assistant" or worse[common]["role"] != "assistant":
        raise BadRecord("expected transcripts that differ first in an answer of the assistant, got others")
    return asked(better[:common], "chosen"), better[common]["content"], worse[common]["content"]


def transcript(text: str, name: str) -> list[Message]:
    """Return the messages of a transcript."""
    turns = list(_TURN.finditer(text))
    if not turns or text[: turns[0].start()].strip():
        raise BadRecord(f"`{name}`: expected a transcript that begins with `Human:`, or a `prompt` beside it, got neither")
    ends = [*(turn.start() for turn in turns[1:]), len(text)]
    pairs = zip(turns, ends, strict=True)
    return merged({"role": _ROLES[turn[1]], "content": text[turn.end() : end].strip()} for turn, end in pairs)
