"""JSON over HTTP for detectors that ask a service: one connection pool for the process, on the runtime's loop.

Errors name the service and the status, never what was sent, what came back, or a key.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from time import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import msgspec

from guard.errors import DetectorError, Transient
from guard.runtime.loop import runtime_loop

if TYPE_CHECKING:
    import aiohttp

ANSWER_LIMIT = 8 * 1024 * 1024
"""Bytes of a service's answer."""
_ERROR_LIMIT = 65_536
"""Bytes of an error's text that are read, so that its connection can be used again; they are looked at by nobody."""
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
_MEDIA_TYPE = re.compile(r"[a-z]{1,20}/[a-z0-9.+-]{1,40}")
_POOL: dict[int, aiohttp.ClientSession] = {}
"""By process: a forked child opens its own, and leaves its parent's alone, as closing it would end the parent's connections."""

Sign = Callable[[str, str, Mapping[str, str], bytes], Mapping[str, str]]
"""Method, URL as it is sent, headers and body → headers to add."""


class TooLarge(DetectorError):
    """A question that is more than the service takes at once (413): a part of it may be answered."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A service that takes JSON and answers JSON.

    Attributes:
        detector: The detector's name in the policy, for messages.
        url: Base; paths are appended.
        headers: Sent with each request.
        secret_headers: Headers whose value is taken from an environment variable at each request: name → (variable, template),
            such as `{"authorization": ("OPENAI_API_KEY", "Bearer {}")}`.
        sign: Adds headers that depend on the whole request.
        hints: For a status that the service gives a meaning of its own: what it means, and the way out.
    """

    detector: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    secret_headers: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    sign: Sign | None = None
    hints: Mapping[int, str] = field(default_factory=dict)

    async def post(
        self,
        path: str,
        body: Any,  # noqa: ANN401
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Any:  # noqa: ANN401
        """Send `body` as JSON (or `raw` as it is) and return the parsed answer.

        Raises:
            Transient: Where asking again may help: no connection, half an answer, 408, 425, 429, 5xx.
            TooLarge: For 413.
            DetectorError: For another status, a redirect, an answer that is no JSON or too long, a variable that is not set.
        """
        return await self.request("POST", path, encoded(body) if raw is None else raw, params, headers)

    async def get(self, path: str, *, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401
        """Ask without a body and return the parsed answer; raises what `post` does."""
        return await self.request("GET", path, b"", params, headers)

    async def request(
        self,
        method: str,
        path: str,
        payload: bytes,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:  # noqa: ANN401
        """Send a request and return the parsed answer, from whatever loop; raises what `post` does."""
        url = self.url.rstrip("/") + path if path else self.url
        if params:
            url += ("&" if "?" in url else "?") + urlencode(params, quote_via=quote, errors="replace")
        sent = {"content-type": "application/json"} if payload else {}
        sent |= {**self.headers, **self._secrets(), **(headers or {})}
        if self.sign is not None:
            sent = {**sent, **self.sign(method, url, sent, payload)}
        home = runtime_loop()
        if asyncio.get_running_loop() is home.loop:
            return await self._exchange(method, url, sent, payload)
        return await asyncio.wrap_future(home.submit(self._exchange(method, url, sent, payload)))

    @property
    def host(self) -> str:
        """Host and port, for messages."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    async def _exchange(self, method: str, url: str, headers: Mapping[str, str], payload: bytes) -> Any:  # noqa: ANN401
        import aiohttp
        from yarl import URL

        session = await _session()
        try:
            async with session.request(
                method,
                URL(url, encoded=True),
                data=payload or None,
                headers=headers,
                allow_redirects=False,
                proxy=_proxy(url),
            ) as answer:
                if not 200 <= answer.status < 300:
                    with suppress(aiohttp.ClientError):
                        await answer.content.read(_ERROR_LIMIT)
                    raise self._refusal(answer)
                answered = await self._read(answer)
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError) as error:
            raise Transient(self.detector, f"{self.host}: {type(error).__name__}") from error
        except (aiohttp.ClientError, ValueError) as error:
            raise DetectorError(self.detector, f"{self.host}: {type(error).__name__}") from None
        try:
            return msgspec.json.decode(answered)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            kind = _MEDIA_TYPE.fullmatch(answer.content_type)
            got = f", which says it is {kind[0]}" if kind and kind[0] != "application/json" else ""
            raise DetectorError(self.detector, f"{self.host}: expected JSON, got something else{got}") from None

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        found = bytearray()
        async for chunk in answer.content.iter_chunked(65_536):
            found += chunk
            if len(found) > ANSWER_LIMIT:
                raise DetectorError(self.detector, f"{self.host}: expected at most {ANSWER_LIMIT:,} bytes, got more")
        return bytes(found)

    def _refusal(self, answer: aiohttp.ClientResponse) -> DetectorError:
        status = answer.status
        said = f"{self.host} answered {status}"
        hint = f"; {self.hints[status]}" if status in self.hints else ""
        if status in _PASSING:
            return Transient(self.detector, said + hint, retry_after=_pause(answer.headers))
        if status == 413:
            return TooLarge(self.detector, said + (hint or "; lower `runtime.batch`, or send shorter texts"))
        if not hint and 300 <= status < 400:
            hint = ", a redirect; name its target in `url`"
        if not hint and status in (401, 403):
            names = " and ".join(variable for variable, _ in self.secret_headers.values())
            hint = f"; check the key in {names}" if names else "; it wants a key: name its variable in `key_env`"
        if not hint and status in (404, 405):
            hint = "; check `url`"
        return DetectorError(self.detector, said + hint)

    def _secrets(self) -> dict[str, str]:
        return {header: template.format(self._secret(name)) for header, (name, template) in self.secret_headers.items()}

    def _secret(self, variable: str) -> str:
        value = os.environ.get(variable, "").strip()
        if not value:
            raise DetectorError(self.detector, f"the environment variable {variable} is not set")
        if not (value.isascii() and value.isprintable()):
            raise DetectorError(self.detector, f"the environment variable {variable} has a character that no header may have")
        return value


async def _session() -> aiohttp.ClientSession:
    """Return this process's session; made on the runtime's loop, closed when the process ends."""
    import aiohttp

    pid = os.getpid()
    if pid not in _POOL:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=30)
        session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None, connect=10),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        _POOL[pid] = session
        runtime_loop().on_exit(session.close)
    return _POOL[pid]


def _proxy(url: str) -> str | None:
    """Return what HTTPS_PROXY, HTTP_PROXY and NO_PROXY say; aiohttp's own look at them reads ~/.netrc at each request."""
    parts = urlsplit(url)
    return None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)


def encoded(body: Any) -> bytes:  # noqa: ANN401
    """Return `body` as JSON; half a surrogate pair, which UTF-8 does not have, becomes a question mark in its place."""
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _pause(headers: Mapping[str, str]) -> float | None:
    """Return the seconds for which a service asks to be left alone; None where it says nothing readable."""
    exact = _whole(headers.get("retry-after-ms", ""))
    if exact is not None:
        return exact / 1000
    value = headers.get("retry-after", "")
    seconds = _whole(value)
    if seconds is not None:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except (TypeError, ValueError, OverflowError):
        return None


def _whole(value: str) -> float | None:
    digits = value.strip()
    return float(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 12 else None
