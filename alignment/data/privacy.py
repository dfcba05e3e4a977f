"""Personal data and secrets in a set, as the guard's own detectors find them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from alignment.records import Record
from guard.values import Detector, Item

_SURE = 0.5
_BATCH = 256


@dataclass(frozen=True, slots=True)
class Private:
    """Where there is something private.

    Attributes:
        records: How many records have something.
        categories: How many have what.
        ids: Some of them.
    """

    records: int = 0
    categories: tuple[tuple[str, int], ...] = ()
    ids: tuple[str, ...] = ()


def detectors() -> tuple[Detector, ...]:
    """Return what finds personal data and secrets by their form: no model, no network."""
    from guard.detectors import pii, secrets

    return (pii.make("pii", {}), secrets.make("secrets", {}))


def private(records: Sequence[Record], finders: Sequence[Detector]) -> Private:
    """Return which records have something private in any of their texts."""
    found: list[set[str]] = [set() for _ in records]
    texts = [(number, text) for number, record in enumerate(records) for text in _texts(record)]
    for start in range(0, len(texts), _BATCH):
        batch = texts[start : start + _BATCH]
        for finder in finders:
            for (number, _), findings in zip(batch, finder.detect([Item(text) for _, text in batch]), strict=True):
                found[number].update(finding.category for finding in findings if finding.score >= _SURE)
    marked = [number for number, categories in enumerate(found) if categories]
    counts = Counter(category for categories in found for category in categories)
    ids = tuple(records[number].origin.id for number in marked[:20])
    return Private(len(marked), tuple(sorted(counts.items())), ids)


def _texts(record: Record) -> list[str]:
    return [message.content for messages in (record.prompt, *record.answers) for message in messages]
