"""Model servers outside the project, on loopback: they speak OpenAI's and Anthropic's formats and answer as told."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from servers import body_of

Reply = str | Mapping[str, Any] | bytes
"""Words; the arguments of a tool call (Anthropic) or fields of the choice (OpenAI); or a whole body."""


@dataclass
class Server:
    """Answers each request by `reply`, which is given the parsed request, and keeps what it was sent."""

    reply: Callable[[dict[str, Any]], Any]
    status: int = 200
    headers: Sequence[tuple[bytes, bytes]] = ()
    seen: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    keys: list[dict[str, str]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = await body_of(scope, receive, send)
        if body is None:
            return
        request = json.loads(body)
        self.seen.append(request)
        self.paths.append(scope["path"])
        self.keys.append({name.decode(): value.decode() for name, value in scope["headers"]})
        given = self.reply(request)
        answer = given if isinstance(given, bytes) else json.dumps(given).encode()
        headers = [(b"content-type", b"application/json"), *self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


def chat(content: str | None, tokens: Sequence[Mapping[str, float]] = (), **choice: Any) -> dict[str, Any]:
    """A chat completion as OpenAI, vLLM and Ollama write it.

    Args:
        tokens: For each token, the likeliest ones at its place with their probabilities, the written one first.
        choice: Fields of the choice in place of the usual ones.
    """
    logprobs = {"content": [_token(place) for place in tokens]} if tokens else None
    usual = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop", "logprobs": logprobs}
    return {"id": "c", "object": "chat.completion", "model": "m", "choices": [{**usual, **choice}], "usage": {"total_tokens": 3}}


def completion(text: str, tokens: Sequence[Mapping[str, float]] = ()) -> dict[str, Any]:
    """A completion as vLLM writes it."""
    logs = [{token: math.log(share) for token, share in place.items()} for place in tokens]
    logprobs = {
        "tokens": [next(iter(place)) for place in tokens],
        "token_logprobs": [next(iter(place.values())) for place in logs],
        "top_logprobs": logs,
    }
    choice = {"index": 0, "text": text, "finish_reason": "stop", "logprobs": logprobs if tokens else None}
    return {"id": "c", "object": "text_completion", "model": "m", "choices": [choice]}


def message(*content: Mapping[str, Any], stop: str = "tool_use") -> dict[str, Any]:
    """An answer as Anthropic writes it."""
    usage = {"input_tokens": 1, "output_tokens": 1}
    return {"id": "m", "type": "message", "role": "assistant", "content": content, "stop_reason": stop, "usage": usage}


def called(arguments: Any, name: str = "verdict") -> dict[str, Any]:
    """The call of a tool."""
    return {"type": "tool_use", "id": "t", "name": name, "input": arguments}


def verdict(violates: Any, confidence: Any = 0.9, quote: Any = "", **more: Any) -> str:
    """The JSON of a judge's verdict."""
    return json.dumps({"violates": violates, "confidence": confidence, "quote": quote, **more})


def _token(place: Mapping[str, float]) -> dict[str, Any]:
    each = [{"token": token, "logprob": math.log(share), "bytes": None} for token, share in place.items()]
    return {**each[0], "top_logprobs": each}
