"""How long after the request does the first token reach a client? Two servers asked in turn, in front of one upstream.

The upstream says "Hello there, " at once and the rest a little later, so that nothing hurries what a server holds back.
`python -m benchmarks.first_token --port 9000` runs that upstream.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

import uvloop

from benchmarks.load import chat_request
from benchmarks.processes import free_port, serving
from benchmarks.upstream import streamed_answer

_FIRST = "Hello there, "
_TEXT = _FIRST * 4
_PAUSE = 0.004
"""Seconds until the upstream goes on: far longer than any server here needs for what it has got."""

_TOKEN = b'"content":"Hello'
_END = b"0\r\n\r\n"


def first_tokens(urls: Sequence[str], asked: int) -> list[float]:
    """Return for each server the median milliseconds until the first token came, over `asked` requests put to them in turn."""
    clients = [_Client(url) for url in urls]
    times: list[list[float]] = [[] for _ in urls]
    for _ in range(asked):
        for client, mine in zip(clients, times, strict=True):
            mine.append(client.ask())
    for client in clients:
        client.close()
    warm = asked // 10
    return [statistics.median(mine[warm:]) for mine in times]


@contextmanager
def pausing_upstream() -> Iterator[str]:
    """Run the upstream in a process of its own; yields its URL."""
    port = free_port()
    with serving([sys.executable, "-m", "benchmarks.first_token", "--port", str(port)], port):
        yield f"http://127.0.0.1:{port}"


class _Client:
    """One connection that is kept."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        body = chat_request(stream=True)
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {address.netloc}\r\ncontent-type: application/json\r\n"
        self._request = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
        self._socket = socket.create_connection((address.hostname or "", address.port or 80), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self) -> float:
        """Return the milliseconds until the first token; reads the answer to its end."""
        began = time.perf_counter()
        self._socket.sendall(self._request)
        came = self._read_until(b"", _TOKEN)
        took = 1000 * (time.perf_counter() - began)
        self._read_until(came, _END)
        return took

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _read_until(self, came: bytes, mark: bytes) -> bytes:
        while mark not in came:
            more = self._socket.recv(65536)
            if not more:
                raise ConnectionResetError("the server hung up")
            came += more
        return came


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    pieces = streamed_answer(_TEXT, 4)
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
            await reader.readexactly(int(fields[b"content-length"]))
            writer.write(b"".join(pieces[:3]))
            await asyncio.sleep(_PAUSE)
            writer.write(b"".join(pieces[3:]))
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _serve(port: int) -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", port)
    await server.serve_forever()


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(_serve(parser.parse_args().port))


if __name__ == "__main__":
    _main()
