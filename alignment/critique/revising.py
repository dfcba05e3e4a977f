"""Criticise answers principle by principle, and revise those that break one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from alignment.critique.critic import Critic
from alignment.critique.drawing import drawn
from guard.constitution import Critique, Revision, critique_request, revision_request
from guard.policy.model import Principle


@dataclass(slots=True)
class Revised:
    """An answer on its way through critiques.

    Attributes:
        text: As it stands now.
        broken: Ids of the principles that it was found to break, and was revised by.
        judged: How many critiques could be read.
        lost: Whether a critique or a revision could not be had: nobody knows whether the answer is good.
    """

    prompt: str
    text: str
    broken: list[str] = field(default_factory=list)
    judged: int = 0
    lost: bool = False


def revise(critic: Critic, answers: Sequence[Revised], principles: Sequence[Principle], rounds: int, seed: int) -> Counter[str]:
    """Put answers through at most `rounds` critiques, each by another principle, and revise what breaks one.

    Returns:
        How many critiques found a principle broken, by its id.
    """
    found: Counter[str] = Counter()
    orders = [drawn(principles, answer.prompt, seed)[:rounds] for answer in answers]
    for turn in range(min(rounds, len(principles))):
        open_ones = [(answer, order[turn]) for answer, order in zip(answers, orders, strict=True) if not answer.lost]
        broken = _criticised(critic, open_ones)
        found.update(principle.id for _, principle, _ in broken)
        _rewritten(critic, broken)
    return found


def _criticised(critic: Critic, asked: Sequence[tuple[Revised, Principle]]) -> list[tuple[Revised, Principle, str]]:
    """Return the answers that break their principle, and the critiques."""
    requests = [critique_request(principle, answer.prompt, answer.text, critic.mark) for answer, principle in asked]
    broken = []
    for (answer, principle), critique in zip(asked, critic.ask(requests), strict=True):
        if not isinstance(critique, Critique):
            answer.lost = True
            continue
        answer.judged += 1
        if critique.violates:
            broken.append((answer, principle, critique.critique))
    return broken


def _rewritten(critic: Critic, broken: Sequence[tuple[Revised, Principle, str]]) -> None:
    requests = [revision_request(principle, answer.prompt, answer.text, said, critic.mark) for answer, principle, said in broken]
    for (answer, principle, _), revision in zip(broken, critic.ask(requests), strict=True):
        if not isinstance(revision, Revision) or not revision.revision.strip():
            answer.lost = True
            continue
        answer.text = revision.revision.strip()
        answer.broken.append(principle.id)
