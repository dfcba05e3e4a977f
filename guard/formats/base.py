"""What a wire format is: bytes to judged texts and back, streamed and not.

A format knows nothing of policies. It reads a message into a tree, names every string in it that a person or a model could have
written, and writes the message again with some of those strings changed. Everything it does not know it names too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

from guard.media import Media
from guard.values import Role


class Piece(NamedTuple):
    """One string of a message.

    Attributes:
        pointer: JSON pointer (RFC 6901); after `#`, a pointer into the JSON that the string before it holds.
        text: The decoded string (a number's source text inside tool arguments).
        key: Whether it is an object's key, which cannot be redacted.
        medium: What it holds where it is no text: `image`, `audio`, `video` or `file`, with `:named` after it where the text is
            only the id of something that the upstream keeps; see `guard.media`.
    """

    pointer: str
    text: str
    key: bool = False
    medium: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """What is judged as one text: usually one string, or the adjoining text parts of one message.

    Attributes:
        choice: Index of the answer's choice; None where the text belongs to all.
        turn: Index of the message in the conversation; -1 where there is none.
        media: Bytes of an image or a sound, whose one piece only says where it stands; None for words.
    """

    pieces: tuple[Piece, ...]
    role: Role
    choice: int | None = None
    turn: int = -1
    media: bytes | None = None

    @property
    def joined(self) -> str:
        """The text that a detector sees."""
        return self.pieces[0].text if len(self.pieces) == 1 else "".join(piece.text for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Document:
    """A message that is not streamed: its original bytes, its tree, its texts, its images and sounds."""

    raw: bytes
    tree: Any
    texts: tuple[Text, ...]
    media: tuple[Media, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What a format read from a request body.

    Attributes:
        stream: Whether the client asked for a streamed answer.
        usage: Whether it asked for token counts at a stream's end.
        extra: What the format wants to remember for the answer.
    """

    document: Document
    model: str = ""
    stream: bool = False
    usage: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


class Frame(NamedTuple):
    """One event of a stream as it came.

    Attributes:
        raw: Its bytes, blank line included.
        data: Its joined data lines, decoded; None for comments.
    """

    raw: bytes
    data: str | None


@dataclass(frozen=True, slots=True)
class Delta:
    """One streamed piece as the upstream cut it.

    Attributes:
        track: Name of the text that it continues, unique in its choice: `content`, `tool_calls/0/function/arguments` …
        pointer: Where the piece stands in the event's tree.
        whole: Whether the track is released only when complete (tool calls), its text being JSON where it parses.
    """

    track: str
    role: Role
    text: str
    pointer: str
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """What one event says about one choice.

    Attributes:
        choice: The choice's index; None for what belongs to no choice (usage, metadata).
        ends: Whether nothing of this choice follows.
        tree: The event's tree with only this choice in it.
        raw: The original bytes, if the event holds only this part; else None.
        bare: Whether it carries nothing but its deltas, so that it may be left out when its text is held or gone.
        once: Pointers of strings that only the first event says, where the part leaves in several (the role).
        media: Images and sounds that it carries whole.
    """

    choice: int | None
    deltas: tuple[Delta, ...]
    ends: bool
    tree: Any
    raw: bytes | None
    bare: bool
    once: tuple[str, ...] = ()
    media: tuple[Media, ...] = ()


class EndOfStream(NamedTuple):
    """The format's own end mark, such as `[DONE]`."""

    raw: bytes


class Framing(Protocol):
    """Cuts a stream's bytes into frames, however the network cut them."""

    def feed(self, data: bytes) -> Sequence[Frame]:
        """Return the frames that are now complete. Raises BadMessage where one exceeds the limit."""
        ...

    def end(self) -> Sequence[Frame]:
        """Return what is left when the upstream closes."""
        ...


@runtime_checkable
class Conversing(Protocol):
    """A wire format in which a model can be asked anything: what revising by the upstream needs."""

    def question(self, request: Request, messages: Sequence[tuple[str, str]]) -> bytes:
        """Return a request to the model of `request`, not streamed, with these messages: pairs of role and words."""
        ...

    def reply(self, body: bytes, request: Request) -> str:
        """Return the words of the one answer to such a request. Raises BadMessage where there are none."""
        ...

    def instructed(self, body: bytes, text: str) -> bytes:
        """Return a request with `text` as its first system message."""
        ...


class Format(Protocol):
    """One wire format."""

    @property
    def name(self) -> str:
        """Such as `openai-chat`."""
        ...

    @property
    def media_type(self) -> str:
        """The Content-Type of a streamed answer."""
        ...

    def received_as(self, content_type: str) -> Format:
        """Return the format for a request of this Content-Type. Raises BadMessage (415) for one that cannot be judged."""
        ...

    def streamed_as(self, media_type: str) -> Format:
        """Return the format for a stream of this Content-Type, where the format has several framings."""
        ...

    def read_request(self, body: bytes) -> Request:
        """Read a request. Raises BadMessage with what was expected, where, and what was found."""
        ...

    def read_answer(self, body: bytes, request: Request) -> Document:
        """Read an answer that is not streamed (a success or an error). Raises BadMessage."""
        ...

    def read_media(self, body: bytes, media_type: str) -> Document | None:
        """Read an answer that is an image or a sound and nothing else; None where the format has no such answers."""
        ...

    def rewrite(self, document: Document, changes: Mapping[str, str]) -> bytes:
        """Return the message with the strings at the given pointers replaced, serialised from the tree that was judged.

        Log probabilities of a changed text are left out. Raises BadMessage where a change cannot be written (a key).
        """
        ...

    def refuse(self, request: Request, message: str, mode: str) -> tuple[int, bytes]:
        """Return status and body of an answer that refuses everything (`message`, `field` or `error`)."""
        ...

    def refuse_choices(
        self, document: Document, changes: Mapping[str, str], choices: Sequence[int], message: str, mode: str
    ) -> bytes:
        """Return the answer with `changes` made and the given choices replaced by a refusal (never called in mode `error`)."""
        ...

    def error(self, message: str, *, status: int, code: str) -> bytes:
        """Return an error body in the format's own shape."""
        ...

    def framing(self, limit: int) -> Framing:
        """Return a new framing; events longer than `limit` bytes are refused."""
        ...

    def read_event(self, frame: Frame) -> Sequence[Part] | EndOfStream:
        """Read one event of a stream. Comments give no parts. Raises BadMessage."""
        ...

    def write_part(self, part: Part, texts: Mapping[str, str | None]) -> bytes:
        """Return the part as an event of its own, with the strings at the given pointers replaced.

        None takes a string out. Log probabilities are left out unless `texts` is empty.
        """
        ...

    def refuse_stream(self, request: Request, last: Part | None, choice: int, message: str, mode: str, *, started: bool) -> bytes:
        """Return the events that end a choice with a refusal.

        Args:
            last: A part of the same stream, whose envelope (id, model …) is used; None where the upstream was never asked.
            started: Whether some of this choice's text has reached the client.
        """
        ...

    def end_stream(self, request: Request, last: Part | None, *, usage: bool) -> bytes:
        """Return the events that end the stream after a refusal: usage if asked for and known, and the end mark."""
        ...

    def stream_error(self, message: str, *, code: str) -> bytes:
        """Return the format's error event."""
        ...

    def heartbeat(self) -> bytes:
        """Return bytes that keep an idle stream alive and mean nothing; may be empty."""
        ...
