"""What each piece of feedback, label or pair says in terms of a format: items, and votes about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from guard.store.exporting.contexts import Context
from guard.store.exporting.conversations import Message, Unfit, whole
from guard.store.exporting.spool import Item, Vote
from guard.store.exporting.sweeping import Sweeper
from guard.store.feedback import StoredFeedback

Statement = tuple[Item, list[Vote]]
ANY = "any"
"""The label for harm of whatever kind."""


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of feedback, and what it is about.

    Attributes:
        weight: Its own, times its source's.
        sweeper: Takes private data out of what was written; None to leave it.
    """

    feedback: StoredFeedback
    context: Context
    weight: float
    sweeper: Sweeper | None

    def vote(self, value: float, aspect: str = "") -> Vote:
        """Return the vote of who said it."""
        said = self.feedback
        voter = f"{said.source_kind}:{said.source}:{said.exchange_id}"  # a key speaks for many people
        return Vote(value, self.weight, voter, said.source_kind, aspect)

    def item(self, *texts: str, kind: str = "record", prompt: list[Message] | None = None) -> Item:
        """Return texts with the exchange's prompt, or another."""
        found = self.context.asked() if prompt is None else prompt
        return Item(found, texts, self.context.seeds, facts_of(self.context), kind)

    def shown_answer(self, choice: int | None) -> str:
        """Return the answer that was given.

        Raises:
            Unfit: Where the caller saw a refusal or a revision instead.
        """
        if not self.context.shown:
            raise Unfit("not-shown")
        return self.context.answer(choice)

    def correction(self) -> str:
        """Return what should have been said.

        Raises:
            Unfit: Where there is nothing, or it cannot be redacted for certain.
        """
        text = whole(self.feedback.correction or "")
        if text.strip() and self.sweeper is not None:
            swept = self.sweeper.swept([text])
            if swept is None:
                raise Unfit("withheld")
            text = swept[0]
        if not text.strip():
            raise Unfit("no-correction")
        return text


def facts_of(context: Context) -> tuple[tuple[str, str], ...]:
    """Return what the data card counts of an exchange."""
    named = {"policy": context.policy, "licence": context.licence, "swept": "yes" if context.swept else ""}
    return tuple((name, value) for name, value in named.items() if value)


def pair(said: Said, chosen: str, rejected: str) -> Statement:
    """Return that one answer is better than another."""
    if chosen == rejected:
        raise Unfit("equal")
    first, second = sorted((chosen, rejected))
    return said.item(first, second), [said.vote(1.0 if chosen == first else -1.0)]


def _thumb_as_half(said: Said) -> Iterator[Statement]:
    yield said.item(said.shown_answer(said.feedback.choice), kind="answer"), [said.vote(_sign(said.feedback.value))]


def _correction_as_pair(said: Said) -> Iterator[Statement]:
    yield pair(said, said.correction(), said.shown_answer(said.feedback.choice))


def _preference(said: Said) -> Iterator[Statement]:
    feedback = said.feedback
    if feedback.preferred is None:
        raise Unfit("which-choice")
    chosen = said.shown_answer(feedback.preferred)
    others = feedback.compared or tuple(choice for choice in said.context.answered() if choice != feedback.preferred)
    if not others:
        raise Unfit("no-answer")
    for choice in others:
        yield pair(said, chosen, said.shown_answer(choice))


def _thumb(said: Said) -> Iterator[Statement]:
    yield said.item(said.shown_answer(said.feedback.choice)), [said.vote(_sign(said.feedback.value))]


def _correction(said: Said) -> Iterator[Statement]:
    """Yield that the correction is good and, where it was given, that the answer is not."""
    correction = said.correction()
    yield said.item(correction), [said.vote(1.0)]
    if said.context.shown:
        answer = said.context.answer(said.feedback.choice)
        if answer != correction:
            yield said.item(answer), [said.vote(-1.0)]


def _score(said: Said) -> Iterator[Statement]:
    if said.feedback.value is None:
        raise Unfit("no-value")
    yield said.item(said.shown_answer(said.feedback.choice)), [said.vote(said.feedback.value)]


def _category(said: Said) -> Iterator[Statement]:
    """Yield that a text is of a category, or is not where the value says so."""
    given = said.feedback.value
    value = -1.0 if given is not None and given <= 0 else 1.0
    stage = str(said.feedback.details.get("stage", ""))
    yield moderated(said.context, stage, said.feedback.choice), [said.vote(value, said.feedback.category or ANY)]


def _category_score(said: Said) -> Iterator[Statement]:
    """Yield what a score of 0 to 1 says of a category: at a half and above that the text is of it."""
    value = said.feedback.value
    if value is None or not 0 <= value <= 1:
        raise Unfit("no-value")
    stage = str(said.feedback.details.get("stage", ""))
    yield moderated(said.context, stage, said.feedback.choice), [said.vote(1.0 if value >= 0.5 else -1.0, said.feedback.category)]


def _appeal(said: Said) -> Iterator[Statement]:
    """Yield, of an appeal that was accepted, that the block was wrong."""
    if said.feedback.status != "accepted":
        raise Unfit("undecided")
    stage = str(said.feedback.details.get("stage", ""))
    yield moderated(said.context, stage, said.feedback.choice), [said.vote(-1.0, said.feedback.category or ANY)]


def moderated(context: Context, stage: str, choice: int | None) -> Item:
    """Return the text that a label is about: an answer, or the last words of the user.

    Args:
        stage: input or output; empty for the answer where there is one, and the user's words where not.
    """
    answered = not isinstance(context.answers, Unfit) and bool(context.answers)
    if stage == "output" or (stage != "input" and (choice is not None or answered)):
        text = context.answer(choice)
        asked = context.prompt[-1]["content"] if not isinstance(context.prompt, Unfit) else ""
        extra = {"stage": "output", "role": "assistant", "prompt": asked}
    else:
        text = context.asked()[-1]["content"]
        extra = {"stage": "input", "role": "user"}
    return Item([], (text,), context.seeds, facts_of(context), extra=extra)


def _sign(value: float | None) -> float:
    if not value:
        raise Unfit("no-value")
    return 1.0 if value > 0 else -1.0


SAYING: Mapping[str, Mapping[str, Callable[[Said], Iterator[Statement]]]] = {
    "pairs": {"preference": _preference, "correction": _correction_as_pair, "thumb": _thumb_as_half},
    "sft": {"correction": _correction, "thumb": _thumb},
    "binary": {"correction": _correction, "thumb": _thumb},
    "scalar": {"score": _score},
    "moderation": {"category": _category, "score": _category_score, "appeal": _appeal},
}
"""What feedback of each kind says, by format. Other kinds say nothing there."""


def label_votes(row: Any, context: Context, weight: float) -> Iterator[Statement]:  # noqa: ANN401 - a row of `labels`
    """Yield what a reviewer's label says.

    Raises:
        Unfit: Where it says nothing for certain.
    """
    values = {"violates": 1.0, "allowed": -1.0}
    if row.verdict not in values:
        raise Unfit("unsure")
    voter = f"reviewer:{row.reviewer}:{row.exchange_id}"
    vote = Vote(values[row.verdict], weight, voter, "reviewer", row.category or ANY, bool(row.final))
    yield moderated(context, row.stage, row.choice), [vote]
