"""All measures of a set, against the limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from alignment.data.agreeing import Agreement
from alignment.data.balance import balance, minority
from alignment.data.contradicting import Scorer, contradictions
from alignment.data.leaking import between
from alignment.data.lengths import lengths
from alignment.data.limits import COUNTS, LEAST, MEANING, Limits
from alignment.data.poisoning import dominance, triggers
from alignment.data.privacy import private
from alignment.data.tokens import Counted
from alignment.records import Record
from guard.values import Detector


@dataclass(frozen=True, slots=True)
class Measure:
    """One property of a set.

    Attributes:
        value: What was measured; None where it cannot be told.
        limit: What is allowed; None for anything.
        details: More about it: ids and counts. Phrases of texts stand here and in no message.
    """

    name: str
    value: float | None
    limit: float | None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether it is within its limit. What must be there at least, and cannot be told, is not."""
        if self.limit is None:
            return True
        if self.value is None:
            return self.name not in ("records", "benign", "look_alikes")
        return self.value >= self.limit if self.name in LEAST else self.value <= self.limit

    def __str__(self) -> str:
        way = "at least" if self.name in LEAST else "at most"
        ids = self.details.get("ids")
        some = f"; such as {', '.join(ids[:3])}" if ids else ""
        return (
            f"{self.name}: expected {way} {self._shown(self.limit)}, got {self._shown(self.value)} ({MEANING[self.name]}{some})"
        )

    def _shown(self, value: float | None) -> str:
        if value is None:
            return "unknown"
        return f"{value:,.0f}" if self.name in COUNTS else f"{value:.1%}"

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        value = None if self.value is None else round(self.value, 4)
        said = {"value": value, "limit": self.limit, "passed": self.passed, "meaning": MEANING[self.name]}
        return {**said, **({"details": dict(self.details)} if self.details else {})}


@dataclass(frozen=True, slots=True)
class Counts:
    """What was counted while reading.

    Attributes:
        rows: Rows that were read.
        left_out: What was left out, by reason.
        wanted: Sets that were asked for.
        tokens: What a tokenizer makes of the records, where one was named.
    """

    rows: int
    left_out: Mapping[str, int]
    wanted: Sequence[str]
    agreement: Agreement
    tokens: Counted | None = None


def checked(
    sets: Mapping[str, Sequence[Record]],
    counts: Counts,
    limits: Limits,
    finders: Sequence[Detector],
    score: Scorer | None = None,
) -> list[Measure]:
    """Return every measure of the sets, in the order of `limits.MEANING`."""
    records = [record for members in sets.values() for record in members]
    found = {**_counted(sets, counts, len(records)), **_measured(records, finders), "contradictions": _judged(records, score)}
    found["leaks"] = _leaks(sets)
    found["truncated"] = _truncated(counts.tokens)
    return [Measure(name, *_parted(found[name], getattr(limits, name))) for name in MEANING]


_Found = tuple[float | None, Mapping[str, Any]]


def _parted(found: _Found, limit: float | None) -> tuple[float | None, float | None, Mapping[str, Any]]:
    value, details = found
    return value, limit, details


def _counted(sets: Mapping[str, Sequence[Record]], counts: Counts, records: int) -> dict[str, _Found]:
    agreement, left_out = counts.agreement, sum(counts.left_out.values())
    empty = [name for name in counts.wanted if not sets[name]]
    read = records + left_out
    between_sources = {"between_sources": agreement.compared_between, "differing": agreement.differing_between}
    repeated = agreement.duplicates + counts.left_out.get("near-duplicate", 0)
    return {
        "records": (records, {"rows": counts.rows}),
        "left_out": (_share(left_out, read), {}),
        "duplicates": (_share(repeated, agreement.records), {}),
        "equal": (_share(counts.left_out.get("equal", 0), read), {}),
        "disagreement": (agreement.disagreement, {"compared": agreement.compared, **between_sources}),
        "noise": (agreement.noise, {"things_said_twice": agreement.things}),
        "empty_sets": (len(empty), {"sets": empty} if empty else {}),
    }


def _measured(records: Sequence[Record], finders: Sequence[Detector]) -> dict[str, _Found]:
    long, made, hidden, source = lengths(records), balance(records), private(records, finders), dominance(records)
    phrases, marked = triggers(records)
    ids = [name for trigger in phrases for name in trigger.ids]
    return {
        "length_bias": (long.bias, {"better_is_longer": long.longer, "median_better": long.good, "median_worse": long.bad}),
        "source_dominance": (source.excess if source else None, asdict(source) if source and source.source else {}),
        "triggers": (marked, {"ids": list(dict.fromkeys(ids))[:20], "phrases": [asdict(each) for each in phrases]}),
        "personal_data": (_share(hidden.records, len(records)), {"ids": list(hidden.ids), "categories": dict(hidden.categories)}),
        "minority": (minority(records), {}),
        "largest_category": (made.largest_category, {}),
        "benign": (made.benign_share, made.as_dict()),
        "look_alikes": (made.look_alike_share, {}),
    }


def _leaks(sets: Mapping[str, Sequence[Record]]) -> _Found:
    found = between(sets)
    return found.all, {"exact": found.exact, "near": found.near, "groups": found.groups, "ids": list(found.ids)}


def _judged(records: Sequence[Record], score: Scorer | None) -> _Found:
    if score is None:
        return None, {}
    found = contradictions(records, score)
    return found.share, {"judged": found.judged, "ids": list(found.ids)}


def _truncated(tokens: Counted | None) -> _Found:
    return (None, {}) if tokens is None else (tokens.share, tokens.as_dict())


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
