"""Secrets and personal data taken out of records, as strictly as the store does it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from alignment.records import Message, Messages, Record, Steps
from guard.store.exporting.sweeping import Sweeper

_FIELDS = ("prompt", "completion", "chosen", "rejected")


def redacted(records: Iterable[Record], left_out: Counter[str]) -> Iterator[Record]:
    """Yield records with what is private replaced by its kind; those where that cannot be done for certain are left out."""
    sweeper = Sweeper()
    for record in records:
        texts = _texts(record)
        swept = sweeper.swept(texts)
        if swept is None:
            left_out["withheld"] += 1
        else:
            yield record if swept == texts else _reworded(record, swept)


def _texts(record: Record) -> list[str]:
    said = [message.content for name in _FIELDS for message in getattr(record, name, ())]
    return [*said, *record.steps] if isinstance(record, Steps) else said


def _reworded(record: Record, texts: list[str]) -> Record:
    words = iter(texts)
    fields: dict[str, Any] = {
        name: _with_words(getattr(record, name), words) for name in _FIELDS if getattr(record, name, None) is not None
    }
    if isinstance(record, Steps):
        fields["steps"] = tuple(words)
    return replace(record, **fields)


def _with_words(messages: Messages, words: Iterator[str]) -> Messages:
    return tuple(Message(message.role, next(words)) for message in messages)
