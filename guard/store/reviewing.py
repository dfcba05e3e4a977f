"""What a reviewer does with feedback: accepts or rejects it, and says what the texts are that it is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from guard.errors import StoreError
from guard.store import schema
from guard.store.audit import operator
from guard.store.audit_events import Event, Note, note_of, shaped
from guard.store.connecting import reading, writing
from guard.store.identity import is_id, new_id, now
from guard.store.outbox import Happening, enqueue

if TYPE_CHECKING:
    from sqlalchemy import Row

    from guard.store.store import Store

STATUSES = ("new", "accepted", "rejected", "flagged")


@dataclass(frozen=True, slots=True)
class Review:
    """What a reviewer says.

    Attributes:
        status: What becomes of the feedback; empty to leave it.
        category: What its texts are, or are not; empty for no label.
        violates: Whether they are.
        stage: input or output; empty for the answer where there is one.
        note: Why, in words.
        final: Whether it settles what reviewers disagree about.
        reviewer: Id of who says it.
    """

    reviewer: str
    status: str = ""
    category: str = ""
    violates: bool = True
    stage: str = ""
    choice: int | None = None
    note: str = ""
    final: bool = False


def review(store: Store, tenant: str, target: str, said: Review) -> dict[str, Any]:
    """Write a review, all of it or nothing; returns what was written.

    Args:
        target: Id of feedback (fb_…) or of an exchange (ex_…), which has no status.

    Raises:
        StoreError: Where there is no such thing, or the review says nothing.
    """
    if not said.status and not said.category:
        raise StoreError("expected --status, or --category with --value, got nothing to write")
    if said.status and said.status not in STATUSES:
        raise StoreError(f"--status: expected one of {', '.join(STATUSES)}, got {said.status[:40]!r}")
    about = _find(store, tenant, target)
    is_feedback = target.startswith("fb_")
    if said.status and not is_feedback:
        raise StoreError("--status: expected the id of feedback (fb_…), got an exchange; an exchange has labels only")
    label = _label(store, tenant, about, said, is_feedback=is_feedback) if said.category else None
    notes = _notes(tenant, about, said, label)
    store.audit.prepare()
    with writing(store.engine) as connection:
        if said.status:
            mine = (schema.feedback.c.id == target, schema.feedback.c.tenant == tenant)
            if connection.execute(update(schema.feedback).where(*mine).values(status=said.status)).rowcount != 1:
                raise StoreError("the feedback is gone")
        if label is not None:
            connection.execute(insert(schema.labels), label)
            enqueue(connection, [_told(label)])
        store.audit.append_elsewhere(connection, notes)
    shown = {name: label[name] for name in ("id", "verdict", "category", "stage", "choice")} if label else None
    return {"id": target, "status": said.status or None, "label": shown, "reviewer": said.reviewer}


def labels_of(store: Store, tenant: str, exchange_id: str) -> list[dict[str, Any]]:
    """Return the labels of an exchange, oldest first, as plain values with their notes."""
    table = schema.labels
    wanted = select(table).where(table.c.tenant == tenant, table.c.exchange_id == exchange_id)
    with reading(store.engine) as connection:
        rows = connection.execute(wanted.order_by(table.c.created, table.c.id)).all()
    names = ("id", "feedback_id", "reviewer", "verdict", "category", "stage", "choice", "final", "replaced_by", "created")
    return [
        {**{name: getattr(row, name) for name in names}, "note": store.codec.open(row.note) if row.note is not None else None}
        for row in rows
    ]


def _find(store: Store, tenant: str, target: str) -> Row[Any]:
    table = schema.feedback if target.startswith("fb_") else schema.exchanges
    row = None
    if is_id(target):
        with reading(store.engine) as connection:
            row = connection.execute(select(table).where(table.c.id == target, table.c.tenant == tenant)).one_or_none()
    if row is None:
        raise StoreError(
            "expected the id of feedback (fb_…) or of an exchange (ex_…) of this tenant, got something that is none; "
            "`guard feedback list` shows them"
        )
    return row


def _label(store: Store, tenant: str, about: Row[Any], said: Review, *, is_feedback: bool) -> dict[str, Any]:
    if said.stage not in ("", "input", "output"):
        raise StoreError(f"--stage: expected input or output, got {said.stage[:40]!r}")
    return {
        "id": new_id("lb"),
        "tenant": tenant,
        "exchange_id": about.exchange_id if is_feedback else about.id,
        "feedback_id": about.id if is_feedback else "",
        "subject": about.subject,
        "stage": said.stage,
        "choice": about.choice if is_feedback and said.choice is None else said.choice,
        "reviewer": said.reviewer,
        "verdict": "violates" if said.violates else "allowed",
        "category": said.category,
        "note": store.codec.seal(said.note) if said.note else None,
        "final": said.final,
        "created": now(),
    }


def _told(label: dict[str, Any]) -> Happening:
    """Return what webhooks are told of a label."""
    names = {"exchange": "exchange_id", "feedback": "feedback_id", "verdict": "verdict", "category": "category", "stage": "stage"}
    body = {name: label[column] for name, column in names.items() if label[column]}
    return Happening(label["tenant"], "label", label["id"], {**body, "choice": label["choice"], "final": label["final"]})


def _notes(tenant: str, about: Row[Any], said: Review, label: dict[str, Any] | None) -> list[Note]:
    """Return what the audit says of a review."""
    by = {"by": said.reviewer or operator(), "tenant": shaped(tenant)}
    notes: list[Note] = []
    if said.status:
        fields = {"exchange": about.exchange_id, "status": said.status, "kind": about.kind}
        notes.append(note_of(Event.FEEDBACK_CHANGED, about=about.id, **by, **fields))
    if label is not None:
        fields = {"exchange": label["exchange_id"], "verdict": label["verdict"], "category": label["category"]}
        notes.append(note_of(Event.LABEL_CHANGED, about=label["id"], **by, **fields))
    return notes
