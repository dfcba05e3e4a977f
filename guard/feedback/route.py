"""`POST /guard/feedback`: who speaks, how far that counts, and an answer once it is on the disk."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from guard import asgi
from guard.access.access import KEYLESS, OF_PROXIES, Refusal, is_loopback
from guard.access.backoff import network_of
from guard.asgi import Receive, Scope, Send
from guard.errors import BadMessage, StoreError, StoreUnavailable
from guard.feedback import statements
from guard.feedback.rates import Limiter, Rates
from guard.feedback.standing import BUSY, Speaker, Standings
from guard.feedback.statements import Asked, Checked
from guard.feedback_tokens import HEADER, BadToken, FeedbackTokens, Spoken
from guard.formats.openai_errors import error_body, error_object
from guard.ports import RecentDecisions
from guard.roles import REVIEWER
from guard.store.feedback import KeyUsedOtherwise
from guard.store.posts import NewPost, Opinion, PostReceipt, PostResult, Posts
from guard.values import Action, Caller

if TYPE_CHECKING:
    from guard.store.store import Store

log = logging.getLogger("guard")

PATH = "/guard/feedback"
MOST_BYTES = 8 * 1024 * 1024
"""Bytes of a request."""
_KEY = "key:"
_LOCAL = "local"
_LOOK = 30.0
"""Seconds after which it is asked again which keys are flagged."""
_MANY = 207
_HEADER_NAME = HEADER.decode()
_network_of = lru_cache(maxsize=4_096)(network_of)
_is_loopback = lru_cache(maxsize=256)(is_loopback)


class FeedbackRoute:
    """Takes feedback into a store."""

    def __init__(
        self,
        store: Store,
        tokens: FeedbackTokens,
        recent: RecentDecisions,
        limits: Rates = Rates(),  # noqa: B008 - a value
    ) -> None:
        """Prepare; asks the store which sources are flagged.

        Args:
            tokens: What reads the exchanges' own tokens.
            recent: Exchanges of this process, which are known before they are written.
        """
        self.posts = Posts(store)
        self.posts.prepare()
        self._tokens = tokens
        self._recent = recent
        self._rates = limits
        self._limiter = Limiter()
        self._standings = Standings()
        self._store = store
        self._looked = -math.inf
        self._looking: asyncio.Task[None] | None = None
        self._take_over(store.feedback.flagged_sources())

    @staticmethod
    def answers(method: str, path: str) -> bool:
        """Return whether a request is for this route."""
        return method == "POST" and path == PATH

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that `answers` says yes to."""
        headers: list[tuple[bytes, bytes]] = []
        try:
            status, body = await self._answer(scope, receive)
        except asgi.Disconnected:
            return
        except Refusal as refusal:
            status, body = refusal.status, error_body(refusal.message, status=refusal.status, code=refusal.code)
            if refusal.retry_after:
                headers = [(b"retry-after", str(math.ceil(refusal.retry_after)).encode())]
        except BadMessage as error:
            status, body = error.status, error_body(str(error), status=error.status, code=error.code)
        except StoreUnavailable as error:
            status, body = 503, error_body(str(error), status=503, code="store_unavailable")
            headers = [(b"retry-after", b"1")]
        except StoreError as error:
            status, body = 500, error_body(str(error), status=500, code="not_recorded")
        await asgi.send_answer(send, status, body, headers)

    def _take_over(self, flagged: Iterable[Any]) -> None:
        self._standings.take_over([(row.tenant, f"{_KEY}{row.source}", row.reason) for row in flagged], _KEY)
        self._looked = time.monotonic()

    def _look_again(self) -> None:
        """Ask the store from time to time which keys are flagged, by other processes or by reviewers; nobody waits for it."""
        if time.monotonic() - self._looked > _LOOK and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        self._looked = time.monotonic()
        try:
            self._take_over(await asyncio.to_thread(self._store.feedback.flagged_sources))
        except StoreError as error:
            log.warning("which sources are flagged cannot be looked up: %s", error)

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        self._look_again()
        headers = asgi.headers_of(scope)
        body = await asgi.read_json(scope, receive, headers, MOST_BYTES)
        asked = statements.read(body, headers.get("idempotency-key", ""))
        who = _Requester(scope, headers.get(_HEADER_NAME))
        self._check_address(who, len(asked.posts))
        posts = [self._post(who, each, f"[{index}]." if asked.is_list else "") for index, each in enumerate(asked.posts)]
        return _answer_of(asked, await self.posts.add(posts))

    def _post(self, who: _Requester, asked: Checked, where: str) -> NewPost:
        """Return a post with who says it, and how far that counts."""
        exchange, caller = asked.post.exchange, who.caller
        spoken = self._spoken(who, asked, where)
        tenant = caller.tenant if spoken is None else spoken.tenant
        known = self._recent.find(exchange, tenant)
        speaker, source = _speaker(who, spoken)
        self._check_rates(who, speaker, spoken)
        action = max((decision.action for decision in known.values()), default=None) if known else None
        weighed = self._standings.weigh(tenant, speaker, asked, action)
        kind = "client" if speaker.kind == "anonymous" else speaker.kind
        return NewPost(
            tenant,
            exchange,
            asked.statements,
            Opinion(source, kind, "" if spoken is None else spoken.subject, weighed.weight, weighed.status),
            asked.post.choice,
            asked.said,
            asked.idempotency_key,
            must_exist=spoken is None and known is None,
            details=_details(action),
            note=weighed.note,
        )

    def _spoken(self, who: _Requester, asked: Checked, where: str) -> Spoken | None:
        """Return what the exchange's own token says; None for whoever may speak without one."""
        token = who.token if asked.post.token is None else asked.post.token
        if token is None:
            if who.refusal is not None:
                raise who.refusal
            return None
        try:
            spoken = self._tokens.read(token, asked.post.exchange)
        except BadToken as error:
            raise BadMessage(f"{where}token: {error}", status=401, code=error.code) from None
        if who.caller.key and spoken.tenant != who.caller.tenant:
            raise BadMessage(f"{where}exchange: there is no such exchange", status=404, code="unknown_exchange")
        if spoken.choices and any(index >= spoken.choices for index in asked.choices):
            last = spoken.choices - 1
            expected = "0, as there is one choice" if not last else f"from 0 to {last}, as there are {spoken.choices} choices"
            raise BadMessage(f"{where}choice: expected {expected}", code="wrong_choice")
        return spoken

    def _check_address(self, who: _Requester, count: int) -> None:
        if not who.caller.key and (self._rates.local or not who.local):
            self._take([(f"address:{who.network}", self._rates.address)], count, "this address")

    def _check_rates(self, who: _Requester, speaker: Speaker, spoken: Spoken | None) -> None:
        if who.caller.key:
            self._take([(speaker.name, self._rates.key)], 1, "this key")
        elif self._rates.local or not who.local:
            token = [(f"token:{spoken.digest}", self._rates.token)] if spoken is not None else []
            self._take([*token, (speaker.name, self._rates.source)], 1, "this exchange or person")

    def _take(self, named: Sequence[tuple[str, Any]], count: int, whose: str) -> None:
        wait = self._limiter.wait(named, count)
        if wait:
            raise Refusal(429, "too_much_feedback", f"{whose} gives more feedback than it may; wait before the next", wait)


