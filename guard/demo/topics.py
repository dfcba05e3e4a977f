"""The topics of the demo's text, and which of them a question is about."""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_WORD = re.compile(r"[^\W\d_]{3,}")
_TITLE_WEIGHT = 8


@dataclass(frozen=True, slots=True, eq=False)
class Topic:
    """A title and what is said under it.

    Attributes:
        words: How often each word occurs, the title's counting several times.
    """

    title: str
    paragraphs: tuple[str, ...]
    words: Counter[str]


def read_topics(text: str) -> tuple[Topic, ...]:
    """Read topics: each begins with a line `# Title`, and every further line is a paragraph."""
    return tuple(_topic(*section.split("\n", 1)) for section in re.split(r"^# ", text, flags=re.MULTILINE) if section.strip())


def topic_of(question: str, topics: Sequence[Topic]) -> Topic:
    """Return the topic that shares the most telling words with the question.

    A question that shares none gets a topic all the same: always the same one, so that an answer stays reproducible.
    """
    holders = {word: sum(word in topic.words for topic in topics) for word in _words(question)}
    weights = {word: math.log(len(topics) / count) for word, count in holders.items() if count}
    scores = [sum(weight * topic.words[word] for word, weight in weights.items()) for topic in topics]
    best = max(scores)
    return topics[scores.index(best) if best > 0 else zlib.crc32(question.encode("utf-8", "replace")) % len(topics)]


def _topic(title: str, body: str) -> Topic:
    words = Counter(_stem(word) for word in _WORD.findall(body))
    for word in _WORD.findall(title):
        words[_stem(word)] += _TITLE_WEIGHT
    return Topic(title.strip(), tuple(line.strip() for line in body.splitlines() if line.strip()), words)


def _words(text: str) -> set[str]:
    return {_stem(word) for word in _WORD.findall(text)}


def _stem(word: str) -> str:
    return word.lower().rstrip("s")
