"""A streaming reverse proxy as an ASGI app: forwards what it is given, and nothing else. The guard is put around it."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from guard.asgi import Message, Receive, Scope, Send
from guard.errors import TenetError, UpstreamError

log = logging.getLogger("guard")

_HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
"""RFC 9110, section 7.6.1: fields that are meant for one connection."""
_REQUEST_DROPPED = _HOP_BY_HOP | {b"host", b"content-length", b"expect"}


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds that the upstream may take to accept a connection, and between two pieces of its answer."""

    connect: float = 10.0
    read: float = 300.0


class Proxy:
    """Forwards requests to one upstream over a pool of connections."""

    def __init__(self, upstream: str, *, key_env: str = "", timeouts: Timeouts | None = None) -> None:
        """Prepare to forward.

        Args:
            upstream: Base URL; a request's path is appended to its path.
            key_env: Environment variable whose value replaces the client's `Authorization`; empty to let that pass through.

        Raises:
            TenetError: If the URL is not http(s), or the variable is not set.
        """
        parts = urlsplit(upstream)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise TenetError(f"--upstream: expected an http or https URL, got {upstream!r}")
        if key_env and not os.environ.get(key_env):
            raise TenetError(f"--upstream-key-env: expected the name of a variable that is set, got {key_env!r}")
        self._base = upstream.rstrip("/")
        self._key_env = key_env
        self._timeouts = timeouts or Timeouts()
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            raise UpstreamError("only HTTP is forwarded")
        body = await _body(receive)
        if body is None:
            return
        work = asyncio.ensure_future(self._forward(scope, body, send))
        gone = asyncio.ensure_future(_disconnect(receive))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            gone.cancel()
            if not work.done():
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)

    async def close(self) -> None:
        """Close the pool."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return
            await send({"type": "lifespan.startup.complete"})

    async def _forward(self, scope: Scope, body: bytes, send: Send) -> None:
        started = False
        try:
            async with self._pool().request(
                scope["method"], self._url(scope), headers=self._headers(scope), data=body or None, allow_redirects=False
            ) as answer:
                headers = [(name.lower(), value) for name, value in answer.raw_headers if name.lower() not in _HOP_BY_HOP]
                await send({"type": "http.response.start", "status": answer.status, "headers": headers})
                started = True
                async for chunk in answer.content.iter_any():
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
        except TimeoutError as error:
            raise UpstreamError("the upstream took too long", status=504) from error
        except aiohttp.ClientError as error:
            what = "broke off its answer" if started else "could not be reached"
            log.warning("the upstream %s: %s", what, type(error).__name__)
            raise UpstreamError(f"the upstream {what}") from error

    def _pool(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._timeouts.connect, sock_read=self._timeouts.read)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60),
                timeout=timeout,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("user-agent", "accept", "accept-encoding", "content-type"),
            )
        return self._session

    def _url(self, scope: Scope) -> Any:  # noqa: ANN401 - yarl comes with aiohttp and is not a dependency of ours
        from yarl import URL

        query = scope.get("query_string", b"").decode("latin-1")
        raw = scope.get("raw_path") or scope["path"].encode()
        return URL(self._base + raw.decode("latin-1") + (f"?{query}" if query else ""), encoded=True)

    def _headers(self, scope: Scope) -> list[tuple[str, str]]:
        named = {
            name.strip().lower() for field, value in scope["headers"] if field == b"connection" for name in value.split(b",")
        }
        dropped = _REQUEST_DROPPED | named | ({b"authorization"} if self._key_env else set())
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"] if name not in dropped]
        if self._key_env:
            headers.append(("authorization", f"Bearer {os.environ[self._key_env]}"))
        return headers


async def _body(receive: Receive) -> bytes | None:
    """Return the request's body; None if the client went away."""
    chunks = []
    while True:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


async def _disconnect(receive: Receive) -> None:
    with suppress(asyncio.CancelledError):
        while (await receive())["type"] != "http.disconnect":
            pass
