"""The barest streaming relay, as an ASGI application: what any proxy costs before it does anything."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from benchmarks.clients import CLIENTS, Ask

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def relay() -> Callable[[Message, Receive, Send], Awaitable[None]]:
    """Return a relay to the URL in the environment variable UPSTREAM, on the client that CLIENT names.

    It reads the request, sends it on, and passes status, type, length and the body's pieces back as they come.
    """
    upstream, opener = os.environ["UPSTREAM"], CLIENTS[os.environ["CLIENT"]]
    ask: Ask | None = None

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        nonlocal ask
        if scope["type"] != "http":
            return
        if ask is None:
            ask = await opener()
        async with ask(upstream + scope["path"], await _body(receive)) as answer:
            headers = [(b"content-type", answer.type.encode())]
            if answer.length:
                headers.append((b"content-length", answer.length.encode()))
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            async for piece in answer.pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return app


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body
