"""What a model is aligned with, as values: demonstrations, preferences, verdicts, scores and prompts.

Every record says where it comes from. Texts are messages; a chat template is the tokenizer's, and applied when training.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

SPLITS = ("held_out", "validation", "train")
"""The sets. What might stand in two of them stands in the first of these."""


class Kind(StrEnum):
    """What a set of records teaches."""

    PAIRS = "pairs"
    SFT = "sft"
    UNPAIRED = "unpaired"
    SCALAR = "scalar"
    PROCESS = "process"
    PROMPTS = "prompts"


@dataclass(frozen=True, slots=True)
class Message:
    """What one party said.

    Attributes:
        role: `system`, `user` or `assistant`.
    """

    role: str
    content: str

    def as_dict(self) -> dict[str, str]:
        """Return the message as trainers read it."""
        return {"role": self.role, "content": self.content}


Messages = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a record comes from, and what is known about it beside its texts.

    Attributes:
        id: Unique in a set; of the source, or a digest of the texts.
        source: Name of the data set, or the kind of person or detector that spoke.
        licence: Of the texts; empty where nobody stated it.
        weight: How much stands behind it, above 0.
        policy: Digest of the policy in force when it was made; empty where none was, or nobody knows.
        groups: Subject and conversation, as `kind:name`: records that share one belong into the same set.
        categories: Categories of harm that somebody saw in it.
        benign: Whether it was looked at for harm and has none; None where nobody looked.
        look_alike: Whether it is benign and only looks harmful.
        split: One of `SPLITS`, where the source has decided already; else empty.
    """

    id: str
    source: str
    licence: str = ""
    weight: float = 1.0
    policy: str = ""
    groups: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    benign: bool | None = None
    look_alike: bool = False
    split: str = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked, without an answer."""

    origin: Origin
    prompt: Messages

    @property
    def answers(self) -> tuple[Messages, ...]:
        """The answers that it holds, best first."""
        return ()

    def columns(self) -> dict[str, Any]:
        """Return the columns that trainers read."""
        return {"prompt": _plain(self.prompt)}


@dataclass(frozen=True, slots=True)
class Demonstration:
    """An answer to learn as it is (SFT)."""

    origin: Origin
    prompt: Messages
    completion: Messages

    @property
    def answers(self) -> tuple[Messages, ...]:
        """The answer."""
        return (self.completion,)

    def columns(self) -> dict[str, Any]:
        """Return the columns that trainers read."""
        return {"messages": _plain((*self.prompt, *self.completion))}


@dataclass(frozen=True, slots=True)
class Pair:
    """A better and a worse answer to the same prompt.

    Attributes:
        margin: By how much the one is better, above 0; None where nobody measured it.
    """

    origin: Origin
    prompt: Messages
    chosen: Messages
    rejected: Messages
    margin: float | None = None

    @property
    def answers(self) -> tuple[Messages, ...]:
        """The chosen, then the rejected."""
        return (self.chosen, self.rejected)

    def columns(self) -> dict[str, Any]:
        """Return the columns that trainers read; `margin` only where it is known."""
        margin = {} if self.margin is None else {"margin": self.margin}
        return {"prompt": _plain(self.prompt), "chosen": _plain(self.chosen), "rejected": _plain(self.rejected), **margin}


@dataclass(frozen=True, slots=True)
class Unpaired:
    """An answer that is good or bad (KTO)."""

    origin: Origin
    prompt: Messages
    completion: Messages
    label: bool

    @property
    def answers(self) -> tuple[Messages, ...]:
        """The answer."""
        return (self.completion,)

    def columns(self) -> dict[str, Any]:
        """Return the columns that trainers read."""
        return {"prompt": _plain(self.prompt), "completion": _plain(self.completion), "label": self.label}


@dataclass(frozen=True, slots=True)
class Scored:
    """An answer with a scalar reward."""

    origin: Origin
    prompt: Messages
    completion: Messages
    score: float

    @property
    def answers(self) -> tuple[Messages, ...]:
        """The answer."""
        return (self.completion,)

    def columns(self) -> dict[str, Any]:
        """Return the columns that trainers read."""
        return {"prompt": _plain(self.prompt), "completion": _plain(self.completion), "score": self.score}


@dataclass(frozen=True, slots=True)
class Steps:
    """An answer in steps, each with a reward of its own (process rewards).

    Attributes:
        rewards: As many as there are steps; 1 and 0 for right and wrong.
    """

    origin: Origin
    prompt: Messages
    steps: tuple[str, ...]
    rewards: tuple[float, ...]

    @property
    def answers(self) -> tuple[Messages, ...]:
        """The steps as one answer."""
        return ((Message("assistant", "\n".join(self.steps)),),)

    def columns(self) -> dict[str, Any]:
        """Return the columns of TRL's stepwise supervision."""
        return {"prompt": _plain(self.prompt), "completions": list(self.steps), "labels": list(self.rewards)}


Record = Prompt | Demonstration | Pair | Unpaired | Scored | Steps
KINDS: Mapping[Kind, type[Record]] = {
    Kind.PAIRS: Pair,
    Kind.SFT: Demonstration,
    Kind.UNPAIRED: Unpaired,
    Kind.SCALAR: Scored,
    Kind.PROCESS: Steps,
    Kind.PROMPTS: Prompt,
}
"""The records that a set of each kind has."""


def spoken(messages: Sequence[Message]) -> str:
    """Return messages as one text, for what compares or measures texts and trains on none."""
    if len(messages) == 1:
        return messages[0].content
    return "\n".join(f"{message.role}: {message.content}" for message in messages)


def digest_of(*texts: Messages) -> str:
    """Return 24 hexadecimal digits that stand for texts, and for nothing else of a record."""
    said = json.dumps([_plain(messages) for messages in texts], ensure_ascii=False)
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _plain(messages: Messages) -> list[dict[str, str]]:
    return [message.as_dict() for message in messages]
