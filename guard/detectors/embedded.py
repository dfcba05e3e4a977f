"""The trained classifier that ships with Tenet: `use: embedded`, in two stages.

A linear stage reads every text in microseconds. Where all its scores are low, that is the verdict; the others
are read by a small transformer in milliseconds, off the event loop, which is loaded when it is first needed.

It reports every category whose score reaches `REPORTED`, without a span; rules choose their own thresholds above that. A category
is only looked for in the words that it is defined on: what a user asks for, what a tool returns, what an assistant answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guard.categories import OPENAI
from guard.detectors.running import Composed, Threaded
from guard.runtime.cores import available_cores
from guard.runtime.shared import shared
from guard.values import Detector, Finding, Item, Needs, Role, Runs, WindowReach

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from guard.detectors.encoder_stage import EncoderStage

CATEGORIES = (*OPENAI, "toxicity", "profanity", "jailbreak", "injection", "harmful-request", "harmful-response")
"""Every category that it reports."""

REPORTED = 0.05
"""Lowest score of a finding."""

CLEAR = 0.02
"""Below this in every category, the linear stage's verdict stands: that nothing is there.

On rows held out of both stages, one in 2,000 of what the transformer finds is lost so, and half of harmless prompts end here.
"""

MOST_UNCLEAR = 256
"""Windows of one message that the transformer reads at most: those in which the linear stage sees most. The others, of texts far
longer than 100,000 characters, keep the linear stage's verdict, so that nobody can buy minutes of work with one request."""

LINEAR_SHARE = 0.25
"""Share of the linear stage in the log-odds of what both have read; it remembers wordings that the transformer weighs lightly."""

MODEL = Path(__file__).parent / "models" / "linear.safetensors"
"""The weights of the linear stage; `models/README.md` says what they were trained on and how good they are."""

ENCODER = MODEL.with_name("encoder.onnx")
"""The weights of the transformer; `models/encoder.md` is their card."""

SPOKEN_BY: Mapping[str, frozenset[Role]] = {
    "jailbreak": frozenset({Role.USER}),
    "harmful-request": frozenset({Role.USER}),
    "injection": frozenset({Role.USER, Role.TOOL_RESULT}),
    "harmful-response": frozenset({Role.ASSISTANT}),
}
"""Whose words a category is looked for in; the others in anybody's."""


