"""What came of shadow policies: how often both decided alike, as counts that processes share, and a row for each difference.

Counts are by day, tenant and pair of digests, and belong to nobody. Rows belong to their exchange, and go when it goes.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, func, select

from guard.store import schema
from guard.store.connecting import reading
from guard.store.identity import now
from guard.store.statements import insert_new, insert_or_change
from guard.store.writing import Sink
from guard.trials.counting import Tally, tallied
from guard.trials.differing import Compared
from guard.values import Action, Stage

if TYPE_CHECKING:
    from guard.store.store import Store

_KIND = "shadow"
_DAY = 86_400 * 1_000_000
_COUNTS, _ROWS = schema.counts, schema.differences


class _Counter(NamedTuple):
    """A counter: whose, of which day, of which two policies, of what (`guard.trials.counting`)."""

    tenant: str
    since: int
    policy: str
    shadow: str
    what: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A stage of an exchange on which two policies decided otherwise.

    Attributes:
        details: The categories of both, as lists.
    """

    exchange: str
    stage: Stage
    tenant: str
    policy: str
    action: Action
    shadow_action: Action
    rules: tuple[str, ...]
    shadow_rules: tuple[str, ...]
    details: Mapping[str, Any]
    created: int


class Differences:
    """The differences of a store. A `guard.trials.trials.Witness`."""

    def __init__(self, store: Store) -> None:
        """Take an open store; what is shed is written at its signs of life."""
        self._store = store
        self._sink = _Sink(store.engine.dialect.name)
        self._lock = threading.Lock()
        self._shed: Counter[_Counter] = Counter()
        store.writer.each_beat.append(self._write_shed)
        store.before_close.append(self._write_shed)

    def compared(self, compared: Compared) -> None:
        """Count what two policies decided, and keep a row where they differ. Never waits.

        Where the writer has much to do, it is counted as shed: exchanges need the room.
        """
        if self._crowded():
            self.shed(compared.tenant, compared.base.policy, compared.shadow.policy, compared.stage)
            return
        ids = (compared.tenant, compared.at // _DAY * _DAY, compared.base.policy, compared.shadow.policy)
        counted = Counter(_Counter(*ids, what) for what in compared.counted())
        self._store.writer.put(self._sink, _Told(counted, _row(compared) if compared.differs else None))

    def shed(self, tenant: str, policy: str, shadow: str, stage: Stage) -> None:
        """Count what was too much to be judged in the shadow. Never waits."""
        with self._lock:
            self._shed[_Counter(tenant, now() // _DAY * _DAY, policy, shadow, f"{stage.value}:shed")] += 1

    def counted(self, shadow: str, tenant: str | None = None, since: int = 0) -> dict[str, dict[Stage, Tally]]:
        """Return what was counted of a shadow, by the digest of the policy that was in force and by stage.

        Args:
            shadow: Its digest.
            tenant: Whose exchanges; None for everybody's.
            since: UTC in microseconds; the whole day counts.
        """
        wanted = (
            select(_COUNTS.c.name, func.sum(_COUNTS.c.value))
            .where(
                _COUNTS.c.kind == _KIND,
                _COUNTS.c.name.startswith(f"{shadow}:", autoescape=True),
                _COUNTS.c.since >= since // _DAY * _DAY,
            )
            .group_by(_COUNTS.c.name)
            .order_by(_COUNTS.c.name)
        )
        if tenant is not None:
            wanted = wanted.where(_COUNTS.c.tenant == tenant)
        with reading(self._store.engine) as connection:
            rows = [(name.split(":", 2), int(value)) for name, value in connection.execute(wanted)]
        policies = dict.fromkeys(policy for (_, policy, _), _ in rows)
        return {known: tallied((what, value) for (_, policy, what), value in rows if policy == known) for known in policies}

    def latest(self, shadow: str, tenant: str | None = None, limit: int = 20, since: int = 0) -> tuple[Difference, ...]:
        """Return the latest differences, newest first; `tenant` and `since` as for `counted`."""
        wanted = select(_ROWS).where(_ROWS.c.shadow == shadow, _ROWS.c.created >= since)
        if tenant is not None:
            wanted = wanted.where(_ROWS.c.tenant == tenant)
        wanted = wanted.order_by(_ROWS.c.created.desc(), _ROWS.c.exchange_id, _ROWS.c.stage).limit(limit)
        with reading(self._store.engine) as connection:
            return tuple(_difference(row) for row in connection.execute(wanted).mappings())

    def _crowded(self) -> bool:
        writer = self._store.writer
        return writer.failing is not None or writer.counters.waiting >= writer.limits.rows // 2

    def _write_shed(self) -> None:
        if self._crowded():
            return
        with self._lock:
            shed, self._shed = self._shed, Counter()
        if shed:
            self._store.writer.put(self._sink, _Told(shed))


@dataclass(frozen=True, slots=True)
class _Told:
    """What is to be counted, and the row of a difference."""

    counted: Counter[_Counter]
    row: Mapping[str, Any] | None = None


class _Sink(Sink[_Told]):
    """Writes both; a commit whose answer is lost, and that is done again, counts twice."""

    def __init__(self, dialect: str) -> None:
        self._rows = insert_new(_ROWS, dialect)
        self._counts = insert_or_change(_COUNTS, dialect, lambda new: {"value": _COUNTS.c.value + new.value})

    def write(self, connection: Connection, payloads: Sequence[_Told]) -> Sequence[None]:
        rows = [each.row for each in payloads if each.row is not None]
        if rows:
            connection.execute(self._rows, rows)
        total: Counter[_Counter] = Counter()
        for each in payloads:
            total.update(each.counted)
        counts = [
            {
                "kind": _KIND,
                "tenant": counter.tenant,
                "name": f"{counter.shadow}:{counter.policy}:{counter.what}",
                "since": counter.since,
                "value": value,
            }
            for counter, value in sorted(total.items())  # in one order, so that no two processes wait for each other
        ]
        connection.execute(self._counts, counts)
        return [None] * len(payloads)


def _row(compared: Compared) -> dict[str, Any]:
    base, shadow = compared.base, compared.shadow
    return {
        "exchange_id": compared.exchange,
        "stage": compared.stage.value,
        "shadow": shadow.policy,
        "tenant": compared.tenant,
        "policy": base.policy,
        "action": int(base.action),
        "shadow_action": int(shadow.action),
        "rules": list(base.rules),
        "shadow_rules": list(shadow.rules),
        "details": {"categories": list(base.categories), "shadow_categories": list(shadow.categories)},
        "created": compared.at,
    }


def _difference(row: Mapping[Any, Any]) -> Difference:
    return Difference(
        row["exchange_id"],
        Stage(row["stage"]),
        row["tenant"],
        row["policy"],
        Action(row["action"]),
        Action(row["shadow_action"]),
        tuple(row["rules"]),
        tuple(row["shadow_rules"]),
        row["details"],
        row["created"],
    )
