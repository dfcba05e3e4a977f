"""What a record says, whatever the format it came in."""

from __future__ import annotations

from dataclasses import dataclass

from guard.store.exporting.conversations import Message


@dataclass(frozen=True, slots=True)
class Remark:
    """Feedback; the fields are those of `guard.store.feedback.NewFeedback`.

    Attributes:
        by: Who says it, as the file names them; kept as a pseudonym.
    """

    kind: str
    choice: int | None = None
    value: float | None = None
    category: str = ""
    preferred: int | None = None
    compared: tuple[int, ...] = ()
    comment: str | None = None
    correction: str | None = None
    weight: float = 1.0
    by: str = ""


@dataclass(frozen=True, slots=True)
class Label:
    """What a person says that a text is, or is not."""

    category: str
    violates: bool
    stage: str
    choice: int | None = None
    weight: float = 1.0
    by: str = ""


@dataclass(frozen=True, slots=True)
class AboutExchange:
    """Feedback on an exchange that the store has, or will have."""

    exchange_id: str
    remark: Remark
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Words that the store does not have, with what was said about them."""

    prompt: tuple[Message, ...]
    answers: tuple[str, ...]
    remarks: tuple[Remark, ...] = ()
    labels: tuple[Label, ...] = ()
    subject: str = ""
    conversation: str = ""
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """One answer that is better than another."""

    prompt: tuple[Message, ...]
    chosen: str
    rejected: str
    margin: float | None = None
    weight: float = 1.0
    category: str = ""
    subject: str = ""
    conversation: str = ""
    licence: str = ""


Draft = AboutExchange | Conversation | Pair


class BadRecord(Exception):
    """A record that says nothing that the store could take; the message is expected, got and the way out."""
