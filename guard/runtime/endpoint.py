"""JSON over HTTP for detectors that ask a service: one connection pool for the process, on the runtime's loop.

Errors name the service and the status, never what was sent, what came back, or a key.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from time import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from guard.errors import DetectorError, Transient
from guard.runtime.loop import runtime_loop

if TYPE_CHECKING:
    import aiohttp

ANSWER_LIMIT = 8 * 1024 * 1024
"""Bytes of a service's answer."""
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
_POOL: dict[int, aiohttp.ClientSession] = {}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A service that takes JSON and answers JSON.

    Attributes:
        detector: The detector's name in the policy, for messages.
        url: Base; paths are appended.
        headers: Sent with each request.
        secret_headers: Headers whose value is taken from an environment variable at each request: name → (variable, template),
            such as `{"authorization": ("OPENAI_API_KEY", "Bearer {}")}`.
    """

    detector: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    secret_headers: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    async def post(
        self,
        path: str,
        body: Any,  # noqa: ANN401
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Any:  # noqa: ANN401
        """Send `body` as JSON (or `raw` as it is) and return the parsed answer. Runs on the runtime's loop only.

        Raises:
            Transient: Where asking again may help: no connection, 408, 425, 429, 5xx.
            DetectorError: For another status, a redirect, an answer that is no JSON or too long, a variable that is not set.
        """
        import aiohttp

        payload = msgspec.json.encode(body) if raw is None else raw
        sent = {"content-type": "application/json", **self.headers, **self._secrets(), **(headers or {})}
        session = await _session()
        try:
            async with session.post(
                self.url.rstrip("/") + path, data=payload, params=params, headers=sent, allow_redirects=False
            ) as answer:
                answered = await self._read(answer)
                self._check(answer)
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError) as error:
            raise Transient(self.detector, f"{self.host}: {type(error).__name__}") from error
        except aiohttp.ClientError as error:
            raise DetectorError(self.detector, f"{self.host}: {type(error).__name__}") from error
        try:
            return msgspec.json.decode(answered)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DetectorError(self.detector, f"{self.host} answered {answer.status}, expected JSON") from error

    @property
    def host(self) -> str:
        """Host and port, for messages."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        found = bytearray()
        async for chunk in answer.content.iter_chunked(65_536):
            found += chunk
            if len(found) > ANSWER_LIMIT:
                raise DetectorError(self.detector, f"{self.host} answered more than {ANSWER_LIMIT:,} bytes")
        return bytes(found)

    def _check(self, answer: aiohttp.ClientResponse) -> None:
        if answer.status in _PASSING:
            wait = _retry_after(answer.headers.get("retry-after", ""))
            raise Transient(self.detector, f"{self.host} answered {answer.status}", retry_after=wait)
        if 300 <= answer.status < 400:
            raise DetectorError(self.detector, f"{self.host} answered {answer.status}, a redirect; name its target in `url`")
        if answer.status in (401, 403):
            names = " and ".join(variable for variable, _ in self.secret_headers.values())
            hint = f"; check the key in {names}" if names else ""
            raise DetectorError(self.detector, f"{self.host} answered {answer.status}{hint}")
        if not 200 <= answer.status < 300:
            raise DetectorError(self.detector, f"{self.host} answered {answer.status}")

    def _secrets(self) -> dict[str, str]:
        found = {}
        for header, (variable, template) in self.secret_headers.items():
            value = os.environ.get(variable, "").strip()
            if not value:
                raise DetectorError(self.detector, f"the environment variable {variable} is not set")
            found[header] = template.format(value)
        return found


async def _session() -> aiohttp.ClientSession:
    """Return this process's session; made on the runtime's loop, closed when the process ends."""
    import aiohttp

    pid = os.getpid()
    if pid not in _POOL:
        _POOL.clear()
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=30)
        session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None, connect=10),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=True,
        )
        _POOL[pid] = session
        runtime_loop().on_exit(session.close)
    return _POOL[pid]


def _retry_after(value: str) -> float | None:
    """Return the seconds that a `Retry-After` asks for; None where it says nothing readable."""
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except (TypeError, ValueError):
        return None
