"""OpenAI's answers, whole and in chunks, for chat and for completions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from guard.demo.generator import Token


class Wire(Protocol):
    """How one route writes its choices.

    Attributes:
        kind: The `object` of a whole answer.
        chunk_kind: The `object` of a streamed piece.
        prefix: How the ids of its answers begin.
    """

    kind: str
    chunk_kind: str
    prefix: str

    def opening(self, index: int) -> dict[str, Any] | None:
        """Return the choice that begins a stream, where the route has one."""
        ...

    def whole(self, index: int, tokens: Sequence[Token], finish: str, *, logprobs: bool) -> dict[str, Any]:
        """Return a choice of an answer that is not streamed."""
        ...

    def piece(self, index: int, tokens: Sequence[Token], *, logprobs: bool) -> dict[str, Any]:
        """Return a choice that carries some more tokens."""
        ...

    def closing(self, index: int, finish: str) -> dict[str, Any]:
        """Return the choice that ends a stream."""
        ...


class ChatWire:
    """`/v1/chat/completions`."""

    kind = "chat.completion"
    chunk_kind = "chat.completion.chunk"
    prefix = "chatcmpl-"

    def opening(self, index: int) -> dict[str, Any]:
        """Return the choice that names the role."""
        return _chat_delta(index, {"role": "assistant", "content": "", "refusal": None})

    def whole(self, index: int, tokens: Sequence[Token], finish: str, *, logprobs: bool) -> dict[str, Any]:
        """Return a choice with its message."""
        message = {"role": "assistant", "content": _joined(tokens), "refusal": None}
        return {
            "index": index,
            "message": message,
            "logprobs": _chat_logprobs(tokens) if logprobs else None,
            "finish_reason": finish,
        }

    def piece(self, index: int, tokens: Sequence[Token], *, logprobs: bool) -> dict[str, Any]:
        """Return a choice with some more of the message."""
        return {**_chat_delta(index, {"content": _joined(tokens)}), "logprobs": _chat_logprobs(tokens) if logprobs else None}

    def closing(self, index: int, finish: str) -> dict[str, Any]:
        """Return a choice with an empty delta."""
        return {**_chat_delta(index, {}), "finish_reason": finish}


class CompletionWire:
    """`/v1/completions`."""

    kind = "text_completion"
    chunk_kind = "text_completion"
    prefix = "cmpl-"

    def opening(self, index: int) -> None:
        """Return nothing: completions have no role to name."""

    def whole(self, index: int, tokens: Sequence[Token], finish: str, *, logprobs: bool) -> dict[str, Any]:
        """Return a choice with its text."""
        return {**self.piece(index, tokens, logprobs=logprobs), "finish_reason": finish}

    def piece(self, index: int, tokens: Sequence[Token], *, logprobs: bool) -> dict[str, Any]:
        """Return a choice with some more of the text."""
        return {
            "index": index,
            "text": _joined(tokens),
            "logprobs": _completion_logprobs(tokens) if logprobs else None,
            "finish_reason": None,
        }

    def closing(self, index: int, finish: str) -> dict[str, Any]:
        """Return a choice with an empty text."""
        return {"index": index, "text": "", "logprobs": None, "finish_reason": finish}


def _joined(tokens: Sequence[Token]) -> str:
    return "".join(token.text for token in tokens)


def _chat_delta(index: int, delta: dict[str, Any]) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}


def _chat_logprobs(tokens: Sequence[Token]) -> dict[str, Any]:
    entries = [
        {
            **_chat_logprob(token.text, token.logprob),
            "top_logprobs": [_chat_logprob(other.text, other.logprob) for other in token.likeliest],
        }
        for token in tokens
    ]
    return {"content": entries, "refusal": None}


def _chat_logprob(text: str, logprob: float) -> dict[str, Any]:
    return {"token": text, "logprob": logprob, "bytes": list(text.encode())}


def _completion_logprobs(tokens: Sequence[Token]) -> dict[str, Any]:
    return {
        "tokens": [token.text for token in tokens],
        "token_logprobs": [token.logprob for token in tokens],
        "top_logprobs": [{other.text: other.logprob for other in token.likeliest} for token in tokens],
        "text_offset": [token.start for token in tokens],
    }