class Embedded(Composed):
    """A text classifier for `CATEGORIES`.

    Attributes:
        thresholds: For each category, the score that at most 1 % of harmless texts reach: for those who set none themselves.
    """

    def __init__(self, name: str, reach: WindowReach, stages: Stages, deep: Detector) -> None:
        needs = Needs(reach=reach, views=("folded",), runs=Runs.ASYNC)
        super().__init__(name, stages.version, needs, CATEGORIES)
        self._stages = stages
        self._deep = deep

    @property
    def thresholds(self) -> Mapping[str, float]:
        """For each category, the score that at most 1 % of harmless texts reach."""
        return self._stages.encoder().thresholds

    def served_by(self, run: Callable[[Detector], Detector]) -> Embedded:
        """Return the classifier with the runtime around its transformer."""
        reach = self.needs.reach
        assert isinstance(reach, WindowReach)  # noqa: S101 - as it was made
        return Embedded(self.name, reach, self._stages, run(self._deep))

    def warm_up(self) -> None:
        """Load the transformer."""
        self._stages.both(["Good morning."])

    def scores(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return an array of shape (texts, categories) with the columns of `categories`, whoever speaks.

        A long text is judged window by window and gets the highest score of each category.
        """
        found = self._stages.linear.scores(texts)
        unclear = [index for index, row in enumerate(found) if row.max() >= CLEAR]
        if unclear:
            found[unclear] = self._stages.blended(found[unclear], [texts[index] for index in unclear])
        return found

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Return for each item the categories with a score of at least `REPORTED`; waits for the transformer."""
        findings, unclear = self._first(items)
        asked = self._deep.detect([items[index] for index in unclear]) if unclear else []
        return _replaced(findings, unclear, asked)

    async def detect_async(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Do the same without blocking the event loop; clear texts take microseconds."""
        long = sum(len(item.text) for item in items) > _LONG
        findings, unclear = await asyncio.to_thread(self._first, items) if long else self._first(items)
        asked = await self._deep.detect_async([items[index] for index in unclear]) if unclear else []
        return _replaced(findings, unclear, asked)

    def _first(self, items: Sequence[Item]) -> tuple[list[list[Finding]], list[int]]:
        """Return what the linear stage says of each item, and the indices of those that go on."""
        rows = self._stages.linear.scores([item.text for item in items]) if items else ()
        unclear = [index for index, row in enumerate(rows) if row.max() >= CLEAR]
        if len(unclear) > MOST_UNCLEAR:
            unclear = sorted(sorted(unclear, key=lambda index: -rows[index].max())[:MOST_UNCLEAR])
        findings = [reported(self.name, CATEGORIES, item, row) for item, row in zip(items, rows, strict=True)]
        return findings, unclear


class Stages:
    """The weights of both stages; those of the transformer are loaded when they are first needed, once for the process."""

    def __init__(self, detector: str) -> None:
        """Load the linear stage, and check the digest of the other.

        Raises:
            DetectorError: Where weights are missing or were changed.
        """
        from guard.detectors.encoder_stage import checked_digest
        from guard.detectors.linear import LinearStage

        self._detector = detector
        self.linear = LinearStage.load(MODEL, detector)
        self.version = f"{self.linear.version} {checked_digest(ENCODER, detector)[:16]}"
        self._encoder: EncoderStage | None = None

    def encoder(self) -> EncoderStage:
        """Return the transformer. Raises DetectorError where its file is not a model of this version."""
        from guard.detectors.encoder_stage import EncoderStage

        if self._encoder is None:
            self._encoder = shared((ENCODER, self.version), lambda: EncoderStage.load(ENCODER, self._detector))
        return self._encoder

    def both(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the scores of both stages together, of shape (texts, categories)."""
        return self.blended(self.linear.scores(texts), texts)

    def blended(self, first: NDArray[np.float32], texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the scores of both stages, where those of the linear one are known: a weighted mean of their log-odds."""
        import numpy as np

        one, other = (np.clip(scores, _LEAST, 1 - _LEAST) for scores in (first, self.encoder().scores(texts)))
        odds = LINEAR_SHARE * np.log(one / (1 - one)) + (1 - LINEAR_SHARE) * np.log(other / (1 - other))
        scores: NDArray[np.float32] = 1 / (1 + np.exp(-odds))
        return scores


class Deep(Threaded):
    """Both stages as a detector that computes, for texts that are not clear."""

    batch = 8

    def __init__(self, name: str, reach: WindowReach, stages: Stages) -> None:
        super().__init__(name, stages.version, Needs(reach=reach, views=("folded",)), CATEGORIES)
        self.parallel = available_cores()
        self.model_key = f"embedded {stages.version}"
        self._stages = stages

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Return for each item the categories with a score of at least `REPORTED`."""
        rows = self._stages.both([item.text for item in items]).tolist()
        return [reported(self.name, self.categories, item, row) for item, row in zip(items, rows, strict=True)]


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
        DetectorError: Where weights are missing or were changed.
    """
    reach, stages = WindowReach(**options), Stages(name)
    return Embedded(name, reach, stages, Deep(name, reach, stages))


def categories_of(_options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a detector with these options can report, without loading it."""
    return CATEGORIES


def _replaced(findings: list[list[Finding]], places: Sequence[int], by: Sequence[list[Finding]]) -> list[list[Finding]]:
    for place, found in zip(places, by, strict=True):
        findings[place] = found
    return findings


_LEAST = 1e-4
_LONG = 65_536
