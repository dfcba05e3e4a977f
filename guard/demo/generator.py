"""The demo's generator: answers about the topics of the text it was trained on, or repeats what it is told to.

It is a real, if modest, generator: a language model trained at start-up, which is sampled token by token. Being asked to repeat
a text is how one sees an unsafe answer being stopped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import NamedTuple

import numpy as np

from guard.demo.language import LanguageModel, Vector
from guard.demo.sampling import choose
from guard.demo.tokens import tokenize
from guard.demo.topics import Topic, read_topics, topic_of

_REPEAT = re.compile(r"\s*(?:please\s+)?(?:repeat(?:\s+after\s+me)?|say)\s*:\s*", re.IGNORECASE)
_END = ""
_UNKNOWN = -2
_TOPIC_SHARE = 0.75
_LONGEST = 400


class Alternative(NamedTuple):
    """A token that could have stood at a place, with the natural logarithm of its probability."""

    text: str
    logprob: float


class Token(NamedTuple):
    """One generated token.

    Attributes:
        start: Its offset in the answer, in code points.
        logprob: Natural logarithm of its probability, before temperature and nucleus; 0 where it was repeated.
        likeliest: The likeliest tokens at this place, best first, as many as were asked for.
    """

    text: str
    start: int
    logprob: float = 0.0
    likeliest: tuple[Alternative, ...] = ()


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn; `guard.demo.sampling.choose` says what the numbers mean.

    Attributes:
        seed: Makes the answers of a request reproducible; None for other answers every time.
        alternatives: How many of the likeliest tokens to name at each place.
    """

    temperature: float = 0.8
    top_p: float = 1.0
    seed: int | None = None
    alternatives: int = 0


class DemoGenerator:
    """A language model for each topic, mixed with one for them all.

    Args:
        text: Topics as `read_topics` wants them.
    """

    def __init__(self, text: str) -> None:
        self._topics = read_topics(text)
        paragraphs = [[[*tokenize(paragraph), _END] for paragraph in topic.paragraphs] for topic in self._topics]
        self._tokens = sorted({token for topic in paragraphs for tokens in topic for token in tokens})
        self._ids = {token: index for index, token in enumerate(self._tokens)}
        texts = [[[self._ids[token] for token in tokens] for tokens in topic] for topic in paragraphs]
        self._everything = LanguageModel((ids for topic in texts for ids in topic), len(self._tokens))
        self._about = dict(zip(self._topics, (LanguageModel(topic, len(self._tokens)) for topic in texts), strict=True))

    @classmethod
    def shipped(cls) -> DemoGenerator:
        """Train on the text that comes with the package."""
        return cls(files("guard.demo").joinpath("text.txt").read_text(encoding="utf-8"))

    def answer(self, question: str, sampling: Sampling, choice: int = 0) -> Iterator[Token]:
        """Yield an answer to `question`: what follows "Repeat:" or "Say:", else a short text on its topic.

        Args:
            choice: Index of the answer where several are wanted: each draws by itself.
        """
        command = _REPEAT.match(question)
        if command:
            return _repeated(question[command.end() :])
        return self._drawn((), topic_of(question, self._topics), sampling, choice)

    def continuation(self, beginning: str, sampling: Sampling, choice: int = 0) -> Iterator[Token]:
        """Yield what follows `beginning`; the arguments, and "Repeat:", are as for `answer`."""
        command = _REPEAT.match(beginning)
        if command:
            return _repeated(beginning[command.end() :])
        context = [self._ids.get(token, _UNKNOWN) for token in tokenize(beginning)]
        return self._drawn(context, topic_of(beginning, self._topics), sampling, choice)

    def _drawn(self, context: Sequence[int], topic: Topic, sampling: Sampling, choice: int) -> Iterator[Token]:
        chance = np.random.default_rng(None if sampling.seed is None else [sampling.seed % 2**64, choice])
        ids, start = list(context), 0
        for _ in range(_LONGEST):
            probabilities = self._next(ids, topic)
            drawn = choose(probabilities, sampling.temperature, sampling.top_p, chance)
            text = self._tokens[drawn]
            if text == _END:
                return
            yield Token(text, start, float(np.log(probabilities[drawn])), self._likeliest(probabilities, sampling.alternatives))
            ids.append(drawn)
            start += len(text)

    def _next(self, ids: Sequence[int], topic: Topic) -> Vector:
        return _TOPIC_SHARE * self._about[topic].next(ids) + (1 - _TOPIC_SHARE) * self._everything.next(ids)

    def _likeliest(self, probabilities: Vector, count: int) -> tuple[Alternative, ...]:
        best = np.argsort(-probabilities, kind="stable")[:count] if count else ()
        return tuple(Alternative(self._tokens[index], float(np.log(probabilities[index]))) for index in best)


def _repeated(text: str) -> Iterator[Token]:
    start = 0
    for token in tokenize(text):
        yield Token(token, start)
        start += len(token)
