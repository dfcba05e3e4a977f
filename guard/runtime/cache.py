"""Remember verdicts. Keys are keyed digests of all that the detector was shown, so that no text can be read from them.

Verdicts of one process are kept in memory, with a bound; those of several in Redis, where one is configured, each with a tag that
tells whether Tenet wrote it. A cache that fails or lies is a cache that does not know.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

import msgspec

from guard.errors import MissingExtra, TenetError
from guard.runtime.loop import runtime_loop
from guard.values import Finding, Item, Span

log = logging.getLogger("guard")

KEY_VARIABLE = "TENET_CACHE_KEY"
"""Environment variable with the secret that processes which share a Redis have in common."""

_FINDINGS = 10
_SHORTEST_KEY = 16
_TAG_BYTES = 16
_REDIS_SECONDS = 0.25
_REDIS_REST_SECONDS = 5.0


class Verdict(NamedTuple):
    """A finding without whose words and where; those are the item's."""

    category: str
    score: float
    start: int
    end: int


Verdicts = tuple[Verdict, ...]


def remembered(findings: Sequence[Finding]) -> Verdicts:
    """Return findings as they are remembered."""
    return tuple(
        Verdict(finding.category, finding.score, *(finding.span if finding.span is not None else (-1, -1)))
        for finding in findings
    )


def recalled(verdicts: Verdicts, detector: str, item: Item) -> list[Finding]:
    """Return remembered findings as those of `item`."""
    return [
        Finding(
            detector,
            verdict.category,
            verdict.score,
            Span(verdict.start, verdict.end) if verdict.start >= 0 else None,
            item.location,
            item.role,
        )
        for verdict in verdicts
    ]


class VerdictCache:
    """Verdicts in memory; what was not used for longest goes first. Thread-safe.

    At most `most` of them, with ten findings each on average: a text of spans may have thousands.
    """

    def __init__(self, most: int = 50_000, secret: bytes | None = None) -> None:
        self._most = most
        self._secret = os.urandom(32) if secret is None else secret
        self._kept: OrderedDict[bytes, Verdicts] = OrderedDict()
        self._findings = 0
        self._lock = threading.Lock()

    def key(self, identity: str, item: Item, *, sees_exchange: bool) -> bytes:
        """Return the key of what a detector says about an item.

        Args:
            identity: Stands for the detector, its configuration and its version.
            sees_exchange: Whether it is shown the exchange; then the prompt, the caller and the place count too.
        """
        shown: list[Any] = [identity, item.text, item.judged_from, item.stage, item.role, item.principle, item.media]
        exchange = item.exchange
        if sees_exchange and exchange is not None:
            shown += [item.location, exchange.caller.tenant, exchange.caller.subject, exchange.caller.roles, exchange.model]
            shown += [exchange.route, [(said.role, said.location, said.text) for said in exchange.prompt]]
        return hmac.digest(self._secret, _encoded(shown), "sha256")

    def get(self, key: bytes) -> Verdicts | None:
        """Return what is remembered under a key."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, key: bytes, verdicts: Verdicts) -> None:
        """Remember."""
        with self._lock:
            self._findings += len(verdicts) - len(self._kept.get(key, ()))
            self._kept[key] = verdicts
            self._kept.move_to_end(key)
            while len(self._kept) > self._most or self._findings > self._most * _FINDINGS:
                self._findings -= len(self._kept.popitem(last=False)[1])

    def fetch(self, keys: Sequence[bytes]) -> Future[Mapping[bytes, Verdicts]] | None:
        """Ask whoever else remembers, for keys that are not in memory; None where there is nobody."""
        return None


class RedisCache(VerdictCache):
    """Verdicts in memory, and in a Redis that several processes share."""

    def __init__(self, url: str, *, most: int = 50_000, seconds: int = 86_400) -> None:
        """Prepare; Redis is asked only when there is a verdict to look for.

        Args:
            url: `redis://…`, `rediss://…` or `unix://…`.
            seconds: How long Redis keeps a verdict.

        Raises:
            MissingExtra: Without the package `redis`.
            TenetError: Where the secret is not set, or the URL cannot be read.
        """
        try:
            from redis.asyncio import Redis
        except ImportError as error:
            raise MissingExtra("a cache in Redis", "redis") from error
        secret = os.environ.get(KEY_VARIABLE, "").encode()
        if len(secret) < _SHORTEST_KEY:
            raise TenetError(
                f"{KEY_VARIABLE}: expected at least {_SHORTEST_KEY} characters that all processes share, got {len(secret)}"
            )
        super().__init__(most, hashlib.sha256(secret).digest())
        try:
            self._redis = Redis.from_url(url, socket_timeout=_REDIS_SECONDS, socket_connect_timeout=_REDIS_SECONDS)
        except ValueError as error:
            raise TenetError(f"the cache: expected a URL of Redis, got one that cannot be read ({error})") from error
        self._seconds = seconds
        self._rests_until = 0.0
        runtime_loop().on_exit(self._redis.aclose)

    def put(self, key: bytes, verdicts: Verdicts) -> None:
        """Remember here, and have Redis remember too, without waiting for it."""
        super().put(key, verdicts)
        if time.monotonic() >= self._rests_until:
            runtime_loop().submit(self._store(key, verdicts))

    def fetch(self, keys: Sequence[bytes]) -> Future[Mapping[bytes, Verdicts]] | None:
        """Ask Redis."""
        return runtime_loop().submit(self._look_up(keys)) if time.monotonic() >= self._rests_until else None

    async def _look_up(self, keys: Sequence[bytes]) -> Mapping[bytes, Verdicts]:
        try:
            values = await self._redis.mget([_name(key) for key in keys])
        except Exception as error:  # whatever ails Redis, verdicts can be had without it
            self._rest(error)
            return {}
        found = {key: self._opened(key, value) for key, value in zip(keys, values, strict=True) if isinstance(value, bytes)}
        known = {key: verdicts for key, verdicts in found.items() if verdicts is not None}
        for key, verdicts in known.items():
            super().put(key, verdicts)
        return known

    async def _store(self, key: bytes, verdicts: Verdicts) -> None:
        value = msgspec.msgpack.encode(verdicts)
        try:
            await self._redis.set(_name(key), self._tag(key, value) + value, ex=self._seconds)
        except Exception as error:  # as above
            self._rest(error)

    def _opened(self, key: bytes, value: bytes) -> Verdicts | None:
        tag, verdicts = value[:_TAG_BYTES], value[_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._tag(key, verdicts)):
            return None
        return msgspec.msgpack.decode(verdicts, type=tuple[Verdict, ...])

    def _tag(self, key: bytes, value: bytes) -> bytes:
        return hmac.digest(self._secret, b"verdict" + key + value, "sha256")[:_TAG_BYTES]

    def _rest(self, error: Exception) -> None:
        log.warning("the cache in Redis does not answer (%s); it is left alone for a while", type(error).__name__)
        self._rests_until = time.monotonic() + _REDIS_REST_SECONDS


def cache_at(url: str) -> VerdictCache:
    """Return the cache that `--cache` names: `memory` or the URL of a Redis."""
    return VerdictCache() if url == "memory" else RedisCache(url)


def _encoded(shown: Sequence[Any]) -> bytes:
    """Return what was shown as bytes, which differ where it does, even in half a surrogate pair, which UTF-8 does not have."""
    try:
        return msgspec.msgpack.encode(shown)
    except UnicodeEncodeError:
        return b"\xc1" + repr(shown).encode()  # a byte that no msgpack begins with


def _name(key: bytes) -> str:
    return f"tenet:verdict:{key.hex()}"
