"""A language model as the critic: its critiques and revisions make demonstrations, its comparisons make pairs."""

from __future__ import annotations

from collections.abc import Sequence

from alignment.critique.answering import Answers
from alignment.critique.critic import Critic
from alignment.critique.gathered import Gathered
from alignment.critique.journal import Known
from alignment.critique.judging import PolicyJudge
from alignment.critique.lessons import whole
from alignment.critique.preferring import candidates, prefer
from alignment.critique.revising import Revised, revise
from alignment.critique.settings import CritiqueSettings
from alignment.records import Prompt, spoken
from guard.errors import TenetError
from guard.policy.model import Principle
from guard.policy.shapes import did_you_mean
from guard.values import Action

READABLE = 0.5
"""The share of a critic's answers that has to be readable: below it, it is no critic."""


def principles_of(judge: PolicyJudge, wanted: Sequence[str]) -> list[Principle]:
    """Return the principles that are asked about. Raises TenetError where there are none, or one is not the policy's."""
    known = {principle.id: principle for principle in judge.policy.principles}
    if not known:
        raise TenetError(f"the policy {judge.policy.name}: expected principles that a critic is asked about, found none")
    for name in wanted:
        if name not in known:
            hint = did_you_mean(name, known) or f"known: {', '.join(known)}"
            raise TenetError(f"principles: expected ids of the policy's principles, got {name[:60]!r} ({hint})")
    return [known[name] for name in wanted] if wanted else list(known.values())


def judge_by_model(
    critic: Critic, judge: PolicyJudge, prompts: Sequence[Prompt], answers: Answers, settings: CritiqueSettings, found: Gathered
) -> None:
    """Add to `found` what the critic makes of prompts and their answers.

    Raises:
        TenetError: Where most of what the critic answers cannot be read.
    """
    principles = principles_of(judge, settings.principles)
    seed = settings.answers.seed
    if settings.rounds:
        _demonstrations(critic, judge, prompts, answers, settings, principles, found)
        _check(critic)
    if settings.labels:
        words = [spoken(prompt.prompt) for prompt in prompts]
        pairs = [
            pair
            for index, known in enumerate(answers.of)
            for pair in candidates(index, words[index], _texts(known), settings.labels)
        ]
        labels, found.agreement = prefer(critic, pairs, principles, seed)
        for label in labels:
            found.pair(prompts[label.prompt], label.chosen, label.rejected, label.margin)
            found.labels[label.principle] += 1
        _check(critic)
    found.critic = critic.counts


def _demonstrations(
    critic: Critic,
    judge: PolicyJudge,
    prompts: Sequence[Prompt],
    answers: Answers,
    settings: CritiqueSettings,
    principles: Sequence[Principle],
    found: Gathered,
) -> None:
    """Criticise and revise the first answer to each prompt; what the policy itself would still act on is not taught."""
    asked = [(prompt, texts[0]) for prompt, known in zip(prompts, answers.of, strict=True) if (texts := _texts(known))]
    found.left_out["cut-off"] += len(prompts) - len(asked)
    on_the_way = [Revised(spoken(prompt.prompt), text) for prompt, text in asked]
    found.principles = revise(critic, on_the_way, principles, settings.rounds, settings.answers.seed)
    judged = judge.answers([(prompt, Known(each.text, "stop")) for (prompt, _), each in zip(asked, on_the_way, strict=True)])
    for (prompt, _), each, verdict in zip(asked, on_the_way, judged, strict=True):
        if each.lost:
            found.left_out["no-critique"] += 1
        elif verdict.decision.failed:
            found.left_out["failed"] += 1
        elif verdict.decision.action is not Action.ALLOW:
            found.left_out["minded"] += 1
        else:
            found.demonstrate(prompt, each.text, "revised" if each.broken else "unchanged")


def _texts(known: dict[int, Known]) -> list[str]:
    said = (whole(known[number].text, known[number].finish) for number in sorted(known))
    return [text for text in said if text]


def _check(critic: Critic) -> None:
    counts = critic.counts
    read = counts["asked"] - counts["late"] - counts["unfit"]
    if read and counts["unreadable"] > (1 - READABLE) * read:
        raise TenetError(
            f"the critic: expected answers of the form it is asked for, got others {counts['unreadable']:,} times in {read:,}; "
            "take a larger model, or let the policy be the critic (critic: policy)"
        )
