"""Have pairs of answers compared by a principle, in both orders: only what both say is a label.

Models favour the first or the second place whatever stands there; asking twice, with the answers exchanged, takes that out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

from alignment.critique.critic import Critic
from alignment.critique.drawing import drawn
from guard.constitution import Preference, Request, preference_request
from guard.policy.model import Principle


class Candidates(NamedTuple):
    """Two answers to compare.

    Attributes:
        prompt: Index of their prompt.
        words: The prompt.
    """

    prompt: int
    words: str
    first: str
    second: str


@dataclass(frozen=True, slots=True)
class Label:
    """Which of two answers is better.

    Attributes:
        prompt: Index of their prompt.
        margin: How sure the critic says it is, on average of both orders; in (0, 1].
        principle: Id of the one that they were compared by.
    """

    prompt: int
    chosen: str
    rejected: str
    margin: float
    principle: str


def candidates(prompt: int, words: str, answers: Sequence[str], most: int) -> Iterator[Candidates]:
    """Yield at most `most` pairs of different answers to a prompt: those that share no answer come first."""
    different = list(dict.fromkeys(answer.strip() for answer in answers if answer.strip()))
    apart = [(at, at + 1) for at in range(0, len(different) - 1, 2)]
    others = [pair for pair in combinations(range(len(different)), 2) if pair not in apart]
    for one, other in [*apart, *others][:most]:
        yield Candidates(prompt, words, different[one], different[other])


def prefer(
    critic: Critic, asked: Sequence[Candidates], principles: Sequence[Principle], seed: int
) -> tuple[list[Label], Counter[str]]:
    """Return the labels on which both orders agree.

    Returns:
        With them, how many pairs were `agreed` on, `tied` (equal in both orders), `disagreed` on, or `unread`.
    """
    chosen_by = [drawn(principles, f"{pair.words}\0{pair.first}\0{pair.second}", seed)[0] for pair in asked]
    requests = [
        request for pair, principle in zip(asked, chosen_by, strict=True) for request in _both_orders(pair, principle, critic)
    ]
    verdicts = critic.ask(requests)
    labels: list[Label] = []
    counts: Counter[str] = Counter(agreed=0, tied=0, disagreed=0, unread=0)
    for number, (pair, principle) in enumerate(zip(asked, chosen_by, strict=True)):
        outcome, label = _read(pair, principle, verdicts[2 * number], verdicts[2 * number + 1])
        counts[outcome] += 1
        labels += [label] if label is not None else []
    return labels, counts


def _both_orders(pair: Candidates, principle: Principle, critic: Critic) -> tuple[Request, Request]:
    return (
        preference_request([principle], pair.words, pair.first, pair.second, critic.mark),
        preference_request([principle], pair.words, pair.second, pair.first, critic.mark),
    )


def _read(pair: Candidates, principle: Principle, one: object, swapped: object) -> tuple[str, Label | None]:
    if not isinstance(one, Preference) or not isinstance(swapped, Preference):
        return "unread", None
    if one.better == swapped.better == "equal":
        return "tied", None
    if {one.better, swapped.better} != {"first", "second"}:
        return "disagreed", None
    margin = (one.confidence + swapped.confidence) / 2
    if margin <= 0:
        return "tied", None
    better, worse = (pair.first, pair.second) if one.better == "first" else (pair.second, pair.first)
    return "agreed", Label(pair.prompt, better, worse, round(margin, 6), principle.id)
