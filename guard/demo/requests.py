"""What clients may ask of the demo: the parts of OpenAI's chat and completion requests that it serves."""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from guard.demo.generator import Sampling
from guard.errors import BadMessage

MODEL = "tenet-demo"
"""The name under which the demo's generator answers."""

_Stop = Annotated[str, Meta(min_length=1, max_length=256)]
_Logprobs = Annotated[int, Meta(ge=0, le=20)]
_DEFAULTS = Sampling()


class StreamOptions(Struct):
    """How a stream is to end."""

    include_usage: bool = False


class _Generation(Struct, kw_only=True):
    model: str = MODEL
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    seed: int | None = None
    stop: _Stop | Annotated[list[_Stop], Meta(max_length=4)] | None = None
    n: Annotated[int, Meta(ge=1, le=16)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    @property
    def most(self) -> int | None:
        """The most tokens of an answer, where the client set a limit."""
        return self.max_tokens

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop sequences, however they were written."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def usage(self) -> bool:
        """Whether a stream is to end with the token counts."""
        return self.stream_options is not None and self.stream_options.include_usage

    @property
    def alternatives(self) -> int:
        """How many of the likeliest tokens are named at each place."""
        return 0

    @property
    def sampling(self) -> Sampling:
        """How tokens are drawn."""
        return Sampling(
            temperature=_DEFAULTS.temperature if self.temperature is None else self.temperature,
            top_p=_DEFAULTS.top_p if self.top_p is None else self.top_p,
            seed=self.seed,
            alternatives=self.alternatives,
        )


class Part(Struct):
    """One part of a message's content; only text parts are read."""

    type: str
    text: str = ""


class Message(Struct):
    """One message of a conversation."""

    role: str
    content: str | list[Part] | None = None

    @property
    def text(self) -> str:
        """Its text parts, joined."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content or ())


class ChatRequest(_Generation, kw_only=True):
    """A request to `/v1/chat/completions`."""

    messages: Annotated[list[Message], Meta(min_length=1)]
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: _Logprobs | None = None

    @property
    def most(self) -> int | None:
        """The most tokens of an answer, where the client set a limit under either name."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    @property
    def alternatives(self) -> int:
        """How many of the likeliest tokens are named at each place."""
        return (self.top_logprobs or 0) if self.logprobs else 0

    @property
    def question(self) -> str:
        """The last words of the user."""
        return next((message.text for message in reversed(self.messages) if message.role == "user"), "")


class CompletionRequest(_Generation, kw_only=True):
    """A request to `/v1/completions`."""

    prompt: str | Annotated[list[str], Meta(min_length=1, max_length=16)]
    logprobs: _Logprobs | None = None

    @property
    def alternatives(self) -> int:
        """How many of the likeliest tokens are named at each place."""
        return self.logprobs or 0

    @property
    def prompts(self) -> list[str]:
        """The beginnings to be continued."""
        return [self.prompt] if isinstance(self.prompt, str) else self.prompt


RequestT = TypeVar("RequestT", ChatRequest, CompletionRequest)


def read(body: bytes, kind: type[RequestT]) -> RequestT:
    """Return the request that `body` holds.

    Raises:
        BadMessage: It is no JSON, or not such a request.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadMessage(str(error)) from error
