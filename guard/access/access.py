"""`Access`: lets a request in with the caller that it is from, or answers why it may not."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import math
import time
from collections import Counter
from typing import TYPE_CHECKING

from guard import asgi
from guard.access.backoff import Backoff, network_of
from guard.access.book import KeyBook
from guard.access.credentials import Credentials, credentials, key_in_query
from guard.access.refusals import Refusals
from guard.access.routes import Need, need_of
from guard.asgi import Receive, Scope, Send
from guard.errors import StoreError, StoreUnavailable
from guard.formats.openai_errors import error_body
from guard.roles import holds
from guard.store.key_text import parse_key
from guard.values import Caller

if TYPE_CHECKING:
    from guard.store.keys import Keys, StoredKey

log = logging.getLogger("guard")

_NOTED_AGAIN = 60.0
"""Seconds after which it is written once more that a key is in use."""
_ASKED_AGAIN = 1.0
_ROOM_FOR_FAILING = 32
"""Lookups that may wait while one is made for somebody whose attempts keep failing."""
OF_PROXIES = (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip")
"""Headers that show that somebody else asked."""
KEYLESS = "guard.keyless"
"""Where a scope holds the `Refusal` for who shows no key, on a route where an exchange's own token does; the route checks it."""
_HOW = "send it as x-guard-key, or as Authorization: Bearer"
_UNKNOWN = "this key is none of this server's"
_MAKE = "make one with `guard keys create`"
_OF_KEYS = frozenset(
    ("key_in_address", "several_keys", "invalid_key", "too_many_attempts", "insufficient_role", "key_expired", "key_revoked")
)
"""Codes of refusals that the audit tells: somebody showed a key, and it did not do."""
_TOKEN_DOES = ("missing_key", "not_local")
"""Codes of refusals that an exchange's own token makes up for."""


class Refusal(Exception):
    """Why a request is not let in.

    Attributes:
        retry_after: Seconds after which another attempt may succeed; 0 where none will.
        key: The key that was shown, where it is one.
    """

    def __init__(self, status: int, code: str, message: str, retry_after: float = 0.0, *, key: StoredKey | None = None) -> None:
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after
        self.key = key
        super().__init__(message)


