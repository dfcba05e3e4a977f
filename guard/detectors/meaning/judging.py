"""A second opinion on claims whose support is uncertain, by another detector of the policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from guard import categories
from guard.detectors.meaning.support import Support
from guard.values import Detector, Exchange, Item, Location, Role, Stage

CATEGORY = "ungrounded"
_SHOWN = 3
"""Passages that a judge is shown with a claim."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Who is asked, and about which scores.

    Attributes:
        detector: Says with `ungrounded`, or if it can't report that with anything, that the passages don't support a claim.
        low: The lowest uncertain score.
        high: The highest.
    """

    detector: Detector
    low: float
    high: float

    @property
    def version(self) -> str:
        """Changes with its verdicts."""
        return f"{self.detector.version} {self.low} {self.high}"

    def reviewed(self, found: Mapping[str, Support]) -> dict[str, Support]:
        """Return the judge's verdicts on the claims of which the support is uncertain."""
        unsure = [claim for claim, supported in found.items() if self.low <= 1 - supported.score <= self.high]
        if not unsure:
            return {}
        answers = self.detector.detect([self._item(claim, found[claim]) for claim in unsure])
        verdicts = {}
        for claim, findings in zip(unsure, answers, strict=True):
            scores = [finding.score for finding in findings if self._counts(finding.category)]
            verdicts[claim] = Support(1 - max(scores, default=0.0), found[claim].passages)
        return verdicts

    def _counts(self, category: str) -> bool:
        return CATEGORY not in self.detector.categories or categories.matches(CATEGORY, category)

    def _item(self, claim: str, supported: Support) -> Item:
        """Return a claim as an answer to its passages: its prompt for a detector that sees one, else what stands before it."""
        passages = "\n".join(supported.passages[:_SHOWN])
        if self.detector.needs.sees == "exchange":
            prompt = (Item(passages, Stage.INPUT, Role.TOOL_RESULT, Location("/passages")),)
            return Item(claim, Stage.OUTPUT, Role.ASSISTANT, exchange=Exchange("", prompt=prompt))
        return Item(f"{passages}\n{claim}", Stage.OUTPUT, Role.ASSISTANT, judged_from=len(passages) + 1)
