"""A scripted generator in OpenAI's chat format, far faster than anything that is measured in front of it.

`python -m benchmarks.upstream --port 9000 --chunks 100 --delay 0.01 --text "any text"`
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import cast

import httptools
import msgspec
import uvloop

from benchmarks.processes import free_port, serving

TEXT = (
    "A garden is a piece of ground where plants are grown for food, for beauty, or simply for the pleasure of watching them. "
    "Most gardens begin with the soil. Good soil is dark and crumbly, holds water without becoming heavy, and is full of small "
    "creatures that turn fallen leaves into food for roots. In spring the gardener sows seeds in shallow rows and covers them "
    "with fine earth. In summer the work is mostly watering, and it is best done early in the morning, before the sun is high. "
    "In autumn the leaves are gathered into a heap, where they slowly become compost. In winter the garden rests, and the "
    "gardener makes plans for the next year, with a cup of tea in the hand, a good lamp, and a long list of seeds on the table "
    "beside the window, under the shelf."
)
"""The default answer, in which no sensible rule finds anything: with its envelope 1 KB."""

_COMMON = {"id": "chatcmpl-1", "created": 1700000000, "model": "scripted"}


def whole_answer(text: str) -> bytes:
    """Return the response, head and body, that is not streamed."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "logprobs": None, "finish_reason": "stop"}
    usage = {"prompt_tokens": 40, "completion_tokens": 160, "total_tokens": 200}
    body = msgspec.json.encode({**_COMMON, "object": "chat.completion", "choices": [choice], "usage": usage})
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


def streamed_answer(text: str, chunks: int) -> list[bytes]:
    """Return the head and the writes of a response that is streamed, its text cut into `chunks` pieces."""
    borders = [len(text) * index // chunks for index in range(chunks + 1)]
    deltas = [{"content": text[start:end]} for start, end in pairwise(borders)]
    choices = [
        {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None},
        *({"index": 0, "delta": delta, "finish_reason": None} for delta in deltas),
        {"index": 0, "delta": {}, "finish_reason": "stop"},
    ]
    bodies = [msgspec.json.encode({**_COMMON, "object": "chat.completion.chunk", "choices": [choice]}) for choice in choices]
    events = [b"data: %s\n\n" % body for body in (*bodies, b"[DONE]")]
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return [head, *(b"%x\r\n%s\r\n" % (len(event), event) for event in events), b"0\r\n\r\n"]


class Connection(asyncio.Protocol):
    """Answers every request of one connection, whatever its route, as its body's `stream` says."""

    def __init__(self, whole: bytes, pieces: list[bytes], delay: float) -> None:
        self._whole = whole
        self._pieces = pieces
        self._delay = delay
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""
        self._stream: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop streaming to a client that has gone."""
        if self._stream:
            self._stream.cancel()

    def on_message_begin(self) -> None:
        """Forget the last request."""
        self._body = b""

    def on_body(self, body: bytes) -> None:
        """Collect the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Answer."""
        if self._body and msgspec.json.decode(self._body, type=_Asked).stream:
            self._stream = asyncio.get_running_loop().create_task(self._write())
        else:
            self._transport.write(self._whole)

    async def _write(self) -> None:
        for piece in self._pieces:
            self._transport.write(piece)
            await asyncio.sleep(self._delay)


class _Asked(msgspec.Struct):
    stream: bool = False


@contextmanager
def upstream(*, chunks: int = 100, delay: float = 0.0, text: str = TEXT) -> Iterator[str]:
    """Run an upstream in a process of its own; yields its URL."""
    port = free_port()
    options = ["--port", str(port), "--chunks", str(chunks), "--delay", str(delay), "--text", text]
    with serving([sys.executable, "-m", "benchmarks.upstream", *options], port):
        yield f"http://127.0.0.1:{port}"


async def _serve(port: int, text: str, chunks: int, delay: float) -> None:
    whole, pieces = whole_answer(text), streamed_answer(text, chunks)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(whole, pieces, delay), "127.0.0.1", port)
    await server.serve_forever()


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--chunks", type=int, default=100, help="pieces of a streamed answer")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds after each piece")
    answer = parser.add_mutually_exclusive_group()
    answer.add_argument("--text", default=TEXT, help="the answer")
    answer.add_argument("--file", type=Path, help="a file that holds the answer")
    options = parser.parse_args()
    text = options.file.read_text(encoding="utf-8") if options.file else options.text
    uvloop.run(_serve(options.port, text, options.chunks, options.delay))


if __name__ == "__main__":
    _main()
