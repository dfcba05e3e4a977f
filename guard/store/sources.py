"""How far sources of feedback are trusted: what reviewers see of it, and what they say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from guard.errors import StoreError
from guard.store import schema
from guard.store.audit import operator
from guard.store.audit_events import Event, note_of, shaped
from guard.store.connecting import reading, writing
from guard.store.identity import is_id, now

if TYPE_CHECKING:
    from guard.store.store import Store

_TABLE = schema.sources
_MOST = 1_000
HEAVIEST = 100.0


@dataclass(frozen=True, slots=True)
class Source:
    """A source of feedback.

    Attributes:
        source: Id of a key, or the name of an import.
        weight: What the weight of its feedback is multiplied with.
        reason: Why it is flagged, in a word; empty where it is not.
    """

    source: str
    kind: str
    weight: float
    flagged: bool
    reason: str
    changed: int


def sources(store: Store, tenant: str, *, flagged: bool = False) -> Sequence[Source]:
    """Return a tenant's sources, those that changed last first; at most 1,000.

    Args:
        flagged: Whether only those that stand out are wanted.
    """
    columns = (_TABLE.c[name] for name in ("source", "kind", "weight", "flagged", "reason", "changed"))
    wanted = select(*columns).where(_TABLE.c.tenant == tenant).order_by(_TABLE.c.changed.desc(), _TABLE.c.source).limit(_MOST)
    if flagged:
        wanted = wanted.where(_TABLE.c.flagged)
    with reading(store.engine) as connection:
        return [Source(*row) for row in connection.execute(wanted)]


def trust(
    store: Store, tenant: str, source: str, *, weight: float | None = None, flagged: bool | None = None, by: str = ""
) -> Source:
    """Say how far a source is trusted; None leaves what was said before. Its feedback keeps its status.

    Raises:
        StoreError: Where the tenant has no such source, or nothing is said.
    """
    if weight is None and flagged is None:
        raise StoreError("expected --weight, --flag or --clear, got nothing to write")
    if weight is not None and not (math.isfinite(weight) and 0 < weight <= HEAVIEST):
        raise StoreError(f"--weight: expected a number above 0, up to {HEAVIEST:g}, got {weight:g}")
    values: dict[str, Any] = {"changed": now()}
    if weight is not None:
        values["weight"] = weight
    if flagged is not None:
        values |= {"flagged": flagged, "reason": "reviewer" if flagged else ""}
    said = "flagged" if flagged else "weighed" if flagged is None else "cleared"
    store.audit.prepare()
    with writing(store.engine) as connection:
        mine = (_TABLE.c.tenant == tenant, _TABLE.c.source == source)
        if not is_id(source) or connection.execute(update(_TABLE).where(*mine).values(**values)).rowcount != 1:
            raise StoreError("expected a source of this tenant, got something else; `guard feedback sources` lists them")
        row = connection.execute(select(_TABLE).where(*mine)).one()
        note = note_of(
            Event.FEEDBACK_CHANGED, by=by or operator(), about=source, tenant=shaped(tenant), kind="source", status=said
        )
        store.audit.append_elsewhere(connection, [note])
    return Source(row.source, row.kind, row.weight, row.flagged, row.reason, row.changed)
