"""The demo's generator over HTTP, in OpenAI's format."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from guard.demo.generator import DemoGenerator, Token
from guard.demo.release import Step, release
from guard.demo.requests import MODEL, ChatRequest, CompletionRequest, read
from guard.demo.tokens import tokenize
from guard.demo.wire import ChatWire, CompletionWire, Wire
from guard.errors import BadMessage


def demo_app(*, delay: float = 0.0) -> Starlette:
    """Train the generator and return it as an application.

    Args:
        delay: Seconds before each token, to watch a stream at the pace of a larger model.
    """
    return Starlette(
        routes=_Routes(DemoGenerator.shipped(), delay).routes,
        exception_handlers={BadMessage: _bad_message, HTTPException: _http_error},
    )


@dataclass(frozen=True, slots=True)
class _Job:
    """One request, understood."""

    wire: Wire
    model: str
    prompt_tokens: int
    choices: Sequence[Iterator[Step]]
    logprobs: bool
    usage: bool
    delay: float

    def envelope(self) -> dict[str, Any]:
        return {"id": self.wire.prefix + uuid.uuid4().hex, "created": int(time.time()), "model": self.model}

    def counted(self, completion_tokens: int) -> dict[str, int]:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": self.prompt_tokens + completion_tokens,
        }


class _Routes:
    def __init__(self, generator: DemoGenerator, delay: float) -> None:
        self._generator = generator
        self._delay = delay

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/v1/chat/completions", self.chat, methods=["POST"]),
            Route("/v1/completions", self.completions, methods=["POST"]),
            Route("/v1/models", self.models),
        ]

    async def chat(self, request: Request) -> Response:
        asked = read(await request.body(), ChatRequest)
        choices = [self._generator.answer(asked.question, asked.sampling, index) for index in range(asked.n or 1)]
        prompt_tokens = sum(len(tokenize(message.text)) for message in asked.messages)
        return await self._answer(asked, ChatWire(), choices, prompt_tokens, logprobs=bool(asked.logprobs))

    async def completions(self, request: Request) -> Response:
        asked = read(await request.body(), CompletionRequest)
        choices = [
            self._generator.continuation(prompt, asked.sampling, index)
            for prompt in asked.prompts
            for index in range(asked.n or 1)
        ]
        prompt_tokens = sum(len(tokenize(prompt)) for prompt in asked.prompts)
        return await self._answer(asked, CompletionWire(), choices, prompt_tokens, logprobs=asked.logprobs is not None)

    async def models(self, request: Request) -> Response:
        model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "tenet"}
        return _json({"object": "list", "data": [model]})

    async def _answer(
        self,
        asked: ChatRequest | CompletionRequest,
        wire: Wire,
        choices: list[Iterator[Token]],
        prompt_tokens: int,
        *,
        logprobs: bool,
    ) -> Response:
        steps = [release(tokens, asked.stops, asked.most) for tokens in choices]
        job = _Job(wire, asked.model, prompt_tokens, steps, logprobs, asked.usage, self._delay)
        if asked.stream:
            return StreamingResponse(_events(job), media_type="text/event-stream", headers={"cache-control": "no-cache"})
        return _json(await _whole(job))


async def _paced(job: _Job) -> AsyncIterator[tuple[int, Step]]:
    """Yield the steps of every choice in turn, each with its choice's index; the event loop gets a chance before each."""
    open_choices = dict(enumerate(job.choices))
    while open_choices:
        for index, steps in list(open_choices.items()):
            await asyncio.sleep(job.delay)
            step = next(steps)
            if step.finish:
                del open_choices[index]
            yield index, step


async def _whole(job: _Job) -> dict[str, Any]:
    tokens: dict[int, list[Token]] = {index: [] for index in range(len(job.choices))}
    finishes: dict[int, str] = {}
    async for index, step in _paced(job):
        tokens[index].extend(step.tokens)
        if step.finish:
            finishes[index] = step.finish
    return {
        **job.envelope(),
        "object": job.wire.kind,
        "choices": [job.wire.whole(index, tokens[index], finishes[index], logprobs=job.logprobs) for index in tokens],
        "usage": job.counted(sum(map(len, tokens.values()))),
    }


async def _events(job: _Job) -> AsyncIterator[bytes]:
    common = {**job.envelope(), "object": job.wire.chunk_kind, **({"usage": None} if job.usage else {})}
    count = 0
    for index in range(len(job.choices)):
        opening = job.wire.opening(index)
        if opening:
            yield _event({**common, "choices": [opening]})
    async for index, step in _paced(job):
        count += len(step.tokens)
        if step.tokens:
            yield _event({**common, "choices": [job.wire.piece(index, step.tokens, logprobs=job.logprobs)]})
        if step.finish:
            yield _event({**common, "choices": [job.wire.closing(index, step.finish)]})
    if job.usage:
        yield _event({**common, "choices": [], "usage": job.counted(count)})
    yield b"data: [DONE]\n\n"


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(body) + b"\n\n"


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")


async def _bad_message(request: Request, error: Exception) -> Response:
    bad = cast(BadMessage, error)
    return _error(bad.status, str(bad), bad.code)


async def _http_error(request: Request, error: Exception) -> Response:
    http = cast(HTTPException, error)
    return _error(http.status_code, http.detail, "not_found" if http.status_code == 404 else "invalid_request")


def _error(status: int, message: str, code: str) -> Response:
    return _json({"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}, status)
