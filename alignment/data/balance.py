"""What a set is made of: categories, benign look-alikes, and whether it says more than one thing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from alignment.records import Record, Scored, Unpaired


@dataclass(frozen=True, slots=True)
class Balance:
    """How many records are about what.

    Attributes:
        records: All of them.
        categories: How many have each category of harm.
        known: How many were looked at for harm.
        benign: How many of these have none.
        look_alikes: How many of these only look harmful.
    """

    records: int
    categories: dict[str, int]
    known: int
    benign: int
    look_alikes: int

    @property
    def benign_share(self) -> float | None:
        """Benign records among those that were looked at; None where none was."""
        return self.benign / self.known if self.known else None

    @property
    def look_alike_share(self) -> float | None:
        """Benign look-alikes among those that were looked at; None where none was."""
        return self.look_alikes / self.known if self.known else None

    @property
    def largest_category(self) -> float | None:
        """The share of the most frequent category among the records that have one; None where none has."""
        harmful = self.known - self.benign
        return max(self.categories.values()) / harmful if self.categories and harmful else None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        counted = {"known": self.known, "benign": self.benign, "benign_look_alikes": self.look_alikes}
        return {**counted, "unknown": self.records - self.known, "categories": self.categories}


def balance(records: Sequence[Record]) -> Balance:
    """Return what the records are about, as far as their sources say."""
    origins = [record.origin for record in records]
    categories = Counter(name for origin in origins for name in origin.categories)
    known = [origin for origin in origins if origin.benign is not None]
    benign = [origin for origin in known if origin.benign]
    look_alikes = sum(origin.look_alike for origin in benign)
    return Balance(len(records), dict(sorted(categories.items())), len(known), len(benign), look_alikes)


def minority(records: Sequence[Record]) -> float | None:
    """Return the share of the rarer of two outcomes; None where records have no outcome, as pairs have both.

    Of scores, it is what differs from the most frequent one: 0 where all are the same.
    """
    labels = Counter(record.label for record in records if isinstance(record, Unpaired))
    if labels:
        return min(labels[True], labels[False]) / labels.total()
    scores = Counter(record.score for record in records if isinstance(record, Scored))
    return 1 - max(scores.values()) / scores.total() if scores else None
