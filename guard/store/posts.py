"""What somebody says at once about an exchange: several rows of feedback, written together and acknowledged once.

The first row of a post has the id that its idempotency key leads to, and the digest of all that was asked: so a post that comes
again is told, with all of its rows, and the same key with another post is refused.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, case, select, update

from guard.errors import StoreError
from guard.store import schema
from guard.store.audit_events import Event, Note, note_of, shaped
from guard.store.feedback import KeyUsedOtherwise, digests
from guard.store.identity import new_id, now
from guard.store.outbox import Happening, enqueue
from guard.store.statements import insert_new, insert_or_change
from guard.store.writing import Sink

if TYPE_CHECKING:
    from guard.store.store import Store

_TABLE = schema.feedback
_STEP = 500
_ROW_SIZE = 500


class UnknownExchange(StoreError):
    """An exchange that the tenant does not have, or not yet."""


@dataclass(frozen=True, slots=True)
class Said:
    """One statement of a post; the words as in `guard.store.feedback.NewFeedback`."""

    kind: str
    value: float | None = None
    category: str = ""
    preferred: int | None = None
    compared: tuple[int, ...] = ()
    comment: str | None = None
    correction: str | None = None


@dataclass(frozen=True, slots=True)
class Opinion:
    """Who says it, and how far that counts.

    Attributes:
        source: Id of a key, or a token's digest.
        kind: application, client, implicit or reviewer.
        subject: Pseudonym of whom the exchange was for.
    """

    source: str
    kind: str
    subject: str = ""
    weight: float = 1.0
    status: str = "new"


@dataclass(frozen=True, slots=True)
class SourceNote:
    """What is written of a source beside its feedback.

    Attributes:
        source: Id of a key; empty where nothing of it is kept, as it would lead to a person.
        reason: Why it is flagged, in one word; empty where it is not. Its earlier feedback that nobody reviewed is flagged too.
    """

    source: str = ""
    subject: str = ""
    kind: str = ""
    reason: str = ""
    details: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class NewPost:
    """What somebody says at once.

    Attributes:
        must_exist: Whether the tenant has to have the exchange already.
        said: When, in microseconds, as the sender has it.
    """

    tenant: str
    exchange_id: str
    statements: tuple[Said, ...]
    by: Opinion
    choice: int | None = None
    said: int | None = None
    idempotency_key: str = ""
    must_exist: bool = False
    details: Mapping[str, Any] | None = None
    note: SourceNote | None = None


@dataclass(frozen=True, slots=True)
class PostReceipt:
    """That a post is on the disk.

    Attributes:
        ids: Of its rows of feedback, by kind.
        repeated: Whether it was there already.
    """

    ids: Mapping[str, str]
    repeated: bool = False

    @property
    def id(self) -> str:
        """The id of the first row."""
        return next(iter(self.ids.values()))


PostResult = PostReceipt | UnknownExchange | KeyUsedOtherwise


class Posts:
    """Takes posts into a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sink = _PostSink(store)
        self._secret = b""

    def prepare(self) -> None:
        """Have at hand what ids are made with. Blocks while it asks the store."""
        self._secret = self._store.secret("feedback")

    async def add(self, posts: Sequence[NewPost]) -> Sequence[PostResult]:
        """Write posts, and return what became of each, once they are on the disk.

        Raises:
            StoreUnavailable: Where the store does not answer; nothing is acknowledged then.
        """
        return await self._store.writer.write(self._sink, *self._payload(posts))  # type: ignore[no-any-return]  # the sink's

    def put(self, posts: Sequence[NewPost]) -> bool:
        """Have posts written some time soon; never waits. Returns whether they were taken."""
        return self._store.writer.put(self._sink, *self._payload(posts))

    def _payload(self, posts: Sequence[NewPost]) -> tuple[list[_Post], int]:
        made = [_Post(post, self._rows(post)) for post in posts]
        return made, sum(_size(post) for post in posts)

    def _rows(self, post: NewPost) -> list[dict[str, Any]]:
        seal, key = self._store.codec.seal, post.idempotency_key
        common = {
            "tenant": post.tenant,
            "exchange_id": post.exchange_id,
            "subject": post.by.subject,
            "source": post.by.source,
            "source_kind": post.by.kind,
            "choice": post.choice,
            "weight": post.by.weight,
            "status": post.by.status,
            "digest": self._digest(post) if key else "",
            "repeatable": bool(key),
            "details": post.details or {},
            "said": post.said,
            "created": now(),
        }
        return [
            {
                **common,
                "id": self._repeatable_id(post, index) if key else new_id("fb"),
                "kind": said.kind,
                "value": said.value,
                "category": said.category,
                "preferred": said.preferred,
                "compared": said.compared,
                "comment": None if said.comment is None else seal(said.comment),
                "correction": None if said.correction is None else seal(said.correction),
            }
            for index, said in enumerate(post.statements)
        ]

    def _repeatable_id(self, post: NewPost, index: int) -> str:
        name = [post.tenant, post.by.source, post.idempotency_key, *([index] if index else [])]
        return "fb_" + self._keyed(name)[:24]

    def _digest(self, post: NewPost) -> str:
        return self._keyed([post.exchange_id, post.choice, post.said, post.statements])

    def _keyed(self, value: Any) -> str:  # noqa: ANN401 - whatever msgspec writes
        return hmac.digest(self._secret or self._store.secret("feedback"), msgspec.json.encode(value), "sha256").hex()


