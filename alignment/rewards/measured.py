"""Rewards that are measured on the text alone."""

from __future__ import annotations

from collections.abc import Sequence

from alignment.rewards.base import Conversation
from alignment.rewards.settings import LengthReward, RepetitionReward


class LengthScorer:
    """Scores an answer's length in characters."""

    def __init__(self, settings: LengthReward) -> None:
        """Take what is too short and too long."""
        self._settings = settings

    def __call__(self, prompts: Sequence[Conversation], answers: Sequence[str]) -> list[float]:
        """Return for each answer a number from -1 to 0."""
        return [self._of(len(answer.strip())) for answer in answers]

    def _of(self, length: int) -> float:
        if length < self._settings.least:
            return length / self._settings.least - 1
        return -min(1.0, max(0, length - self._settings.most) / self._settings.most)


class RepetitionScorer:
    """Scores how much of an answer repeats what it said before."""

    def __init__(self, settings: RepetitionReward) -> None:
        """Take how many words in a row are compared."""
        self._words = settings.words

    def __call__(self, prompts: Sequence[Conversation], answers: Sequence[str]) -> list[float]:
        """Return for each answer less the share of its runs of words that came before, from -1 to 0."""
        return [self._of(answer.lower().split()) for answer in answers]

    def _of(self, words: list[str]) -> float:
        runs = [tuple(words[start : start + self._words]) for start in range(len(words) - self._words + 1)]
        return len(set(runs)) / len(runs) - 1 if runs else 0.0
