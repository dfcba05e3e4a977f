"""The trained classifier that ships with Tenet: `use: embedded`.

It reports every category whose score reaches `REPORTED`, without a span; rules choose their own thresholds above that. A category
is only looked for in the words that it is defined on: what a user asks for, what a tool returns, what an assistant answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guard.categories import OPENAI
from guard.values import Finding, Item, Needs, Role, Runs, WindowReach

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from guard.detectors.linear import Scorer

CATEGORIES = (*OPENAI, "toxicity", "profanity", "jailbreak", "injection", "harmful-request", "harmful-response")
"""Every category that it reports."""

REPORTED = 0.05
"""Lowest score of a finding."""

MODEL = Path(__file__).parent / "models" / "linear.safetensors"
"""The weights; `models/README.md` says what they were trained on and how good they are."""

SPOKEN_BY: Mapping[str, frozenset[Role]] = {
    "jailbreak": frozenset({Role.USER}),
    "harmful-request": frozenset({Role.USER}),
    "injection": frozenset({Role.USER, Role.TOOL_RESULT}),
    "harmful-response": frozenset({Role.ASSISTANT}),
}
"""Whose words a category is looked for in; the others in anybody's."""


class Embedded:
    """A text classifier for `CATEGORIES`.

    Attributes:
        thresholds: For each category, the score that at most 1 % of harmless texts reach: for those who set none themselves.
    """

    def __init__(self, name: str, reach: WindowReach, scorer: Scorer) -> None:
        self._name = name
        self._needs = Needs(reach=reach, views=("folded",), runs=Runs.INLINE)
        self._scorer = scorer
        self.thresholds: Mapping[str, float] = scorer.thresholds

    @property
    def name(self) -> str:
        """The name under which the policy knows it."""
        return self._name

    @property
    def version(self) -> str:
        """Changes with the weights."""
        return self._scorer.version

    @property
    def needs(self) -> Needs:
        """Windows of the folded view, judged in the event loop."""
        return self._needs

    @property
    def categories(self) -> tuple[str, ...]:
        """Every category that it can report."""
        return self._scorer.categories

    def scores(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return an array of shape (texts, categories) with the columns of `categories`, whoever speaks.

        A long text is judged window by window and gets the highest score of each category.
        """
        return self._scorer.scores(texts)

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Return for each item the categories with a score of at least `REPORTED`."""
        return [
            reported(self._name, self.categories, item, row)
            for item, row in zip(items, self.scores([item.text for item in items]).tolist(), strict=True)
        ]

    async def detect_async(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Do the same; it takes microseconds, so it yields to nobody."""
        return self.detect(items)


def reported(detector: str, names: Sequence[str], item: Item, scores: Sequence[float]) -> list[Finding]:
    """Return the categories with a score of at least `REPORTED` that are looked for in the words of the item's speaker."""
    return [
        Finding(detector, category, score, None, item.location, item.role)
        for category, score in zip(names, scores, strict=True)
        if score >= REPORTED and (category not in SPOKEN_BY or item.role in SPOKEN_BY[category])
    ]


def make(name: str, options: Mapping[str, Any]) -> Embedded:
    """Return the detector, with the weights that ship.

    Args:
        options: `after`, `most` and `context` of its windows (see `WindowReach`).

    Raises:
        DetectorError: Where the weights are missing or were changed.
    """
    from guard.detectors.linear import LinearStage

    return Embedded(name, WindowReach(**options), LinearStage.load(MODEL, name))


def categories_of(_options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a detector with these options can report, without loading it."""
    return CATEGORIES
