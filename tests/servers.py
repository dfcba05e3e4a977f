"""Real servers on loopback for the tests: any ASGI app on uvicorn, and an upstream that answers what it is told to."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve an ASGI app on a free port of loopback; gives its base URL."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="error", http="httptools", lifespan="auto", timeout_graceful_shutdown=1)
    )
    ready = threading.Event()
    started = server.startup

    async def startup(sockets: list[socket.socket] | None = None) -> None:
        await started(sockets=sockets)
        ready.set()

    server.startup = startup  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


@contextmanager
def guard_serving(*options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run `guard serve` with options on a free port; gives its address and its process."""
    command = [str(Path(sys.executable).with_name("guard")), "serve", "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1], process
    finally:
        process.terminate()
        process.communicate(timeout=10)


def line_with(process: subprocess.Popen[str], words: str) -> str:
    """Return the next line with some words that a process writes to standard error."""
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return line
    raise AssertionError(f"it never said {words!r}")


def await_that(holds: Callable[[], Any], what: object = "", seconds: float = 20.0) -> Any:
    """Return what is true at last; fails with `what` where nothing is."""
    until = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < until, what
        time.sleep(0.05)
    return found


async def body_of(scope: Any, receive: Any, send: Any) -> bytes | None:
    """Return a request's body; None for the server's own start and stop, which is answered here."""
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return None
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


@dataclass
class Upstream:
    """A generator outside the project: answers with the body, chunks and headers it is told to, and keeps what it was sent."""

    chunks: Sequence[bytes] = (b"{}",)
    status: int = 200
    content_type: str = "application/json"
    headers: Sequence[tuple[bytes, bytes]] = ()
    before_chunk: Callable[[int], Any] | None = None
    breaks_after: int | None = None
    seen: list[bytes] = field(default_factory=list)
    seen_headers: list[dict[str, str]] = field(default_factory=list)
    cancelled: threading.Event = field(default_factory=threading.Event)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = await body_of(scope, receive, send)
        if body is None:
            return
        self.seen.append(body)
        self.seen_headers.append({name.decode(): value.decode() for name, value in scope["headers"]})
        work = asyncio.create_task(self._send(send))
        gone = asyncio.create_task(self._gone(receive))
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            self.cancelled.set()
        gone.cancel()
        work.cancel()
        await asyncio.gather(work, gone, return_exceptions=True)
        if work.done() and not work.cancelled() and work.exception():
            raise work.exception()  # type: ignore[misc]

    async def _send(self, send: Any) -> None:
        headers = [(b"content-type", self.content_type.encode()), *self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        for index, chunk in enumerate(self.chunks):
            if self.breaks_after is not None and index >= self.breaks_after:
                raise ConnectionResetError("the upstream dies")
            if self.before_chunk is not None:
                await self.before_chunk(index)
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    @staticmethod
    async def _gone(receive: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass


def completion(content: str | None, **message: Any) -> dict[str, Any]:
    """An answer of OpenAI's chat completions that is not streamed."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **message}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


def chunk(delta: dict[str, Any], finish: str | None = None, index: int = 0) -> bytes:
    """An event of OpenAI's chat completions."""
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    event = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def stream_of(pieces: Sequence[str]) -> list[bytes]:
    """The events of a streamed answer, one for each piece of text."""
    first = chunk({"role": "assistant", "content": ""})
    return [first, *(chunk({"content": piece}) for piece in pieces), chunk({}, "stop"), b"data: [DONE]\n\n"]
