"""Count what a scan found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec


class _Counted(msgspec.Struct):
    """What is counted of a result."""

    action: str = ""
    rules: tuple[str, ...] = ()
    findings: tuple[_Category, ...] = ()
    failed: tuple[str, ...] = ()
    error: str = ""


class _Category(msgspec.Struct):
    category: str
    score: float


LIKELY = 0.5
"""The score from which on a category counts as found; rules have thresholds of their own."""


@dataclass(slots=True)
class Summary:
    """Counts over all records of a scan.

    Attributes:
        records: All of them; blank lines are none.
        broken: Those that could not be judged.
        actions: How many got each action.
        rules: How many each rule fired on.
        categories: How many each category was found in with a score of at least `LIKELY`, whether or not a rule fired.
        failed: How many each detector gave no verdict on.
    """

    records: int = 0
    broken: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    @property
    def flagged_share(self) -> float:
        """The share of judged records, in [0, 1], that got another action than `allow`."""
        judged = self.records - self.broken
        return (judged - self.actions["allow"]) / judged if judged else 0.0

    def add(self, line: bytes) -> None:
        """Count one result, given as it is written."""
        counted = _decode(line)
        self.records += 1
        if counted.error:
            self.broken += 1
            return
        self.actions[counted.action] += 1
        self.rules.update(counted.rules)
        self.categories.update({finding.category for finding in counted.findings if finding.score >= LIKELY})
        self.failed.update(counted.failed)

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as plain JSON values, the most frequent first."""
        counters = {name: dict(most_frequent(getattr(self, name))) for name in _COUNTERS}
        return {"records": self.records, "broken": self.broken, **counters}

    @classmethod
    def from_dict(cls, counts: Mapping[str, Any]) -> Summary:
        """Return what `as_dict` gave."""
        return cls(counts["records"], counts["broken"], *(Counter(counts[name]) for name in _COUNTERS))


def most_frequent(counts: Counter[str]) -> list[tuple[str, int]]:
    """Return the counts, the highest first, equal ones by name."""
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))


_COUNTERS = ("actions", "rules", "categories", "failed")
_decode = msgspec.json.Decoder(_Counted).decode
