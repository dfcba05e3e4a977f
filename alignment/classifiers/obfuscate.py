"""Spell a text as people do who want to get past a filter: the inverse of the folded view, and what that view cannot undo."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

_LEET = {"a": "4@", "e": "3", "i": "1!", "o": "0", "s": "5$", "t": "7", "b": "8", "g": "9"}
_ALIKE = {"a": "а", "c": "с", "e": "е", "i": "і", "o": "о", "p": "р", "x": "х", "y": "у", "s": "ѕ", "j": "ј"}
_LONG_ENOUGH = 4


def obfuscated(text: str, random: Random) -> str:
    """Return `text` with about a third of its longer words spelled in one of several disguises."""
    spell = random.choice(_SPELLINGS)
    words = text.split(" ")
    places = [index for index, word in enumerate(words) if len(word) >= _LONG_ENOUGH and word.isalpha()]
    for index in random.sample(places, -(-len(places) // 3)):
        words[index] = spell(words[index], random)
    return " ".join(words)


def _leet(word: str, random: Random) -> str:
    return "".join(random.choice(_LEET[letter]) if letter in _LEET and random.random() < 0.6 else letter for letter in word)


def _alike(word: str, random: Random) -> str:
    return "".join(_ALIKE[letter] if letter in _ALIKE and random.random() < 0.6 else letter for letter in word)


def _stretched(word: str, random: Random) -> str:
    place = random.randrange(1, len(word))
    return word[:place] + word[place] * random.randint(2, 4) + word[place:]


def _spaced(word: str, random: Random) -> str:
    return random.choice(" .-_").join(word)


def _starred(word: str, random: Random) -> str:
    place = random.randrange(1, len(word) - 1)
    return word[:place] + "*" + word[place + 1 :]


def _dropped(word: str, random: Random) -> str:
    place = random.randrange(1, len(word))
    return word[:place] + word[place + 1 :]


def _swapped(word: str, random: Random) -> str:
    place = random.randrange(len(word) - 1)
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


_SPELLINGS: tuple[Callable[[str, Random], str], ...] = (_leet, _alike, _stretched, _spaced, _starred, _dropped, _swapped)