class _Requester:
    """Who sends a request."""

    __slots__ = ("caller", "local", "network", "refusal", "token")

    def __init__(self, scope: Scope, token: str | None) -> None:
        self.caller: Caller = asgi.caller_of(scope)
        self.refusal: Refusal | None = scope.get(KEYLESS)
        self.token = token
        client = scope.get("client")
        host = str(client[0]) if client else ""
        self.local = not host or (_is_loopback(host) and not any(name in OF_PROXIES for name, _ in scope["headers"]))
        self.network = _network_of(host) if host else _LOCAL


def _speaker(who: _Requester, spoken: Spoken | None) -> tuple[Speaker, str]:
    """Return who speaks, and the id of the source that is written."""
    caller = who.caller
    if caller.key:
        kind = "reviewer" if REVIEWER in caller.roles else "application"
        return Speaker(kind, f"{_KEY}{caller.key}", caller.key), caller.key
    if spoken is None:
        return Speaker("application", _LOCAL), _LOCAL
    busy = 0 if who.local else BUSY
    source = f"tk_{spoken.digest[:24]}"
    if spoken.subject:
        return Speaker("client", f"person:{spoken.subject}", "", spoken.subject, busy), source
    return Speaker("anonymous", source if who.local else f"address:{who.network}", busy=busy), source


def _details(action: Action | None) -> Mapping[str, Any]:
    return {} if action is None else {"action": action.word}


def _answer_of(asked: Asked, results: Sequence[PostResult]) -> tuple[int, bytes]:
    described = [_described(each, result) for each, result in zip(asked.posts, results, strict=True)]
    if asked.is_list:
        codes = {status for status, _ in described}
        status = _MANY if max(codes) >= 400 else max(codes)
        return status, msgspec.json.encode({"feedback": [body for _, body in described]})
    status, body = described[0]
    return status, msgspec.json.encode(body)


def _described(asked: Checked, result: PostResult) -> tuple[int, dict[str, Any]]:
    if isinstance(result, PostReceipt):
        kinds = dict(result.ids)
        return (200 if result.repeated else 202), {
            "id": result.id,
            "exchange": asked.post.exchange,
            "kinds": kinds,
            "repeated": result.repeated,
        }
    if isinstance(result, KeyUsedOtherwise):
        return 409, error_object(str(result), status=409, code="idempotency_key_used")
    return 404, error_object(str(result), status=404, code="unknown_exchange")
