"""The hard facts of a sentence: its numbers, its names, whether it denies; and the words that carry its content."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from guard.detectors.meaning.quantities import Number, numbers
from guard.detectors.meaning.wording import COUNTED, DENIALS, STOP, TITLES, WORD, folded, stem

_CLAUSE = re.compile(r"[,;:.!?()\[\]]|\b(?:but|unless|although|while|because|if)\b", re.IGNORECASE)
_DENIED = 2
"""Content words after a negation that it most likely denies."""
_HEADING = 0.6
"""Share of capitalised words from which on a line is a heading, whose capitals name nothing."""
_NAMES_IN_A_ROW = re.compile(r"(?:[^\W\d_a-z][^\W\d_]+(?:\s+(?:of|and|the|for|de|la)\s+|[\s-]+)?){2,8}")
_LETTERS = re.compile(r"[^\W\d_]+")
_SAME_START = 4


@dataclass(frozen=True, slots=True)
class Facts:
    """What a sentence says that can be compared without understanding it.

    Attributes:
        stems: Content words, each once, in order.
        names: Words written as names where a sentence doesn't begin, folded.
        words: All words, folded.
        denies: Whether there is a negation.
        denied: The content words right after a negation, in the same clause.
    """

    stems: tuple[str, ...]
    numbers: tuple[Number, ...]
    names: frozenset[str]
    words: frozenset[str]
    denies: bool
    denied: frozenset[str]


def facts(sentence: str) -> Facts:
    """Return the facts of a sentence."""
    found = WORD.findall(sentence)
    words = [folded(word) for word in found]
    content = [stem(word) for word in words if word not in STOP and word not in COUNTED and not word[0].isdigit()]
    denies = any(word in DENIALS for word in words)
    return Facts(
        tuple(dict.fromkeys(content)),
        numbers(sentence),
        frozenset(_names(found, words)),
        frozenset(words),
        denies,
        frozenset(_denied(sentence)) if denies else frozenset(),
    )


def known_name(name: str, words: frozenset[str], initials: frozenset[str]) -> bool:
    """Return whether a name occurs among words: itself, inflected (`France`, `French`), or as initials of a row of names."""
    if name in words or name in initials or stem(name) in words:
        return True
    start = name[:_SAME_START]
    return len(name) > _SAME_START and any(word.startswith(start) and abs(len(word) - len(name)) <= _SAME_START for word in words)


def initials(text: str) -> frozenset[str]:
    """Return what rows of at least two capitalised words shorten to."""
    rows = (_LETTERS.findall(row) for row in _NAMES_IN_A_ROW.findall(text))
    return frozenset("".join(word[0] for word in row if word.lower() not in STOP).lower() for row in rows)


def _names(found: Sequence[str], words: Sequence[str]) -> Iterator[str]:
    """Yield capitalised words; none of a heading, and the first of a sentence only where a name follows."""
    capital = [word[0].isupper() for word in found]
    if len(found) > 3 and sum(capital) > _HEADING * len(found):
        return
    for index, word in enumerate(words):
        named = capital[index] and len(word) > 1 and word not in TITLES and (word not in STOP or found[index].isupper())
        if named and (index or _begins_a_name(capital, words)):
            yield word


def _begins_a_name(capital: Sequence[bool], words: Sequence[str]) -> bool:
    return len(words) > 1 and capital[1] and words[0] not in STOP and words[1] not in STOP


def _denied(sentence: str) -> Iterator[str]:
    for clause in _CLAUSE.split(sentence):
        left = 0
        for match in WORD.finditer(clause):
            word = folded(match[0])
            if word in DENIALS:
                left = _DENIED
            elif left and word not in STOP:
                yield stem(word)
                left -= 1
