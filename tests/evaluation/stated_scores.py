"""A detector of one's own for tests: it finds what a text says, such as `hate=0.7 toxicity=0.31`, with just that score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from guard.detectors.registry import kinds
from guard.policy.kinds import Kind
from guard.values import Finding, Item, Needs, Runs, WholeReach

CATEGORIES = ("hate", "hate/threatening", "toxicity", "harmful-response")


NEEDS = Needs(reach=WholeReach(), runs=Runs.THREAD)


@dataclass(frozen=True, slots=True)
class Stated:
    name: str
    version: str = "1"
    needs: Needs = NEEDS
    categories: tuple[str, ...] = CATEGORIES

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        if any("broken" in item.text for item in items):
            raise RuntimeError("CANARY")
        return [[self._finding(word, item) for word in item.text.split() if "=" in word] for item in items]

    async def detect_async(self, items: Sequence[Item]) -> list[list[Finding]]:
        return self.detect(items)

    def _finding(self, word: str, item: Item) -> Finding:
        category, _, score = word.partition("=")
        return Finding(self.name, category, float(score), None, item.location, item.role)


def make(name: str, _options: Mapping[str, Any]) -> Stated:
    return Stated(name)


KINDS = {**kinds(), "stated": Kind("stated", "what a text says", make, lambda _options: CATEGORIES, spans=False, reach="window")}


@dataclass(frozen=True, slots=True)
class Row:
    id: str
    text: str
    labels: Mapping[str, int] = field(default_factory=dict)


def rows(category: str, label: int, scores: Sequence[float | str]) -> list[Row]:
    """One record for each score."""
    return [
        Row(f"{category}-{label}-{index}", f"{category}={score}" if score != "" else "nothing", {category: label})
        for index, score in enumerate(scores)
    ]
