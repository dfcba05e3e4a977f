"""How far a claim agrees with a passage in words and facts."""

from __future__ import annotations

from dataclasses import dataclass

from guard.detectors.meaning.evidence import Evidence
from guard.detectors.meaning.facts import Facts, known_name
from guard.detectors.meaning.opposites import OPPOSITES
from guard.detectors.meaning.quantities import is_known, values_of

_SAME_WORDS = 0.6
_SAME_WORDS_DENIED = 0.85
"""Shares of a claim's words from which on a passage speaks of the same matter, so that a negation is a contradiction. A claim
that denies may put in its own words what the passage has without a negation, so more must be the same."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a claim shares with its context, without asking a model.

    Attributes:
        anywhere: The share of its content words that the context has.
        strange_numbers: Whether it has a number that is nowhere in the context.
        strange_names: Whether it has a name that is nowhere.
        astray: Whether one of its numbers isn't in the passage that it rests on.
        opposes: Whether it has the opposite of a word of that passage.
        contradicts: Whether it says what that passage denies, or denies what it says, in the same words.
    """

    anywhere: float
    strange_numbers: bool
    strange_names: bool
    astray: bool
    opposes: bool
    contradicts: bool


def agreement(claim: Facts, passage: Facts, evidence: Evidence) -> Agreement:
    """Return how far a claim agrees with its context, and with the passage of it that it most likely rests on."""
    known = values_of(passage.numbers)
    return Agreement(
        anywhere=shared(claim, evidence.stems),
        strange_numbers=not all(is_known(number, evidence.numbers) for number in claim.numbers),
        strange_names=not all(known_name(name, evidence.words, evidence.initials) for name in claim.names),
        astray=not all(is_known(number, known) for number in claim.numbers),
        opposes=_opposed(claim.words, passage.words),
        contradicts=_contradicted(claim, passage),
    )


def shared(claim: Facts, stems: frozenset[str]) -> float:
    """Return the share of a claim's content words that are among `stems`; 1 for a claim that has none."""
    return sum(stem in stems for stem in claim.stems) / len(claim.stems) if claim.stems else 1.0


def _contradicted(claim: Facts, passage: Facts) -> bool:
    stems = frozenset(passage.stems)
    same = shared(claim, stems)
    if claim.denies:
        return not passage.denies and same >= _SAME_WORDS_DENIED and not claim.denied.isdisjoint(stems)
    return same >= _SAME_WORDS and not passage.denied.isdisjoint(claim.stems)


def _opposed(claim: frozenset[str], passage: frozenset[str]) -> bool:
    """Return whether a word of the claim is missing from the passage, which has its opposite instead."""
    return any(other in passage and other not in claim for word in claim - passage for other in OPPOSITES.get(word, frozenset()))
