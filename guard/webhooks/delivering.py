"""Deliver what is due: one thread with an event loop of its own, which nothing else waits for.

A delivery is claimed for a while, in the store, so that of several processes one makes the attempt; who dies meanwhile leaves it
to be claimed again. So each is delivered at least once, and a receiver tells a repetition by its id.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from guard.errors import StoreError
from guard.store.identity import now
from guard.store.outbox import Delivery, Outbox, Outcome
from guard.webhooks.addresses import CheckedResolver
from guard.webhooks.hooks import Webhook
from guard.webhooks.signing import HEADER, signature

if TYPE_CHECKING:
    import aiohttp

    from guard.store.store import Store

log = logging.getLogger("guard")
_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds, and how many at a time.

    Attributes:
        look: Between two looks at what is due.
        first: Before the second attempt; each further one waits three times as long.
        longest: Before any attempt.
        give_up: After which there is none any more.
        patience: That a receiver has for its answer.
        batch: Deliveries that are under way at the same time.
    """

    look: float = 1.0
    first: float = 5.0
    longest: float = 3_600.0
    give_up: float = 3 * 86_400.0
    patience: float = 10.0
    batch: int = 16

    def wait(self, attempts: int, chance: float = 0.5) -> float:
        """Return the seconds before the next attempt, after so many that failed.

        Args:
            chance: In [0, 1]; spreads the attempts over three quarters to five quarters of the time.
        """
        plain = self.first * 3.0 ** min(attempts - 1, 20)
        return min(self.longest, plain) * (0.75 + 0.5 * chance)


class Deliverer:
    """Delivers to some webhooks, from `start` to `close`."""

    def __init__(self, store: Store, hooks: Sequence[Webhook], *, anywhere: bool = False, pace: Pace | None = None) -> None:
        self.delivered = 0
        self.failed = 0
        """Attempts that failed."""
        self._outbox = Outbox(store)
        self._hooks: Mapping[str, Webhook] = {hook.id: hook for hook in hooks}
        self._anywhere = anywhere
        self._pace = pace or Pace()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="guard-webhooks", daemon=True)

    def start(self) -> None:
        """Begin."""
        if self._hooks:
            self._thread.start()

    def close(self) -> None:
        """Finish the attempts that are under way, and stop; what is left is delivered after the next start."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(self._pace.patience + 1.0)

    def _run(self) -> None:
        asyncio.run(self._deliver())

    async def _deliver(self) -> None:
        import aiohttp

        connector = aiohttp.TCPConnector(resolver=CheckedResolver(anywhere=self._anywhere), use_dns_cache=False, limit=0)
        timeout = aiohttp.ClientTimeout(total=self._pace.patience)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
            while not self._closing.is_set():
                if not await self._round(session):
                    self._closing.wait(self._pace.look)

    async def _round(self, session: aiohttp.ClientSession) -> bool:
        """Attempt what is due; return whether there was anything."""
        try:
            due = self._outbox.claim(tuple(self._hooks), self._pace.batch, 3 * self._pace.patience)
            if due:
                self._outbox.settle(await asyncio.gather(*(self._attempt(session, delivery) for delivery in due)))
        except StoreError as error:
            log.warning("webhooks wait: %s", error)
            return False
        return bool(due)

    async def _attempt(self, session: aiohttp.ClientSession, delivery: Delivery) -> Outcome:
        import aiohttp

        hook = self._hooks[delivery.webhook]
        body = body_of(delivery)
        at = int(time.time())
        headers = {
            "content-type": "application/json",
            "user-agent": "tenet-guard",
            HEADER: signature(hook.secret, body, at),
            "x-guard-event": delivery.event,
            "x-guard-delivery": delivery.id,
        }
        try:
            async with session.post(hook.url, data=body, headers=headers, allow_redirects=False) as answer:
                if 200 <= answer.status < 300:
                    self.delivered += 1
                    return Outcome(delivery.id, delivered=now())
                why = f"status {answer.status}"
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            why = type(error).__name__
        self.failed += 1
        given_up = (now() - delivery.created) / _SECOND > self._pace.give_up
        log.warning("a webhook was not delivered (%s); %s", why, "it is given up" if given_up else "it is tried again")
        wait = self._pace.wait(delivery.attempts, random.random())  # noqa: S311 - spreads load, guards nothing
        return Outcome(delivery.id, None if given_up else now() + round(wait * _SECOND))


def body_of(delivery: Delivery) -> bytes:
    """Return what a receiver gets: what happened, in ids and names."""
    said = {
        "id": delivery.id,
        "event": delivery.event,
        "tenant": delivery.tenant,
        "created": delivery.created // _SECOND,
        **delivery.body,
    }
    return json.dumps(said, separators=(",", ":"), sort_keys=True).encode()
