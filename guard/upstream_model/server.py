"""A model over HTTP, in OpenAI's chat format."""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from guard.demo.generator import Token
from guard.demo.requests import ChatRequest, read
from guard.demo.wire import ChatWire
from guard.errors import BadMessage, TenetError, UpstreamError
from guard.formats.openai_errors import error_body
from guard.upstream_model.following import Piece
from guard.upstream_model.generating import Generating
from guard.upstream_model.loading import UpstreamModel
from guard.upstream_model.prompting import prompt_of
from guard.upstream_model.rounds import Wish

WAITING = 32
"""Requests that may be under way beside one, generated together or waiting for their turn."""

_WIRE = ChatWire()


class _Asked(ChatRequest, kw_only=True):
    """A chat request, in which the model may be left out."""

    model: str = ""


def model_app(upstream: UpstreamModel, *, waiting: int = WAITING) -> Starlette:
    """Return a model as an application: `/v1/chat/completions` and `/v1/models`."""
    generating = Generating(upstream, waiting)
    routes = _Routes(upstream, generating)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        generating.close()

    app = Starlette(
        routes=[
            Route("/v1/chat/completions", routes.chat, methods=["POST"]),
            Route("/v1/models", routes.models),
            Route("/v1/models/{name:path}", routes.one_model),
        ],
        exception_handlers={BadMessage: _refused, UpstreamError: _failed, HTTPException: _http_error},
        lifespan=lifespan,
    )
    app.state.generating = generating
    return app


class _Routes:
    def __init__(self, upstream: UpstreamModel, generating: Generating) -> None:
        self._upstream = upstream
        self._generating = generating

    async def chat(self, request: Request) -> Response:
        asked = cast(_Asked, read(await request.body(), _Asked))
        wish = self._wish(asked)
        usage = {"prompt_tokens": len(wish.prompt)}
        envelope = {"id": f"{_WIRE.prefix}{uuid.uuid4().hex}", "created": int(time.time()), "model": self._upstream.name}
        if asked.stream:
            return _Stream(self._generating, wish, envelope, usage if asked.usage else None)
        return _json(await _unless_gone(request.receive, self._whole(wish, envelope, usage)))

    async def models(self, request: Request) -> Response:
        return _json({"object": "list", "data": [self._described()]})

    async def one_model(self, request: Request) -> Response:
        self._check_name(request.path_params["name"])
        return _json(self._described())

    def _described(self) -> dict[str, Any]:
        model = {"id": self._upstream.name, "object": "model", "created": self._upstream.created, "owned_by": "tenet"}
        return {**model, "max_model_len": self._upstream.context, "lineage": dict(self._upstream.lineage) or None}

    def _check_name(self, name: str) -> None:
        if name not in ("", self._upstream.name):
            raise BadMessage(f"expected the model {self._upstream.name!r}, got another name", status=404, code="model_not_found")

    def _wish(self, asked: _Asked) -> Wish:
        self._check_name(asked.model)
        if asked.logprobs:
            raise BadMessage("logprobs: expected false, as this server does not give them", code="unsupported_parameter")
        for index, message in enumerate(asked.messages):
            if not isinstance(message.content, str | None) and any(part.type != "text" for part in message.content):
                raise BadMessage(f"messages[{index}].content: expected text only, got another part", code="unsupported_content")
        said = [{"role": "system" if each.role == "developer" else each.role, "content": each.text} for each in asked.messages]
        try:
            prompt = prompt_of(self._upstream.tokenizer, said)
        except TenetError as error:
            raise BadMessage(f"messages: {error}") from None
        room = self._upstream.context - len(prompt)
        most = room if asked.most is None else asked.most
        if room < 1 or most > room:
            raise BadMessage(
                f"expected at most {self._upstream.context:,} tokens in all, got {len(prompt):,} in the messages"
                + (f" and {most:,} wanted for the answer" if room >= 1 else ""),
                code="context_length_exceeded",
            )
        return Wish(
            prompt,
            asked.n or 1,
            most,
            1.0 if asked.temperature is None else asked.temperature,
            1.0 if asked.top_p is None else asked.top_p,
            secrets.randbits(63) if asked.seed is None else asked.seed,
            asked.stops,
        )

    async def _whole(self, wish: Wish, envelope: dict[str, Any], usage: dict[str, int]) -> dict[str, Any]:
        texts = [""] * wish.choices
        finishes = ["length"] * wish.choices
        counts = [0] * wish.choices
        async with aclosing(self._generating.pieces(wish)) as pieces:
            async for piece in pieces:
                texts[piece.choice] += piece.text
                counts[piece.choice] = piece.tokens
                finishes[piece.choice] = piece.finish or finishes[piece.choice]
        choices = [
            _WIRE.whole(index, [Token(text, 0)], finish, logprobs=False)
            for index, (text, finish) in enumerate(zip(texts, finishes, strict=True))
        ]
        return {**envelope, "object": _WIRE.kind, "choices": choices, "usage": _counted(usage, counts)}


