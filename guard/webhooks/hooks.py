"""Webhooks by a server's options, and what they are told of blocks.

Secrets stay in the processes that deliver; the store does not have them. Every process of one store is given the same webhooks.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from guard.errors import TenetError
from guard.formats.fields import is_identifier
from guard.store.exchange_rows import ExchangeRecord
from guard.store.outbox import Happening, OutboxSink
from guard.values import Action
from guard.webhooks.addresses import check_url

if TYPE_CHECKING:
    from guard.store.store import Store

_LEAST_SECRET = 16


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where something is told, and what it is signed with."""

    url: str
    secret: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """The same for the same URL, in every process and after a restart."""
        return "wh_" + hashlib.sha256(self.url.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def webhooks_of(
    urls: Sequence[str], secret_envs: Sequence[str], *, anywhere: bool = False, environment: Mapping[str, str] | None = None
) -> tuple[Webhook, ...]:
    """Return the webhooks that options name: the first secret is the first URL's, and so on; one may be for all.

    Raises:
        TenetError: Where one may not go there, or has no secret.
    """
    known = os.environ if environment is None else environment
    for url in urls:
        check_url(url, anywhere=anywhere)
    if len(set(urls)) != len(urls):
        raise TenetError("--webhook: expected each URL once")
    if urls and len(secret_envs) not in (1, len(urls)):
        expected = f"one --webhook-secret-env for each --webhook ({len(urls)}), or one for all"
        raise TenetError(f"--webhook-secret-env: expected {expected}, got {len(secret_envs)}")
    if secret_envs and not urls:
        raise TenetError("--webhook-secret-env: expected --webhook beside it")
    secrets = [_secret(name, known.get(name, "")) for name in secret_envs]
    return tuple(
        Webhook(url, secret) for url, secret in zip(urls, secrets * (len(urls) if len(secrets) == 1 else 1), strict=True)
    )


class Blocks:
    """Tells webhooks of blocks: a listener of `StoreRecorder`, which only puts into a queue."""

    def __init__(self, store: Store) -> None:
        self._writer = store.writer
        self._sink = OutboxSink()

    def __call__(self, record: ExchangeRecord) -> None:
        """Take note of a record."""
        blocking = [stage for stage in record.stages if stage.decision.action is Action.BLOCK]
        if not blocking:
            return
        exchange = record.exchange
        body = {
            "exchange": exchange.id,
            "stages": [stage.stage.value for stage in blocking],
            "rules": sorted({rule for stage in blocking for rule in stage.decision.rules}),
            "categories": sorted({finding.category for stage in blocking for finding in stage.decision.findings}),
            "policy": blocking[0].decision.policy,
            "route": exchange.route if is_identifier(exchange.route) else "",
        }
        self._writer.put(self._sink, Happening(exchange.caller.tenant, "block", exchange.id, body))


def _secret(name: str, value: str) -> bytes:
    if len(value) < _LEAST_SECRET:
        found = "one that is not set" if not value else f"one of {len(value)} characters"
        expected = f"the name of an environment variable with at least {_LEAST_SECRET} characters"
        raise TenetError(f"--webhook-secret-env: expected {expected}, got {name[:60]!r}, {found}")
    return value.encode()
