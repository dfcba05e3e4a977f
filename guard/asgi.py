"""The few words of ASGI that the middleware and the proxy share: reading a body, sending an answer, calling an app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any

from guard.errors import BadMessage
from guard.formats import encoding
from guard.values import Caller

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

CALLER = "guard.caller"
"""Where a scope holds the `Caller`, put there by whatever authenticates requests before they reach the guard."""
_WAITING_CHUNKS = 8
"""Chunks of an answer that wait unread before the app that sends them is made to wait."""


class Disconnected(Exception):
    """The client is gone."""


async def read_body(scope: Scope, receive: Receive, most: int) -> bytes:
    """Return the whole request body.

    Raises:
        BadMessage: Status 413 for a body of more than `most` bytes, 400 for one that does not fit its Content-Length.
        Disconnected: If the client goes away first.
    """
    declared = _content_length(scope)
    if declared is not None and declared > most:
        raise BadMessage(f"the body has {declared} bytes; at most {most} are accepted", status=413, code="body_too_large")
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > most:
            raise BadMessage(f"the body has more than the {most} bytes that are accepted", status=413, code="body_too_large")
        chunks.append(chunk)
        if not message.get("more_body", False):
            break
    if declared is not None and declared != size:
        raise BadMessage(f"Content-Length says {declared} bytes, {size} came", code="wrong_content_length")
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def read_json(scope: Scope, receive: Receive, headers: Mapping[str, str], most: int) -> bytes:
    """Return the whole body of a JSON request, decoded. Raises as `read_body`, and BadMessage with status 415."""
    body = await read_decoded(scope, receive, headers, most)
    encoding.check_json_type(headers.get("content-type", ""))
    return body


async def read_decoded(scope: Scope, receive: Receive, headers: Mapping[str, str], most: int) -> bytes:
    """Return the whole body of a request, whatever its type, without its Content-Encoding. Raises as `read_body`."""
    raw = await read_body(scope, receive, most)
    for name in (b"content-type", b"content-encoding"):
        if sum(key == name for key, _ in scope["headers"]) > 1:
            raise BadMessage(f"{name.decode()}: expected one header, got several", code="repeated_header")
    return encoding.decoded(raw, headers.get("content-encoding", ""), most)


def headers_of(scope: Scope) -> dict[str, str]:
    """Return the request's headers by lower-case name; of several with one name, the last."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def caller_of(scope: Scope) -> Caller:
    """Return who is calling, as far as something before the guard found out."""
    caller = scope.get(CALLER)
    return caller if isinstance(caller, Caller) else Caller()


def _content_length(scope: Scope) -> int | None:
    values = {value.strip() for name, value in scope["headers"] if name == b"content-length"}
    if not values:
        return None
    value = values.pop()
    if values or not value.isdigit():
        raise BadMessage("Content-Length: expected one number", code="wrong_content_length")
    return int(value)


async def send_answer(send: Send, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """Send a complete JSON answer."""
    start = [(b"content-type", b"application/json"), *headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})


class Request:
    """A request whose body has been read: `receive` gives the body once, then news of the client."""

    def __init__(self, scope: Scope, receive: Receive, body: bytes) -> None:
        self.scope = scope
        self._receive = receive
        self._body: bytes | None = body
        self._gone: asyncio.Task[None] | None = None

    async def receive(self) -> Message:
        """Give the app its request."""
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await asyncio.shield(self.gone)
        return {"type": "http.disconnect"}

    @property
    def gone(self) -> asyncio.Task[None]:
        """A task that ends when the client disconnects."""
        if self._gone is None:
            self._gone = asyncio.create_task(_disconnected(self._receive))
        return self._gone

    def close(self) -> None:
        """Stop watching the client."""
        if self._gone is not None:
            self._gone.cancel()


async def _disconnected(receive: Receive) -> None:
    """Return when the client is gone. No method, so that a task that was cancelled holds nothing that holds the task."""
    while (await receive())["type"] != "http.disconnect":
        pass


def with_body(scope: Scope, body: bytes) -> Scope:
    """Return the scope for an app that is handed `body`, decoded, and asked for an answer that is not encoded."""
    dropped = (b"content-length", b"content-encoding", b"transfer-encoding", b"accept-encoding")
    headers = [(name, value) for name, value in scope["headers"] if name not in dropped]
    headers += [(b"content-length", str(len(body)).encode()), (b"accept-encoding", b"identity")]
    return {**scope, "headers": headers}


class Answer:
    """What an app answered, complete."""

    def __init__(self, status: int, headers: Headers, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


async def call(app: App, request: Request, scope: Scope, most: int) -> Answer:
    """Call an app and return its complete answer. Raises BadMessage with status 502 if it is longer than `most` bytes."""
    status, headers, chunks, size = 0, [], [], 0

    async def collect(message: Message) -> None:
        nonlocal status, headers, size
        if message["type"] == "http.response.start":
            status, headers = message["status"], list(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > most:
                raise BadMessage(f"the upstream's answer has more than {most} bytes", status=502, code="upstream_error")
            chunks.append(chunk)

    await app(scope, request.receive, collect)
    if not status:
        raise BadMessage("the upstream gave no answer", status=502, code="upstream_error")
    return Answer(status, headers, chunks[0] if len(chunks) == 1 else b"".join(chunks))


class Call:
    """A call whose answer is read while it comes; the app is made to wait while nobody reads."""

    def __init__(self, app: App, request: Request, scope: Scope) -> None:
        self.status = 0
        self.headers: Headers = []
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue(_WAITING_CHUNKS)
        self._started = asyncio.Event()
        self._complete = False
        self._task = asyncio.create_task(self._run(app, request, scope))

    async def head(self) -> None:
        """Wait for status and headers. Raises what the app raised, if it raised before them."""
        await self._started.wait()
        if not self.status:
            await self._task
            raise BadMessage("the upstream gave no answer", status=502, code="upstream_error")

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes. Raises what the app raised, if it broke off."""
        while (chunk := await self._chunks.get()) is not None:
            if chunk:
                yield chunk
        await self._task

    async def body(self, most: int) -> bytes:
        """Return the whole body. Raises BadMessage with status 502 if it is longer than `most` bytes."""
        chunks, size = [], 0
        async for chunk in self.chunks():
            size += len(chunk)
            if size > most:
                raise BadMessage(f"the upstream's answer has more than {most} bytes", status=502, code="upstream_error")
            chunks.append(chunk)
        return b"".join(chunks)

    async def stop(self) -> None:
        """End the app, wherever it is."""
        self._task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await self._task

    async def _run(self, app: App, request: Request, scope: Scope) -> None:
        try:
            await app(scope, request.receive, self._take)
        finally:
            self._started.set()
            if not asyncio.current_task().cancelling():  # type: ignore[union-attr]  # it runs in a task
                await self._chunks.put(None)

    async def _take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message.get("headers", ()))
            self._started.set()
        elif message["type"] == "http.response.body":
            await self._chunks.put(message.get("body", b""))
