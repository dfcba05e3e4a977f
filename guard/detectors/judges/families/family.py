"""What a family of judging models has to say about itself."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from guard.constitution import Unreadable
from guard.detectors.judges.conversation import Turn
from guard.detectors.judges.tokens import Token, probability

HARMFUL = "harmful"
"""In a map of categories: `harmful-request` for words to the model, `harmful-response` for words of it."""


class Unclear(Unreadable):
    """An answer that is no verdict of the family."""


class Question(NamedTuple):
    """One request to a model.

    Attributes:
        label: The risk that it asks about; empty where the answer names what it found.
        messages: For a server that applies the model's template, as chat formats write them.
        extra: Further fields of such a request.
        prompt: The whole prompt, for a server that completes it; empty where the family has none.
    """

    label: str
    messages: tuple[Turn, ...]
    extra: Mapping[str, Any] = {}
    prompt: str = ""


class Outcome(NamedTuple):
    """What an answer says.

    Attributes:
        labels: The risks that were found; empty where it names none.
        probability: Of the verdict "unsafe"; None where the tokens don't tell.
    """

    unsafe: bool
    labels: tuple[str, ...] = ()
    probability: float | None = None


class Family(Protocol):
    """A family of models."""

    @property
    def name(self) -> str:
        """What `family:` calls it."""
        ...

    @property
    def labels(self) -> Mapping[str, tuple[str, ...]]:
        """The categories that each of its labels means; `HARMFUL` stands for both of its two."""
        ...

    @property
    def asked(self) -> tuple[str, ...]:
        """The risks that are asked about where nothing is said, one request for each; empty where one request covers all."""
        ...

    @property
    def servers(self) -> tuple[str, ...]:
        """The values of `template:` that it has a prompt for."""
        ...

    @property
    def limit(self) -> int:
        """Tokens that an answer may have."""
        ...

    def question(self, conversation: Sequence[Turn], label: str, options: Mapping[str, Any]) -> Question:
        """Return the request about the last turn of a conversation whose texts are plain already."""
        ...

    def outcome(self, answer: str, tokens: Sequence[Token], label: str) -> Outcome:
        """Return what an answer, its reasoning left out, says; raises `Unclear` where it is no verdict."""
        ...


_WORD = re.compile(r"\s*(yes|no)\b", re.IGNORECASE)


def yes_or_no(
    answer: str, tokens: Sequence[Token], label: str, verdict: re.Pattern[str] = _WORD, *, whole: bool = False
) -> Outcome:
    """Return the outcome of an answer whose verdict is one word, the first group of `verdict`.

    Args:
        whole: Whether nothing may follow the verdict.
    """
    found = verdict.fullmatch(answer.strip()) if whole else verdict.match(answer)
    if found is None:
        raise Unclear("expected the verdict yes or no, got another answer")
    unsafe = found[1].lower() == "yes"
    return Outcome(unsafe, (label,) if unsafe and label else (), probability(tokens, answer, verdict, "yes", "no"))
