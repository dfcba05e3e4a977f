"""A streaming reverse proxy as an ASGI app: forwards what it is given, and nothing else. The guard is put around it."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Coroutine
from dataclasses import dataclass
from functools import lru_cache
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
_UNWATCHED_SECONDS = 0.05
"""An answer that is complete so soon is not worth watching whether its client is still there."""
_FOR_THE_GUARD = b"x-guard-"
"""How the names of headers begin that are said to the guard, and to nobody behind it."""
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
        await _unless_gone(receive, self._forward(scope, body, send))

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
        url = self._url(scope)
        try:
            async with self._pool().request(
                scope["method"], url, headers=self._headers(scope), data=body or None, allow_redirects=False
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
        query = scope.get("query_string", b"").decode("latin-1")
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        if not path.startswith("/"):  # appended to the upstream's address, it would name another host
            raise UpstreamError("a path begins with a slash", status=400)
        url = self._base + path
        return _parsed(f"{url}?{query}") if query else _parsed_once(url)

    def _headers(self, scope: Scope) -> list[tuple[str, str]]:
        named = {
            name.strip().lower() for field, value in scope["headers"] if field == b"connection" for name in value.split(b",")
        }
        dropped = _REQUEST_DROPPED | named | ({b"authorization"} if self._key_env else set())
        headers = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in scope["headers"]
            if name not in dropped and not name.startswith(_FOR_THE_GUARD)
        ]
        if self._key_env:
            headers.append(("authorization", f"Bearer {os.environ[self._key_env]}"))
        return headers


def _parsed(url: str) -> Any:  # noqa: ANN401 - yarl comes with aiohttp and is not a dependency of ours
    from yarl import URL

    return URL(url, encoded=True)


_parsed_once = lru_cache(maxsize=256)(_parsed)
"""For URLs without a query, which may hold what should not be kept."""


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


async def _unless_gone(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """Do `work`, and drop it if the client goes away before its end."""
    doing = asyncio.current_task()
    watching: asyncio.Task[None] | None = None
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = True
        if doing is not None:
            doing.cancel()

    def begin() -> None:
        nonlocal watching
        watching = asyncio.create_task(watch())

    timer = asyncio.get_running_loop().call_later(_UNWATCHED_SECONDS, begin)
    try:
        await work
    except asyncio.CancelledError:
        if not gone or doing is None or doing.uncancel():
            raise
    finally:
        timer.cancel()
        if watching is not None:
            watching.cancel()