class Access:
    """Who may do what on one server."""

    def __init__(
        self,
        keys: Keys | None,
        *,
        require: bool = False,
        public: bool = False,
        replaces: bool = False,
        book: KeyBook | None = None,
    ) -> None:
        """Prepare.

        Args:
            keys: The store's; None where there is no store, and so no key.
            require: Whether generation needs a key too, not only the guard's own routes.
            public: Whether the server listens where others than this machine can reach it.
            replaces: Whether the client's `Authorization` is replaced on its way to the upstream, so that it is for the guard.
            book: What is known of keys.
        """
        self.counts: Counter[str] = Counter()
        """Requests with a key that was good (`accepted`), and refused ones by their code."""
        self._keys = keys
        self._book = book or (KeyBook(keys) if keys is not None else None)
        self._require = require
        self._public = public
        self._replaces = replaces
        self._backoff = Backoff()
        self._refusals = Refusals(keys.note_refused) if keys is not None else None
        self._noted: dict[str, float] = {}
        self._exist = False
        self._asked = -math.inf

    def close(self) -> None:
        """Stop reading keys."""
        if self._refusals is not None:
            self._refusals.flush()
        if self._book is not None:
            self._book.close()

    async def admit(self, scope: Scope, receive: Receive, send: Send) -> Scope | None:
        """Return the scope for a request that is let in, without keys and with its caller; None where it was answered here."""
        try:
            return await self._admitted(scope)
        except Refusal as refusal:
            self.counts[refusal.code] += 1
            if self._refusals is not None and refusal.code in _OF_KEYS:
                self._refusals.count(refusal.key, refusal.code)
            await _answer(refusal, scope, receive, send)
            return None

    async def _admitted(self, scope: Scope) -> Scope:
        if key_in_query(scope):
            message = f"a key does not belong into an address, which is written into logs: revoke it, and {_HOW}"
            raise Refusal(400, "key_in_address", message)
        shown = credentials(scope)
        need = need_of(scope.get("method", ""), scope["path"])
        try:
            caller = await self._caller(scope, shown, need)
        except Refusal as refusal:
            if not need.token or refusal.code not in _TOKEN_DOES:
                raise
            return {**scope, "headers": shown.headers, asgi.CALLER: Caller(), KEYLESS: refusal}
        return {**scope, "headers": shown.headers, asgi.CALLER: caller}

    async def _caller(self, scope: Scope, shown: Credentials, need: Need) -> Caller:
        if not need.roles:
            return Caller()
        required = self._require and not need.own
        key = self._shown_key(shown, required=required)
        if not key:
            await self._check_without_key(scope, need)
            return Caller()
        stored = await self._identified(key, scope)
        if (required or need.own) and not holds(stored.roles, need.roles):
            message = f"this key has the roles {', '.join(stored.roles)}; this needs {' or '.join(need.roles)}"
            raise Refusal(403, "insufficient_role", message, key=stored)
        return Caller(stored.tenant, stored.id, "", stored.roles)

    def _shown_key(self, shown: Credentials, *, required: bool) -> str:
        """Return what was shown as a key; whatever `Authorization` holds is meant as one where it is for the guard to read."""
        if len(shown.keys) > 1:
            raise Refusal(401, "several_keys", "expected one key, got several that differ")
        if shown.keys:
            return shown.keys[0]
        return shown.bearer if required and self._replaces else ""

    async def _check_without_key(self, scope: Scope, need: Need) -> None:
        if not need.own:
            if self._require:
                raise Refusal(401, "missing_key", f"this server needs a key: {_HOW}")
            return
        exist = await self._keys_exist()
        if exist:
            raise Refusal(401, "missing_key", f"this needs a key with the role {' or '.join(need.roles)}: {_HOW}; {_MAKE}")
        if self._public and self._keys is not None:
            message = f"on an address that others can reach, this is served only for keys, and the store has none: {_MAKE}"
            raise Refusal(403, "no_keys_yet", message)
        if not self._public and not _is_local(scope):
            message = f"without keys, this is served only for who asks this machine by a name of its own: {_MAKE}"
            raise Refusal(403, "not_local", message)

    async def _identified(self, text: str, scope: Scope) -> StoredKey:
        """Return the key that a request shows. Raises Refusal where it is none, or is no longer good."""
        if self._keys is None or self._book is None:
            raise Refusal(401, "invalid_key", "this server knows no keys, as it has no store; start it with --store")
        parsed = parse_key(text)
        names = [network_of(scope["client"][0])] if scope.get("client") else []
        if parsed is None:
            raise self._refused(names, "expected a key of this server's, such as tg_…, got what cannot be one; was it cut?")
        names.append(parsed.id)
        crowded = self._book.waiting > _ROOM_FOR_FAILING and not self._book.remembers(parsed.id)
        if crowded and any(map(self._backoff.waits, names)):
            raise self._refused(names, _UNKNOWN)
        try:
            stored = await self._book.find(parsed.id)
        except StoreUnavailable as error:
            raise Refusal(503, "store_unavailable", str(error), 1.0) from None
        if stored is None or not self._keys.matches(stored, parsed.text):
            raise self._refused(names, _UNKNOWN)
        state = stored.state().value
        if state != "active":
            raise Refusal(401, f"key_{state}", f"this key is {state}; {_MAKE}", key=stored)
        self.counts["accepted"] += 1
        self._note(stored.id)
        return stored

    def _refused(self, names: list[str], message: str) -> Refusal:
        before = any(map(self._backoff.waits, names))
        wait = self._backoff.failed(names)
        if not wait:
            return Refusal(401, "invalid_key", message)
        if not before:
            log.warning("too many attempts with keys that are none; the next ones have to wait %.0f s", wait)
        return Refusal(429, "too_many_attempts", "too many attempts with keys that are none; wait before the next", wait)

    def _note(self, key_id: str) -> None:
        at = time.monotonic()
        if at - self._noted.get(key_id, -math.inf) < _NOTED_AGAIN or self._keys is None:
            return
        if len(self._noted) >= KeyBook.most:
            self._noted.clear()
        self._noted[key_id] = at
        self._keys.note_use(key_id)

    async def _keys_exist(self) -> bool:
        """Return whether the store ever had a key; once it had, the guard's own routes need one."""
        at = time.monotonic()
        if self._keys is not None and not self._exist and at - self._asked > _ASKED_AGAIN:
            try:
                self._exist = await asyncio.to_thread(self._keys.exist)
            except StoreError:
                message = "whether this needs a key cannot be looked up now, as the store does not answer; try again later"
                raise Refusal(503, "store_unavailable", message, 1.0) from None
            self._asked = at
        return self._exist


async def _answer(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": refusal.message[:100]})
        return
    headers = []
    if refusal.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="tenet"'))
    if refusal.retry_after:
        headers.append((b"retry-after", str(math.ceil(refusal.retry_after)).encode()))
    body = error_body(refusal.message, status=refusal.status, code=refusal.code)
    await asgi.send_answer(send, refusal.status, body, headers)


def _is_local(scope: Scope) -> bool:
    """Return whether a request comes from this machine itself: not through a proxy, nor from a page that gave it another name."""
    for name, value in scope["headers"]:
        if name in OF_PROXIES:
            return False
        text = value.decode("latin-1").strip().lower()
        if name == b"host" and not is_loopback(_host(text)):
            return False
        if name == b"origin" and not is_loopback(_host(text.partition("://")[2])):
            return False
    return True


def _host(authority: str) -> str:
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.rpartition(":")[0] if ":" in authority else authority


def is_loopback(host: str) -> bool:
    """Return whether a host, by name or address, is this machine and nobody else can reach it there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
