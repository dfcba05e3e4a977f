"""Where in a context a sentence may find support: its passages, looked up by their words before any model is asked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from guard.detectors.meaning.claims import is_question
from guard.detectors.meaning.facts import Facts, facts, initials
from guard.detectors.meaning.quantities import values_of
from guard.detectors.meaning.sentences import Sentence, sentences

_COMMON = 5_000
"""Passages from which on a word is too common to find one."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A sentence of the context, with the one after it as far as it belongs to the same text."""

    text: str
    facts: Facts


class Evidence:
    """What an answer may rest on.

    Attributes:
        passages: Every sentence of the context, and every two that follow each other.
    """

    def __init__(self, texts: Iterable[str], questions: Iterable[str] = ()) -> None:
        """Read a context.

        Args:
            texts: What supports an answer.
            questions: What supports nothing, but whose names and numbers an answer may repeat.
        """
        self._texts = tuple(texts)
        self._asked = [facts(sentence.text) for question in questions for sentence in sentences(question)]
        self.passages = tuple(passage for text in self._texts for passage in _passages(sentences(text)))
        self._places: dict[str | float, list[int]] = defaultdict(list)
        for index, passage in enumerate(self.passages):
            for sign in _signs(passage.facts):
                self._places[sign].append(index)

    def best(self, claim: Facts, most: int) -> list[Passage]:
        """Return the passages that share most words and numbers with a claim, rare ones first; fewer where few share anything."""
        if len(self.passages) <= most:
            return list(self.passages)
        counts: Counter[int] = Counter()
        for sign in _signs(claim):
            places = self._places.get(sign, ())
            if len(places) <= _COMMON:
                counts.update(dict.fromkeys(places, _weight(len(places))))
        return [self.passages[index] for index, _ in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:most]]

    def quotes(self, claim: str) -> bool:
        """Return whether the claim is a sentence of the context, word for word."""
        return _plain(claim) in self._plain

    @cached_property
    def _plain(self) -> frozenset[str]:
        return frozenset(_plain(passage.text) for passage in self.passages)

    @cached_property
    def stems(self) -> frozenset[str]:
        """All content words of the context."""
        return frozenset(sign for sign in self._places if isinstance(sign, str))

    @cached_property
    def words(self) -> frozenset[str]:
        """All words of the context, and of the question."""
        return frozenset(word for each in self._all for word in each.words)

    @cached_property
    def numbers(self) -> frozenset[float]:
        """All that numbers of the context, or of the question, may mean."""
        return values_of(number for each in self._all for number in each.numbers)

    @cached_property
    def initials(self) -> frozenset[str]:
        """What names of several words shorten to."""
        return frozenset(name for text in self._texts for name in initials(text))

    @property
    def _all(self) -> Iterable[Facts]:
        return [*(passage.facts for passage in self.passages), *self._asked]


def _signs(found: Facts) -> list[str | float]:
    """Return what a passage can be looked up by."""
    return [*found.stems, *values_of(found.numbers)]


def _weight(passages: int) -> int:
    """Return what a word counts that so many passages have; 60 for a word of one passage, 10 and a little for a common one."""
    return 10 + 50 // max(1, passages)


def _plain(text: str) -> str:
    """Return a text in lower case with single blanks, without a full stop at its end."""
    return " ".join(text.lower().split()).rstrip(".!")


def _passages(found: Sequence[Sentence]) -> list[Passage]:
    stated = [sentence.text for sentence in found if not is_question(sentence.text)]
    pairs = [f"{first} {second}" for first, second in pairwise(stated)]
    return [Passage(text, facts(text)) for text in dict.fromkeys((*stated, *pairs))]
