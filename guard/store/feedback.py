"""Feedback: acknowledged only when it is on the disk; repeated with the same idempotency key, it is there once."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Row, select

from guard.errors import StoreError
from guard.store import schema
from guard.store.connecting import reading
from guard.store.identity import is_id, new_id, now
from guard.store.pages import every, page
from guard.store.statements import insert_new
from guard.store.writing import Sink

if TYPE_CHECKING:
    from guard.store.store import Store

_TABLE = schema.feedback


class KeyUsedOtherwise(StoreError):
    """An idempotency key that came before, with other feedback."""


@dataclass(frozen=True, slots=True)
class NewFeedback:
    """What somebody says about an exchange.

    Attributes:
        kind: thumb, score, category, correction, preference, appeal, regenerate, edit or retry.
        source: Id of who says it: a key, a token's digest, an import.
        source_kind: application, client, implicit, import or reviewer.
        subject: Pseudonym of whose words it is about.
        choice: Index of the answer's choice that it is about.
        value: Of a thumb (-1 or 1) or a score.
        preferred: Index of the preferred choice, over those in `compared`.
        comment: In words; `correction` is what should have been said.
        details: Plain JSON values; never words of anybody.
        said: When it was said, in microseconds, as the sender has it.
        idempotency_key: Whatever the sender uses to tell a repetition.
    """

    exchange_id: str
    kind: str
    source: str = ""
    source_kind: str = "application"
    subject: str = ""
    choice: int | None = None
    value: float | None = None
    category: str = ""
    preferred: int | None = None
    compared: tuple[int, ...] = ()
    comment: str | None = None
    correction: str | None = None
    weight: float = 1.0
    status: str = "new"
    details: Mapping[str, Any] = field(default_factory=dict)
    said: int | None = None
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """That feedback is on the disk.

    Attributes:
        repeated: Whether it was there already.
    """

    id: str
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class StoredFeedback:
    """Feedback as the store has it; the words as in `NewFeedback`."""

    id: str
    tenant: str
    exchange_id: str
    subject: str
    source: str
    source_kind: str
    kind: str
    choice: int | None
    value: float | None
    category: str
    preferred: int | None
    compared: tuple[int, ...]
    comment: str | None
    correction: str | None
    weight: float
    status: str
    details: Mapping[str, Any]
    said: int | None
    created: int


class Feedback:
    """The feedback of a store. Every call names the tenant."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sink = _FeedbackSink(store.engine.dialect.name)

    async def add(self, tenant: str, given: NewFeedback) -> Receipt:
        """Add feedback, and return once it is on the disk.

        Raises:
            StoreError: Where `exchange_id` can be no exchange's.
            KeyUsedOtherwise: Where its idempotency key came before, from the same source, with other feedback.
            StoreUnavailable: Where the store does not answer; nothing is acknowledged then.
        """
        row, size = self._row(tenant, given)
        return await self._store.writer.write(self._sink, row, size)  # type: ignore[no-any-return]  # what the sink returns

    def add_sync(self, tenant: str, given: NewFeedback) -> Receipt:
        """Do the same as `add`, for callers without an event loop."""
        row, size = self._row(tenant, given)
        return self._store.writer.write_sync(self._sink, row, size)  # type: ignore[no-any-return]  # as above

    def find(self, tenant: str, feedback_id: str) -> StoredFeedback | None:
        """Return feedback; None where the tenant has none of this id."""
        if not is_id(feedback_id):
            return None
        with reading(self._store.engine) as connection:
            wanted = select(_TABLE).where(_TABLE.c.id == feedback_id, _TABLE.c.tenant == tenant)
            row = connection.execute(wanted).one_or_none()
        return self._stored(row) if row is not None else None

    def of_exchange(self, tenant: str, exchange_id: str) -> tuple[StoredFeedback, ...]:
        """Return what was said about one exchange, oldest first."""
        if not is_id(exchange_id):
            return ()
        wanted = select(_TABLE).where(_TABLE.c.tenant == tenant, _TABLE.c.exchange_id == exchange_id)
        with reading(self._store.engine) as connection:
            rows = connection.execute(wanted.order_by(_TABLE.c.created, _TABLE.c.id)).all()
        return tuple(map(self._stored, rows))

    def page(
        self, tenant: str, conditions: Sequence[ColumnElement[bool]] = (), *, after: str = "", limit: int = 50
    ) -> tuple[tuple[StoredFeedback, ...], str]:
        """Return the latest feedback that fulfils conditions on `schema.feedback`, and where the next page begins."""
        found = page(self._store.engine, _TABLE, tenant, conditions, after=after, limit=limit)
        return tuple(map(self._stored, found.rows)), found.after

    def every(self, tenant: str, conditions: Sequence[ColumnElement[bool]] = ()) -> Iterator[StoredFeedback]:
        """Yield all feedback that fulfils the conditions, oldest first, in bounded memory."""
        return map(self._stored, every(self._store.engine, _TABLE, tenant, conditions))

    def flagged_sources(self) -> Sequence[Row[Any, Any, Any, Any]]:
        """Return rows of the sources that stand out, of every tenant: tenant, source, kind and reason; the latest 10,000."""
        table = schema.sources
        columns = (table.c.tenant, table.c.source, table.c.kind, table.c.reason)
        wanted = select(*columns).where(table.c.flagged).order_by(table.c.changed.desc()).limit(10_000)
        with reading(self._store.engine) as connection:
            return connection.execute(wanted).all()

    def _row(self, tenant: str, given: NewFeedback) -> tuple[dict[str, Any], int]:
        if not is_id(given.exchange_id):
            raise StoreError("exchange_id: expected the id of an exchange (ex_…), got something else")
        said = asdict(given)
        key = said.pop("idempotency_key")
        words = {name: said.pop(name) for name in ("comment", "correction")}
        row = {
            **said,
            "tenant": tenant,
            "compared": list(given.compared),
            **{name: None if text is None else self._store.codec.seal(text) for name, text in words.items()},
            "id": self._repeatable_id(tenant, given.source, key) if key else new_id("fb"),
            "digest": self._digest(said, words) if key else "",
            "repeatable": bool(key),
            "created": now(),
        }
        return row, 500 + sum(len(text or "") for text in words.values())

    def _repeatable_id(self, tenant: str, source: str, key: str) -> str:
        return "fb_" + self._keyed([tenant, source, key])[:24]

    def _digest(self, said: Mapping[str, Any], words: Mapping[str, Any]) -> str:
        return self._keyed([{**said, "compared": list(said["compared"])}, words])

    def _keyed(self, value: Any) -> str:  # noqa: ANN401 - plain JSON values
        text = json.dumps(value, sort_keys=True).encode()
        return hmac.new(self._store.secret("feedback"), text, hashlib.sha256).hexdigest()

    def _stored(self, row: Row[Any]) -> StoredFeedback:
        kept = {each.name: getattr(row, each.name) for each in fields(StoredFeedback)}
        opened = {name: None if kept[name] is None else self._store.codec.open(kept[name]) for name in ("comment", "correction")}
        return StoredFeedback(**{**kept, **opened, "compared": tuple(kept["compared"])})


