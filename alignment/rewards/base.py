"""A reward as trainers call it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Messages = Sequence[dict[str, str]]
Conversation = str | Messages


class Scorer(Protocol):
    """Scores answers; higher is better."""

    def __call__(self, prompts: Sequence[Conversation], answers: Sequence[str]) -> Sequence[float | None]:
        """Return one number for each answer to the prompt at its place; None where there is none to be had."""
        ...


@dataclass(frozen=True, slots=True)
class Reward:
    """One part of what an answer is worth.

    Attributes:
        name: Under which its mean is logged: `rewards/NAME/mean`.
        weight: How much it counts in the sum.
        described: What it was, for the record.
    """

    name: str
    weight: float
    scorer: Scorer
    described: str

    @property
    def function(self) -> Callable[..., list[float | None]]:
        """The reward as TRL calls it: `f(prompts, completions, **columns)`, a number for each completion."""

        def function(prompts: Sequence[Conversation], completions: Sequence[Conversation], **_columns: Any) -> list[float | None]:  # noqa: ANN401
            return list(self.scorer(prompts, [text_of(completion) for completion in completions]))

        function.__name__ = self.name
        return function


def text_of(conversation: Conversation) -> str:
    """Return the words of an answer."""
    if isinstance(conversation, str):
        return conversation
    return "\n".join(message["content"] for message in conversation)


def messages_of(conversation: Conversation) -> Messages:
    """Return a prompt as messages."""
    return [{"role": "user", "content": conversation}] if isinstance(conversation, str) else conversation
