"""What may stand around a text without changing what it is: harmless sentences beside it, a prompt before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from alignment.classifiers.dataset import Example
from alignment.classifiers.sources import BENIGN
from guard.detectors.encoder_stage import WINDOW, shown_of, tokens_of

AMONG = 0.08
"""Share of the short texts that are also shown in the midst of harmless text, at half the weight."""

AFTER_PROMPT = 0.05
"""Share of the texts that are also shown as answers to some prompt, so that no prompt changes what a text says by itself."""

AFTER_PROMPT_IF_ANSWER = 0.15
"""The same for answers of models whose prompts are not known."""

_ANSWERS = ("model_responses", "advbench_strings")
_SHORT = 60
_FEWEST_BESIDE = 4
_BOTH_SIDES = 0.7


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Tokens of harmless texts, and of prompts of both kinds."""

    harmless: Sequence[tuple[int, ...]]
    prompts: Sequence[tuple[int, ...]]

    @classmethod
    def of(cls, examples: Sequence[Example], most: int = 3000) -> Surroundings:
        """Take them from among the examples: at most `most` of each."""
        harmless = [example for example in examples if example.source in BENIGN][:most]
        asking = [example for example in examples if example.labels.get("harmful-request") == 1][: most // 2]
        prompts = [*asking, *harmless[:: max(1, 2 * len(harmless) // most)]]
        return cls(
            [tokens for example in harmless if len(tokens := tokens_of(example.text)) >= _FEWEST_BESIDE],
            [shown_of(tokens_of(example.prompt or example.text)) for example in prompts],
        )

    def other(
        self, example: Example, tokens: tuple[int, ...], random: Random
    ) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
        """Yield other appearances of an example by chance: its tokens with what stands beside them, and a prompt or none."""
        if self.harmless and len(tokens) <= _SHORT and random.random() < AMONG:
            yield self._among(tokens, random), ()
        often = AFTER_PROMPT_IF_ANSWER if example.source in _ANSWERS else AFTER_PROMPT
        if self.prompts and random.random() < often:
            yield tokens, random.choice(self.prompts)

    def _among(self, tokens: tuple[int, ...], random: Random) -> tuple[int, ...]:
        """Return the text between harmless ones, all of it within one window."""
        spare = WINDOW - len(tokens)
        before, after = random.choice(self.harmless), random.choice(self.harmless)
        left = before[-random.randrange(1, spare // 2) :] if random.random() < _BOTH_SIDES else ()
        right = after[: spare - len(left)] if not left or random.random() < _BOTH_SIDES else ()
        return (*left, *tokens, *right)