@dataclass(slots=True, eq=False)
class _Post:
    asked: NewPost
    rows: list[dict[str, Any]]

    @property
    def first(self) -> dict[str, Any]:
        return self.rows[0]

    @property
    def ids(self) -> dict[str, str]:
        return {row["kind"]: row["id"] for row in self.rows}


class _PostSink(Sink[list[_Post]]):
    def __init__(self, store: Store) -> None:
        dialect = store.engine.dialect.name
        self._insert = insert_new(_TABLE, dialect)
        self._source = insert_or_change(schema.sources, dialect, _changed_source)
        self._audit = store.audit

    def write(self, connection: Connection, payloads: Sequence[list[_Post]]) -> Sequence[list[PostResult]]:
        posts = [post for payload in payloads for post in payload]
        known = _known_exchanges(connection, posts)
        admitted = [post for post in posts if _exchange_of(post) in known or not post.asked.must_exist]
        first: dict[str, _Post] = {}
        for post in admitted:
            first.setdefault(post.first["id"], post)
        keyed = [name for name, post in first.items() if post.first["repeatable"]]
        before = digests(connection, keyed)
        if first:
            connection.execute(
                self._insert, [first[name].first for name in sorted(first)]
            )  # in one order, so that none waits for another
        after = digests(connection, keyed) if len(before) < len(keyed) else before
        written = [post for name, post in first.items() if after.get(name, "") == post.first["digest"]]
        self._write_rest(connection, written)
        taken = set(map(id, admitted))
        results: dict[int, PostResult] = {
            id(post): _result(post, before, after, first) if id(post) in taken else UnknownExchange(_UNKNOWN) for post in posts
        }
        return [[results[id(post)] for post in payload] for payload in payloads]

    def _write_rest(self, connection: Connection, written: Sequence[_Post]) -> None:
        if rest := [row for post in written for row in post.rows[1:]]:
            connection.execute(self._insert, rest)
        enqueue(connection, [_appeal(row) for post in written for row in post.rows if row["kind"] == "appeal"])
        noted = [(post.asked.tenant, post.asked.note) for post in written if post.asked.note is not None]
        for tenant, note in sorted(noted, key=lambda each: (each[0], each[1].source)):
            self._write_note(connection, tenant, note)

    def _write_note(self, connection: Connection, tenant: str, note: SourceNote) -> None:
        at = now()
        if note.source:
            said = {"kind": note.kind, "reason": note.reason, "flagged": bool(note.reason), "details": note.details or {}}
            connection.execute(self._source, {"tenant": tenant, "source": note.source, **said, "created": at, "changed": at})
        if note.reason:
            whose = _TABLE.c.source == note.source if note.source else _TABLE.c.subject == note.subject
            if note.source or note.subject:
                mine = (_TABLE.c.tenant == tenant, whose, _TABLE.c.status == "new", _TABLE.c.source_kind == note.kind)
                connection.execute(update(_TABLE).where(*mine).values(status="flagged"))
            self._audit.append(connection, [_flagged(tenant, note.source)])


_UNKNOWN = "there is no such exchange; one that was answered a moment ago by another process is known with its own token"


def _flagged(tenant: str, source: str) -> Note:
    """Return what the audit says of a source that is flagged, and its feedback with it."""
    about = shaped(source)
    return note_of(Event.FEEDBACK_CHANGED, by="server", about=about, tenant=shaped(tenant), kind="source", status="flagged")


def _changed_source(new: Any) -> dict[str, Any]:  # noqa: ANN401 - the row to be inserted, as columns
    """Return what changes of a source that is known: its weight is the reviewers', and so is what they flagged."""
    old = schema.sources.c
    return {
        "flagged": old.flagged | new.flagged,
        "reason": case((new.reason != "", new.reason), else_=old.reason),
        "details": new.details,
        "changed": new.changed,
    }


def _result(
    post: _Post, before: Mapping[str, str], after: Mapping[str, str], first: Mapping[str, _Post]
) -> PostReceipt | KeyUsedOtherwise:
    name = post.first["id"]
    if post.first["repeatable"] and after[name] != post.first["digest"]:
        return KeyUsedOtherwise("this idempotency key was used for other feedback; use a new one for each")
    return PostReceipt(post.ids, repeated=name in before or first[name] is not post)


def _exchange_of(post: _Post) -> tuple[str, str]:
    return post.asked.tenant, post.asked.exchange_id


def _known_exchanges(connection: Connection, posts: Sequence[_Post]) -> set[tuple[str, str]]:
    """Return those of the exchanges that have to be there and are, by tenant."""
    return set(_looked_up(connection, list({post.asked.exchange_id for post in posts if post.asked.must_exist})))


def _looked_up(connection: Connection, ids: Sequence[str]) -> Iterator[tuple[str, str]]:
    table = schema.exchanges
    for start in range(0, len(ids), _STEP):
        wanted = select(table.c.tenant, table.c.id).where(table.c.id.in_(ids[start : start + _STEP]))
        yield from ((row.tenant, row.id) for row in connection.execute(wanted))


def _appeal(row: Mapping[str, Any]) -> Happening:
    body = {"exchange": row["exchange_id"], "feedback": row["id"], "category": row["category"], "choice": row["choice"]}
    return Happening(row["tenant"], "appeal", row["id"], body)


def _size(post: NewPost) -> int:
    return sum(_ROW_SIZE + len(said.comment or "") + len(said.correction or "") for said in post.statements)
