"""Does a client, cancelled while it waits for more of a streamed answer, hang up on the upstream at once?

`python -m benchmarks.hang_up aiohttp` prints the milliseconds from the cancellation until the upstream saw it, or `never`.
"""

from __future__ import annotations

import asyncio
import sys
import time

from benchmarks.clients import CLIENTS, Ask

_ENOUGH = 3.0


async def _measure(name: str) -> str:
    gone = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n4\r\n: \n\n\r\n")
        while await reader.read(65536):
            pass
        gone.set()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    begun = asyncio.Event()
    reading = asyncio.create_task(_read(await CLIENTS[name](), url, begun))
    await asyncio.wait_for(begun.wait(), _ENOUGH)
    since = time.perf_counter()
    reading.cancel()
    try:
        await asyncio.wait_for(gone.wait(), _ENOUGH)
    except TimeoutError:
        return "never"
    finally:
        server.close()
    return f"{1000 * (time.perf_counter() - since):.1f}"


async def _read(ask: Ask, url: str, begun: asyncio.Event) -> None:
    async with ask(url, b'{"stream":true}') as answer:
        async for _ in answer.pieces:
            begun.set()


if __name__ == "__main__":
    print(asyncio.run(_measure(sys.argv[1])))
