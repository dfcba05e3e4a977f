"""Have prompts answered by a generator, and remember each answer as soon as it is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from alignment.critique.journal import Journal, Known, digest_of
from alignment.models.generators import Generator
from alignment.models.sampling import Conversation, Place, PromptError, Sampling, Tell


class Source:
    """A generator that is loaded when it is first asked something that nobody has answered yet.

    Attributes:
        name: What answers: a digest of the weights, or the server and the model there.
    """

    def __init__(self, name: str, load: Callable[[], Generator]) -> None:
        self.name = name
        self._load = load
        self._generator: Generator | None = None

    @property
    def generator(self) -> Generator:
        """The generator."""
        if self._generator is None:
            self._generator = self._load()
        return self._generator

    def release(self) -> None:
        """Let go of the model until it is asked again, so that another one has room."""
        self._generator = None


class Answers:
    """What prompts were answered.

    Attributes:
        of: By index of the prompt: its answers, by their number.
        unfit: Indices of the prompts that the model cannot read: too long, or not as its chat template wants them.
        complete: Whether all that could be answered were, before the time was over.
    """

    def __init__(self, prompts: int) -> None:
        self.of: list[dict[int, Known]] = [{} for _ in range(prompts)]
        self.unfit: set[int] = set()
        self.complete = True


def answered(
    source: Source, prompts: Sequence[Conversation], sampling: Sampling, journal: Journal, tell: Tell = lambda _progress: None
) -> Answers:
    """Return the answers to prompts: those that the journal has, and the others as far as the sampling's seconds last.

    Raises:
        TenetError: Where the generator fails; what it has answered is in the journal.
    """
    found = Answers(len(prompts))
    digests = {
        (index, number): digest_of(source.name, _settings(sampling), list(prompt), number)
        for index, prompt in enumerate(prompts)
        for number in range(sampling.answers)
    }
    for place, digest in digests.items():
        known = journal.get(digest)
        if known is not None:
            found.of[place[0]][place[1]] = known
    left = [index for index, answers in enumerate(found.of) if len(answers) < sampling.answers]
    while left:
        done = {(at, number) for at, index in enumerate(left) for number in found.of[index]}
        try:
            _ask(source, left, prompts, sampling, done, digests, found, journal, tell)
            break
        except PromptError as error:  # told before anything is sampled
            bad = {left[at] for at in error.prompts}
            found.unfit |= bad
            left = [index for index in left if index not in bad]
    found.complete = all(len(found.of[index]) == sampling.answers for index in left)
    return found


def _ask(
    source: Source,
    left: Sequence[int],
    prompts: Sequence[Conversation],
    sampling: Sampling,
    done: set[Place],
    digests: dict[Place, str],
    found: Answers,
    journal: Journal,
    tell: Tell,
) -> None:
    for answer in source.generator.each([prompts[index] for index in left], sampling, done=done, tell=tell):
        place = (left[answer.prompt], answer.answer)
        known = Known(answer.text, answer.finish)
        found.of[place[0]][place[1]] = known
        journal.add(digests[place], known)


def _settings(sampling: Sampling) -> dict[str, Any]:
    """Return what an answer depends on: not how many are made at once, how many in all, or in which time."""
    values: dict[str, Any] = msgspec.to_builtins(sampling)
    return {name: value for name, value in values.items() if name not in ("answers", "batch", "seconds")}