class _FeedbackSink(Sink[dict[str, Any]]):
    def __init__(self, dialect: str) -> None:
        self._insert = insert_new(_TABLE, dialect)

    def write(self, connection: Connection, payloads: Sequence[dict[str, Any]]) -> Sequence[Receipt | StoreError]:
        first: dict[str, dict[str, Any]] = {}
        for row in payloads:
            first.setdefault(row["id"], row)
        keyed = [row["id"] for row in first.values() if row["repeatable"]]
        before = digests(connection, keyed)
        connection.execute(self._insert, list(first.values()))
        after = digests(connection, keyed) if len(before) < len(keyed) else before
        return [self._receipt(row, before, after, first) for row in payloads]

    def _receipt(
        self, row: dict[str, Any], before: Mapping[str, str], after: Mapping[str, str], first: Mapping[str, Any]
    ) -> Receipt | StoreError:
        key = row["id"]
        if row["repeatable"] and after[key] != row["digest"]:
            return KeyUsedOtherwise("this idempotency key was used for other feedback; use a new one for each")
        return Receipt(key, repeated=key in before or first[key] is not row)


def digests(connection: Connection, ids: Sequence[str]) -> dict[str, str]:
    """Return what was asked with these ids, as digests, of those that are there."""
    found: dict[str, str] = {}
    for start in range(0, len(ids), 500):
        wanted = select(_TABLE.c.id, _TABLE.c.digest).where(_TABLE.c.id.in_(ids[start : start + 500]))
        found |= {row.id: row.digest for row in connection.execute(wanted)}
    return found
