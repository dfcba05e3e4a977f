"""The HTTP clients that are measured, each behind the same small interface: ask, and read the answer's pieces as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any, NamedTuple


class Answer(NamedTuple):
    """What an upstream answered; `length` is empty where the body comes in chunks."""

    status: int
    type: str
    length: str
    pieces: AsyncIterator[bytes]


Ask = Callable[[str, bytes], AbstractAsyncContextManager[Answer]]
"""POST a body to a URL; leaving the context gives the connection back, or closes it where the answer wasn't read to its end."""

_HEADERS: dict[Any, Any] = {"content-type": "application/json", "accept-encoding": "identity"}


async def nothing() -> Ask:
    """Answer from memory: what the server alone can carry."""
    from benchmarks.upstream import TEXT, streamed_answer, whole_answer

    whole = whole_answer(TEXT).partition(b"\r\n\r\n")[2]
    events = [piece.split(b"\r\n")[1] for piece in streamed_answer(TEXT, 100)[1:-1]]

    async def stored(pieces: list[bytes]) -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    @asynccontextmanager
    async def ask(url: str, body: bytes) -> AsyncIterator[Answer]:
        if b'"stream":true' in body:
            yield Answer(200, "text/event-stream", "", stored(events))
        else:
            yield Answer(200, "application/json", str(len(whole)), stored([whole]))

    return ask


async def httpx() -> Ask:
    """httpx, on httpcore."""
    import httpx

    return _httpx_like(httpx)


async def httpx2() -> Ask:
    """httpx2, on httpcore2."""
    import httpx2

    return _httpx_like(httpx2)


def _httpx_like(library: Any) -> Ask:
    client = library.AsyncClient(timeout=60, limits=library.Limits(max_connections=None))

    @asynccontextmanager
    async def ask(url: str, body: bytes) -> AsyncIterator[Answer]:
        async with client.stream("POST", url, content=body, headers=_HEADERS) as response:
            yield _answer(response.status_code, response.headers, response.aiter_raw())

    return ask


async def httpcore() -> Ask:
    """httpcore by itself."""
    import httpcore

    pool = httpcore.AsyncConnectionPool(max_connections=1000)

    @asynccontextmanager
    async def ask(url: str, body: bytes) -> AsyncIterator[Answer]:
        async with pool.stream("POST", url, content=body, headers=_HEADERS) as response:
            headers = {name.decode().lower(): value.decode() for name, value in response.headers}
            yield _answer(response.status, headers, response.aiter_stream())

    return ask


async def aiohttp() -> Ask:
    """Use aiohttp's client."""
    import aiohttp

    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=60, sock_read=60),
        auto_decompress=False,
    )

    @asynccontextmanager
    async def ask(url: str, body: bytes) -> AsyncIterator[Answer]:
        async with session.post(url, data=body, headers=_HEADERS) as response:
            yield _answer(response.status, response.headers, response.content.iter_any())

    return ask


async def niquests() -> Ask:
    """Niquests, on urllib3.future."""
    import niquests  # type: ignore[import-not-found]  # lies in the benchmark's own environment

    session = niquests.AsyncSession(pool_connections=8, pool_maxsize=64)

    @asynccontextmanager
    async def ask(url: str, body: bytes) -> AsyncIterator[Answer]:
        response = await session.post(url, data=body, headers=_HEADERS, stream=True)
        async with response:
            yield _answer(response.status_code, response.headers, await response.iter_raw(-1))

    return ask


async def pyreqwest() -> Ask:
    """Use pyreqwest: Rust's reqwest behind asyncio. Without a limit of 0 it holds the first 64 KiB of a stream back."""
    from pyreqwest.client import ClientBuilder  # type: ignore[import-not-found]  # lies in the benchmark's own environment

    client = ClientBuilder().timeout(timedelta(seconds=60)).build()

    async def pieces(reader: Any) -> AsyncIterator[bytes]:
        while (chunk := await reader.read_chunk()) is not None:
            yield bytes(chunk)

    @asynccontextmanager
    async def ask(url: str, body: bytes) -> AsyncIterator[Answer]:
        request = client.post(url).headers(_HEADERS).body_bytes(body).streamed_read_buffer_limit(0).build_streamed()
        async with request as response:
            yield _answer(response.status, response.headers, pieces(response.body_reader))

    return ask


async def wreq() -> Ask:
    """Use wreq: a fork of reqwest with browser emulation, behind asyncio."""
    import wreq  # type: ignore[import-not-found]  # lies in the benchmark's own environment

    client = wreq.Client(timeout=timedelta(seconds=60))

    async def pieces(streamer: Any) -> AsyncIterator[bytes]:
        async for chunk in streamer:
            yield bytes(chunk)

    @asynccontextmanager
    async def ask(url: str, body: bytes) -> AsyncIterator[Answer]:
        async with await client.post(url, body=body, headers=_HEADERS) as response:
            headers = {"content-type": _text(response.headers.get("content-type"))}
            if response.content_length is not None:
                headers["content-length"] = str(response.content_length)
            yield _answer(response.status.as_int(), headers, pieces(response.stream()))

    return ask


async def aiosonic() -> Ask:
    """Use aiosonic."""
    import aiosonic  # type: ignore[import-not-found]  # lies in the benchmark's own environment

    client = aiosonic.HTTPClient()

    @asynccontextmanager
    async def ask(url: str, body: bytes) -> AsyncIterator[Answer]:
        async with client.stream("POST", url, data=body, headers=_HEADERS) as response:
            yield _answer(response.status_code, response.headers, response.read_chunks())

    return ask


CLIENTS: dict[str, Callable[[], Awaitable[Ask]]] = {
    opener.__name__: opener for opener in (nothing, httpx, httpx2, httpcore, aiohttp, niquests, pyreqwest, wreq, aiosonic)
}
"""What opens each client, in the event loop that is to use it."""


def _answer(status: int, headers: Any, pieces: AsyncIterator[bytes]) -> Answer:
    return Answer(status, headers.get("content-type", ""), headers.get("content-length", ""), pieces)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value or "")
