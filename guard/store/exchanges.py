"""Exchanges as the store has them, read by tenant."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, exists, select

from guard.ports import KeptText, KeptTexts
from guard.store.connecting import reading
from guard.store.identity import is_id
from guard.store.pages import every, page
from guard.store.schema import exchanges, findings, fired, texts
from guard.store.sealing import Codec
from guard.values import Action, Stage


@dataclass(frozen=True, slots=True)
class StoredExchange:
    """An exchange without its texts.

    Attributes:
        action: The strictest of its stages.
        decisions: By stage, as `Decision.as_dict` says them, with the number of findings in place of the findings.
        stored: How its texts were kept: none, redacted, full or withheld.
        judging: Microseconds spent on judging; 0 where unknown, as is `duration`.
        created: UTC in microseconds.
    """

    id: str
    tenant: str
    subject: str
    conversation: str
    key: str
    method: str
    route: str
    model: str
    policy: str
    action: Action
    decisions: Mapping[Stage, Mapping[str, Any]]
    stored: str
    streamed: bool
    status: int
    judging: int
    duration: int
    created: int


@dataclass(frozen=True, slots=True)
class ExchangePage:
    """Some exchanges, and where the next page begins; empty where there is none."""

    exchanges: tuple[StoredExchange, ...]
    after: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which exchanges are asked for; what is None or empty does not matter.

    Attributes:
        since: UTC in microseconds, itself included.
        until: UTC in microseconds, itself not included.
        rule: One that fired.
        category: One that was found.
        subject: A pseudonym, as is `conversation` (`Store.pseudonym`).
        at_least: The mildest action.
    """

    since: int | None = None
    until: int | None = None
    action: Action | None = None
    at_least: Action | None = None
    rule: str = ""
    category: str = ""
    subject: str = ""
    conversation: str = ""
    policy: str = ""
    model: str = ""
    key: str = ""

    def conditions(self) -> Sequence[ColumnElement[bool]]:
        """Return what has to hold of a row of `exchanges`."""
        row = exchanges.c
        found: list[ColumnElement[bool]] = []
        if self.since is not None:
            found.append(row.created >= self.since)
        if self.until is not None:
            found.append(row.created < self.until)
        if self.action is not None:
            found.append(row.action == int(self.action))
        if self.at_least is not None:
            found.append(row.action >= int(self.at_least))
        for name in ("subject", "conversation", "policy", "model", "key"):
            if getattr(self, name):
                found.append(row[name] == getattr(self, name))
        if self.rule:
            found.append(exists().where(*_same(fired), fired.c.rule == self.rule))
        if self.category:
            found.append(exists().where(*_same(findings), findings.c.category == self.category))
        return found


class Exchanges:
    """The exchanges of a store. Every question names the tenant, and what belongs to another is as if it were not there."""

    def __init__(self, engine: Engine, codec: Codec) -> None:
        self._engine = engine
        self._codec = codec

    def find(self, tenant: str, exchange_id: str) -> StoredExchange | None:
        """Return an exchange; None where the tenant has none of this id."""
        if not is_id(exchange_id):
            return None
        with reading(self._engine) as connection:
            row = _row(connection, tenant, exchange_id)
        return _exchange(row) if row is not None else None

    def decisions(self, tenant: str, exchange_id: str) -> dict[str, dict[str, Any]] | None:
        """Return the decisions of an exchange by stage, with their findings, as `Decision.as_dict` says them; None as `find`."""
        if not is_id(exchange_id):
            return None
        with reading(self._engine) as connection:
            row = _row(connection, tenant, exchange_id)
            if row is None:
                return None
            wanted = select(findings).where(findings.c.exchange_id == exchange_id, findings.c.tenant == tenant)
            found = connection.execute(wanted.order_by(findings.c.stage, findings.c.position)).all()
        return {
            stage: {**said, "findings": [_finding(each) for each in found if each.stage == stage]}
            for stage, said in (("input", row.input), ("output", row.output))
            if said is not None
        }

    def texts(self, tenant: str, exchange_id: str) -> dict[Stage, KeptTexts]:
        """Return what was kept of an exchange's texts, by stage.

        Raises:
            StoreError: Where they are encrypted with a key that is not given.
        """
        if not is_id(exchange_id):
            return {}
        wanted = select(texts).where(texts.c.exchange_id == exchange_id, texts.c.tenant == tenant)
        with reading(self._engine) as connection:
            rows = connection.execute(wanted).all()
        return {Stage(row.stage): self._kept(row) for row in rows}

    def page(self, tenant: str, wanted: Wanted | None = None, *, after: str = "", limit: int = 50) -> ExchangePage:
        """Return the latest exchanges that are wanted, and how to ask for the ones before; at most 1,000 at a time."""
        found = page(self._engine, exchanges, tenant, (wanted or Wanted()).conditions(), after=after, limit=limit)
        return ExchangePage(tuple(map(_exchange, found.rows)), found.after)

    def every(self, tenant: str, wanted: Wanted | None = None) -> Iterator[StoredExchange]:
        """Yield all exchanges that are wanted, oldest first, in bounded memory."""
        return map(_exchange, every(self._engine, exchanges, tenant, (wanted or Wanted()).conditions()))

    def tenants(self) -> tuple[str, ...]:
        """Return every tenant that has an exchange."""
        with reading(self._engine) as connection:
            return tuple(connection.execute(select(exchanges.c.tenant).distinct().order_by(exchanges.c.tenant)).scalars())

    def _kept(self, row: Row[Any]) -> KeptTexts:
        said = json.loads(self._codec.open(row.body)) if row.body is not None else []
        return KeptTexts(row.form, tuple(KeptText(**each) for each in said), row.truncated)


def _row(connection: Connection, tenant: str, exchange_id: str) -> Row[Any] | None:
    return connection.execute(select(exchanges).where(exchanges.c.id == exchange_id, exchanges.c.tenant == tenant)).one_or_none()


def _same(table: Any) -> tuple[ColumnElement[bool], ...]:  # noqa: ANN401 - a table
    return (table.c.exchange_id == exchanges.c.id, table.c.tenant == exchanges.c.tenant)


def _exchange(row: Row[Any]) -> StoredExchange:
    said = ((Stage.INPUT, row.input), (Stage.OUTPUT, row.output))
    kept = {name: getattr(row, name) for name in _COPIED}
    return StoredExchange(**kept, action=Action(row.action), decisions={stage: each for stage, each in said if each is not None})


_COPIED = (
    *("id", "tenant", "subject", "conversation", "key", "method", "route", "model", "policy"),
    *("stored", "streamed", "status", "judging", "duration", "created"),
)


def _finding(row: Row[Any]) -> dict[str, Any]:
    return {
        "detector": row.detector,
        "category": row.category,
        "score": round(row.score, 4),
        "span": [row.span_start, row.span_end] if row.span_start is not None else None,
        "pointer": row.pointer,
        "choice": row.choice,
        "role": row.role,
    }
