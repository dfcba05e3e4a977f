"""What webhooks are to be told: written in the same commit as what it is about, so that a crash loses none of it.

An entry is an event, ids, categories and rules; no words of anybody. `guard.webhooks` delivers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select, update

from guard.store import schema
from guard.store.connecting import reading, writing
from guard.store.identity import now
from guard.store.statements import insert_new, insert_or_change
from guard.store.writing import Sink

if TYPE_CHECKING:
    from guard.store.store import Store

_TABLE = schema.deliveries
EVENTS = ("block", "appeal", "label")
"""What webhooks can be told of."""
FOR_ALL = "all"
"""In a webhook's details: whether it is told of every tenant's events, not only of its own tenant's."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that webhooks are told of.

    Attributes:
        event: One of `EVENTS`.
        about: Id of the exchange, the feedback or the label.
        body: Plain JSON values; never words of anybody.
    """

    tenant: str
    event: str
    about: str
    body: Mapping[str, Any]
    at: int = field(default_factory=now)


class OutboxSink(Sink[Happening]):
    """Writes what happened for each webhook that wants to know."""

    def write(self, connection: Connection, payloads: Sequence[Happening]) -> Sequence[int]:
        """Write them; the same happening is there once, however often it comes."""
        count = enqueue(connection, payloads)
        return [count] * len(payloads)


def enqueue(connection: Connection, happenings: Sequence[Happening]) -> int:
    """Write in a transaction what is to be delivered; returns how many deliveries that makes."""
    if not happenings:
        return 0
    table = schema.webhooks
    hooks = connection.execute(select(table.c.id, table.c.tenant, table.c.events, table.c.details).where(table.c.enabled)).all()
    rows = [
        _delivery(hook.id, happening)
        for happening in happenings
        for hook in hooks
        if happening.event in hook.events and (hook.tenant == happening.tenant or hook.details.get(FOR_ALL) is True)
    ]
    if rows:
        connection.execute(insert_new(schema.deliveries, connection.dialect.name), rows)
    return len(rows)


def _delivery(hook: str, happening: Happening) -> dict[str, Any]:
    name = "\0".join((hook, happening.tenant, happening.event, happening.about))
    return {
        "id": "dl_" + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:24],
        "tenant": happening.tenant,
        "webhook": hook,
        "event": happening.event,
        "object": happening.about,
        "body": dict(happening.body),
        "attempts": 0,
        "due": happening.at,
        "created": happening.at,
    }


@dataclass(frozen=True, slots=True)
class Delivery:
    """Something that one webhook is to be told. `created` is in microseconds.

    Attributes:
        attempts: Those that were made, and the one that is claimed.
    """

    id: str
    tenant: str
    webhook: str
    event: str
    body: Mapping[str, Any]
    attempts: int
    created: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a delivery. Times are in microseconds.

    Attributes:
        due: When it is to be tried again; None for never.
        delivered: When it arrived; None where it did not.
    """

    id: str
    due: int | None = None
    delivered: int | None = None


class Outbox:
    """Deliveries that are due, for who delivers them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._claims = _ClaimSink()
        self._outcomes = _OutcomeSink()

    def register(self, urls: Mapping[str, str]) -> None:
        """Have the store know a server's webhooks by id, told of every tenant's events, and no others of servers."""
        table = schema.webhooks
        put = insert_or_change(table, self._store.engine.dialect.name, lambda new: {"events": new.events, "enabled": True})
        common = {"tenant": "", "events": list(EVENTS), "enabled": True, "details": {FOR_ALL: True}, "created": now()}
        with writing(self._store.engine) as connection:
            dropped = update(table).where(table.c.tenant == "", table.c.id.not_in(list(urls)))
            connection.execute(dropped.values(enabled=False))
            if urls:
                connection.execute(put, [{**common, "id": name, "url": url} for name, url in urls.items()])

    def claim(self, webhooks: Sequence[str], most: int, seconds: float) -> Sequence[Delivery]:
        """Return deliveries that are due, which nobody else gets for so many seconds.

        Raises:
            StoreUnavailable: Where the store does not answer.
        """
        wanted = select(_TABLE.c.id).where(_TABLE.c.due <= now(), _TABLE.c.webhook.in_(webhooks)).order_by(_TABLE.c.due)
        with reading(self._store.engine) as connection:
            ids = list(connection.execute(wanted.limit(most)).scalars())
        if not ids:
            return ()
        return self._store.writer.write_sync(self._claims, (ids, round(seconds * 1_000_000)))  # type: ignore[no-any-return]  # the sink's

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Write what became of deliveries.

        Raises:
            StoreUnavailable: Where the store does not answer; they are due again then, after what they were claimed for.
        """
        self._store.writer.write_sync(self._outcomes, outcomes)


class _ClaimSink(Sink[tuple[Sequence[str], int]]):
    def write(self, connection: Connection, payloads: Sequence[tuple[Sequence[str], int]]) -> Sequence[list[Delivery]]:
        return [_claimed(connection, ids, lease) for ids, lease in payloads]


def _claimed(connection: Connection, ids: Sequence[str], lease: int) -> list[Delivery]:
    at, mine = now(), []
    for delivery in ids:
        claim = update(_TABLE).where(_TABLE.c.id == delivery, _TABLE.c.due <= at)
        if connection.execute(claim.values(due=at + lease, attempts=_TABLE.c.attempts + 1)).rowcount:
            mine.append(delivery)
    columns = [_TABLE.c[name] for name in ("id", "tenant", "webhook", "event", "body", "attempts", "created")]
    return [Delivery(*row) for row in connection.execute(select(*columns).where(_TABLE.c.id.in_(mine)))] if mine else []


class _OutcomeSink(Sink[Sequence[Outcome]]):
    def write(self, connection: Connection, payloads: Sequence[Sequence[Outcome]]) -> Sequence[None]:
        for outcome in (each for payload in payloads for each in payload):
            mine = update(_TABLE).where(_TABLE.c.id == outcome.id)
            connection.execute(mine.values(due=outcome.due, delivered=outcome.delivered))
        return [None] * len(payloads)