class _Stream(Response):
    """A streamed answer, which is generated no further when its client goes away."""

    media_type = "text/event-stream"

    def __init__(self, generating: Generating, wish: Wish, envelope: dict[str, Any], usage: dict[str, int] | None) -> None:
        super().__init__(headers={"cache-control": "no-cache"})
        del self.headers["content-length"]
        self._generating, self._wish, self._envelope, self._usage = generating, wish, envelope, usage

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _unless_gone(receive, self._send(send))

    async def _send(self, send: Send) -> None:
        """Send the events; what fails before the first of them is an answer of its own status."""
        async with aclosing(self._generating.pieces(self._wish)) as pieces:
            first = await anext(pieces, None)
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async with aclosing(self._events(first, pieces)) as events:
                async for event in events:
                    await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _events(self, first: Piece | None, pieces: AsyncIterator[Piece]) -> AsyncGenerator[bytes]:
        common = {**self._envelope, "object": _WIRE.chunk_kind, **({"usage": None} if self._usage is not None else {})}
        counts = [0] * self._wish.choices
        for index in range(self._wish.choices):
            yield _event({**common, "choices": [_WIRE.opening(index)]})
        try:
            async for piece in _from(first, pieces):
                counts[piece.choice] = piece.tokens
                if piece.text:
                    yield _event({**common, "choices": [_WIRE.piece(piece.choice, [Token(piece.text, 0)], logprobs=False)]})
                if piece.finish:
                    yield _event({**common, "choices": [_WIRE.closing(piece.choice, piece.finish)]})
        except UpstreamError as error:
            yield b"data: " + error_body(str(error), status=error.status, code="upstream_failed") + b"\n\n"
            return
        if self._usage is not None:
            yield _event({**common, "choices": [], "usage": _counted(self._usage, counts)})
        yield b"data: [DONE]\n\n"


async def _from(first: Piece | None, pieces: AsyncIterator[Piece]) -> AsyncIterator[Piece]:
    if first is not None:
        yield first
    async for piece in pieces:
        yield piece


async def _unless_gone(receive: Receive, work: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401
    """Do `work`, and drop it when the client goes away; nobody reads what is returned then."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    doing, leaving = asyncio.ensure_future(work), asyncio.ensure_future(gone())
    try:
        await asyncio.wait({doing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            return doing.result()
        return {}
    finally:
        for task in (doing, leaving):
            task.cancel()
        await asyncio.gather(doing, leaving, return_exceptions=True)


def _counted(usage: dict[str, int], counts: list[int]) -> dict[str, int]:
    made = sum(counts)
    return {**usage, "completion_tokens": made, "total_tokens": usage["prompt_tokens"] + made}


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(body) + b"\n\n"


def _json(body: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json")


async def _refused(request: Request, error: Exception) -> Response:
    bad = cast(BadMessage, error)
    headers = {"retry-after": "1"} if bad.status == 429 else {}
    body = error_body(str(bad), status=bad.status, code=bad.code)
    return Response(body, bad.status, headers, media_type="application/json")


async def _failed(request: Request, error: Exception) -> Response:
    failed = cast(UpstreamError, error)
    body = error_body(str(failed), status=failed.status, code="upstream_failed")
    return Response(body, failed.status, media_type="application/json")


async def _http_error(request: Request, error: Exception) -> Response:
    http = cast(HTTPException, error)
    code = "not_found" if http.status_code == 404 else "invalid_request"
    return Response(error_body(http.detail, status=http.status_code, code=code), http.status_code, media_type="application/json")
