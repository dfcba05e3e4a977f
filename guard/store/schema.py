"""The tables of the store: one place that knows every column.

Times are UTC in microseconds since 1970, as integers. Ids are random. Every row that belongs to somebody has `tenant`. Columns of
the type `Sealed` hold text of users or models, always through `guard.store.sealing`; no other column does. Nothing is a foreign
key: rows are written in batches and in any order (feedback may come before its exchange), and erasure goes by `exchange_id` and
`subject`, which are keyed digests (`Store.pseudonym`), never a name.

A change of a table needs a migration in `guard/store/migrations/versions`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    TypeDecorator,
    text,
)


class Sealed(TypeDecorator[bytes]):
    """Text of a user or a model as `Codec.seal` wrote it; `None` where there is none."""

    impl = LargeBinary
    cache_ok = True


class Json(TypeDecorator[Any]):
    """Plain JSON values as a text in ASCII, which every database takes, whatever characters are in it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ANN401
        """Write the value."""
        return None if value is None else json.dumps(value, separators=(",", ":"), sort_keys=True)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ANN401
        """Read the value."""
        return None if value is None else json.loads(value)


metadata = MetaData()


def _id(name: str = "id") -> Column[Any]:
    return Column(name, Text, primary_key=True)


def _word(name: str, default: str = "") -> Column[Any]:
    return Column(name, Text, nullable=False, server_default=default)


def _time(name: str, *, optional: bool = False) -> Column[Any]:
    return Column(name, BigInteger, nullable=optional)


def _json(name: str, default: str = "{}") -> Column[Any]:
    return Column(name, Json, nullable=False, server_default=default)


def _tenant() -> Column[Any]:
    return Column("tenant", Text, nullable=False)


def _where_set(column: str) -> dict[str, Any]:
    condition = text(f"{column} <> ''")
    return {"sqlite_where": condition, "postgresql_where": condition}


meta = Table("meta", metadata, _id("name"), Column("value", Text, nullable=False))
"""What is true of the store as a whole: its id, when it was made, and what tells whether the right key opens it."""

secrets = Table("secrets", metadata, _id("name"), Column("value", Sealed, nullable=False), _time("created"))
"""Random keys of the store's own (`Store.secret`): of pseudonyms, of feedback tokens."""

exchanges = Table(
    "exchanges",
    metadata,
    _id(),
    _tenant(),
    _word("subject"),  # keyed digest
    _word("conversation"),  # keyed digest
    _word("key"),  # id of the caller's key
    _word("method"),
    _word("route"),
    _word("model"),
    _word("policy"),  # digest of the policy in force
    Column("action", SmallInteger, nullable=False),  # the strictest of both stages, as `guard.values.Action` counts
    Column("input", Json),  # the stage's decision as `Decision.as_dict` says it, without findings; null where none was made
    Column("output", Json),
    _word("stored", "none"),  # how texts were kept: none, redacted or full
    Column("streamed", Boolean, nullable=False, server_default=text("false")),
    Column("status", Integer, nullable=False, server_default="0"),  # of HTTP; 0 where unknown
    Column("turn", Integer, nullable=False, server_default="0"),  # which user turn of its conversation; 0 where unknown
    Column("judging", BigInteger, nullable=False, server_default="0"),  # microseconds spent on judging
    Column("duration", BigInteger, nullable=False, server_default="0"),  # microseconds in all
    _word("writer"),  # the writer that wrote it
    _json("details"),  # what later versions want to keep; never text of users or models
    _time("created"),
    Index("exchanges_by_time", "tenant", "created", "id"),
    Index("exchanges_by_subject", "tenant", "subject", "created", **_where_set("subject")),
    Index("exchanges_by_conversation", "tenant", "conversation", "created", **_where_set("conversation")),
    Index("exchanges_by_age", "created"),
)

texts = Table(
    "texts",
    metadata,
    _id("exchange_id"),
    _id("stage"),
    _tenant(),
    _word("form"),  # redacted, full, or withheld where it could not be redacted for certain
    Column("body", Sealed),  # a JSON list of `guard.ports.KeptText` as mappings
    Column("truncated", Boolean, nullable=False, server_default=text("false")),
    _time("created"),
    Index("texts_by_age", "created"),
)

findings = Table(
    "findings",
    metadata,
    _id("exchange_id"),
    _id("stage"),
    Column("position", Integer, primary_key=True, autoincrement=False),
    _tenant(),
    _word("detector"),
    _word("category"),
    Column("score", Float, nullable=False),
    Column("span_start", BigInteger),
    Column("span_end", BigInteger),
    _word("pointer"),
    Column("choice", Integer),
    _word("role"),
    _word("turn"),
    _time("created"),
    Index("findings_by_category", "tenant", "category", "created"),
)

fired = Table(
    "fired",
    metadata,
    _id("exchange_id"),
    _id("stage"),
    _id("rule"),
    _tenant(),
    _time("created"),
    Index("fired_by_rule", "tenant", "rule", "created"),
)
"""Which rules fired in which exchange."""

feedback = Table(
    "feedback",
    metadata,
    _id(),
    _tenant(),
    _word("exchange_id"),
    _word("subject"),  # keyed digest of whose words it is about
    _word("source"),  # id of who said it: a key, a token's digest, an import
    _word("source_kind"),  # application, client, implicit, import or reviewer
    _word("kind"),  # thumb, score, category, correction, preference, appeal, regenerate, edit, retry
    Column("choice", Integer),  # index of the answer's choice that it is about
    Column("value", Float),  # of a thumb (-1 or 1) or a score
    _word("category"),
    Column("preferred", Integer),  # index of the preferred choice
    _json("compared", "[]"),  # indices of the choices that it was preferred over
    Column("comment", Sealed),
    Column("correction", Sealed),  # what should have been said
    Column("weight", Float, nullable=False, server_default="1"),
    _word("status", "new"),  # new, accepted, rejected or flagged
    _word("digest"),  # of what was asked, so that a repeated idempotency key with another content is told
    Column("repeatable", Boolean, nullable=False, server_default=text("false")),  # whether its id comes from an idempotency key
    _json("details"),  # never text of users or models
    _time("said", optional=True),  # when the sender says that it was said
    _time("created"),  # when it came, by our clock
    Index("feedback_by_time", "tenant", "created", "id"),
    Index("feedback_by_exchange", "tenant", "exchange_id"),
    Index("feedback_by_source", "tenant", "source", "created"),
    Index("feedback_by_subject", "tenant", "subject", **_where_set("subject")),
)

sources = Table(
    "sources",
    metadata,
    _id("tenant"),
    _id("source"),
    _word("kind"),
    Column("weight", Float, nullable=False, server_default="1"),
    Column("flagged", Boolean, nullable=False, server_default=text("false")),
    _word("reason"),
    _json("details"),
    _time("created"),
    _time("changed"),
)
"""How far who gives feedback is trusted."""

labels = Table(
    "labels",
    metadata,
    _id(),
    _tenant(),
    _word("exchange_id"),
    _word("feedback_id"),  # the appeal that it answers
    _word("subject"),
    _word("stage"),
    Column("choice", Integer),
    _word("reviewer"),  # id of the key, or of the import
    _word("verdict"),  # violates, allowed or unsure
    _word("category"),
    _word("rule"),
    _word("principle"),
    Column("action", SmallInteger),  # what should have happened
    Column("severity", Float),
    Column("confidence", Float),
    Column("span_start", BigInteger),
    Column("span_end", BigInteger),
    Column("note", Sealed),
    _word("guideline"),  # version of the reviewers' instructions
    Column("final", Boolean, nullable=False, server_default=text("false")),  # whether it settles a disagreement
    Column("weight", Float, nullable=False, server_default="1"),
    _word("replaced_by"),  # id of the label that corrects this one
    _json("details"),
    _time("created"),
    Index("labels_by_time", "tenant", "created", "id"),
    Index("labels_by_exchange", "tenant", "exchange_id"),
    Index("labels_by_reviewer", "tenant", "reviewer", "created"),
    Index("labels_by_subject", "tenant", "subject", **_where_set("subject")),
)

pairs = Table(
    "pairs",
    metadata,
    _id(),
    _tenant(),
    _word("exchange_id"),
    _word("conversation"),
    _word("subject"),
    Column("prompt", Sealed, nullable=False),  # a JSON list of messages
    Column("chosen", Sealed, nullable=False),
    Column("rejected", Sealed, nullable=False),
    Column("margin", Float),
    _word("source"),
    _word("source_kind"),
    _word("category"),
    _word("principle"),
    _word("policy"),
    _word("import_id"),
    _word("licence"),
    Column("agreement", Float),
    Column("weight", Float, nullable=False, server_default="1"),
    _word("status", "new"),
    _word("digest"),  # keyed, of the content; equal pairs are kept once
    Column("redacted", Boolean, nullable=False, server_default=text("false")),
    _json("details"),
    _time("created"),
    Index("pairs_by_time", "tenant", "created", "id"),
    Index("pairs_once", "tenant", "digest", unique=True),
    Index("pairs_by_exchange", "tenant", "exchange_id", **_where_set("exchange_id")),
    Index("pairs_by_subject", "tenant", "subject", **_where_set("subject")),
)

imports = Table(
    "imports",
    metadata,
    _id(),
    _tenant(),
    _word("format"),
    _word("digest"),  # SHA-256 of the file
    _word("licence"),
    _word("actor"),
    Column("taken", BigInteger, nullable=False, server_default="0"),
    Column("refused", BigInteger, nullable=False, server_default="0"),
    Column("done", BigInteger, nullable=False, server_default="0"),  # records read so far, so that it can go on
    _json("details"),
    _time("created"),
    _time("ended", optional=True),
    Index("imports_by_digest", "tenant", "digest"),
)
"""Files whose feedback, labels or pairs were taken in."""

keys = Table(
    "keys",
    metadata,
    _id(),
    _tenant(),
    _word("name"),
    _word("hash"),  # of the secret part; the secret itself is nowhere
    _json("roles", "[]"),
    _json("scopes", "[]"),
    _json("attributes"),
    _json("limits"),
    _word("created_by"),
    _word("revoked_by"),
    _time("created"),
    _time("expires", optional=True),
    _time("revoked", optional=True),
    _time("used", optional=True),
    Index("keys_by_tenant", "tenant", "created"),
)

counts = Table(
    "counts",
    metadata,
    _id("kind"),
    _id("tenant"),
    _id("name"),
    Column("since", BigInteger, primary_key=True, autoincrement=False),
    Column("value", BigInteger, nullable=False, server_default="0"),
    Index("counts_by_age", "since"),
)
"""Numbers that several processes share: uses in a window of time, failed attempts, exchanges seen by a shadow policy."""

audit = Table(
    "audit",
    metadata,
    _id("writer"),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False),
    _tenant(),
    _word("event"),  # such as decision, policy.changed, key.created, export, label.changed, gap
    _word("actor"),  # id of a key, or of what acted by itself
    _word("object"),  # random id of what it is about
    _json("details"),  # never text of users or models, never a subject
    _word("previous"),  # hash of the row before it in the chain
    _word("hash"),
    _time("created"),
    Index("audit_once", "id", unique=True),
    Index("audit_by_time", "tenant", "created", "id"),
    Index("audit_by_object", "tenant", "object"),
)

audit_heads = Table(
    "audit_heads",
    metadata,
    _id(),
    _word("writer"),  # who signed
    Column("sequence", BigInteger, nullable=False),  # its own position
    _word("hash"),
    _json("heads"),  # position and hash of every chain that it saw
    _word("signature"),
    _time("created"),
    Index("audit_heads_by_writer", "writer", "sequence"),
)

policy_versions = Table(
    "policy_versions",
    metadata,
    _id("tenant"),
    _id("digest"),
    _word("name"),
    Column("source", Text, nullable=False),  # the resolved policy, canonical JSON
    _json("detectors"),  # their versions
    _time("created"),
)

policy_changes = Table(
    "policy_changes",
    metadata,
    _id(),
    _tenant(),
    _word("digest"),
    _word("previous"),
    _word("kind"),  # in-force, shadow, canary, dropped
    _word("actor"),
    _word("reason"),
    _json("details"),
    _time("created"),
    Index("policy_changes_by_time", "tenant", "created"),
)

differences = Table(
    "differences",
    metadata,
    _id("exchange_id"),
    _id("stage"),
    _id("shadow"),  # digest of the policy that ran beside the one in force
    _tenant(),
    _word("policy"),
    Column("action", SmallInteger, nullable=False),
    Column("shadow_action", SmallInteger, nullable=False),
    _json("rules", "[]"),
    _json("shadow_rules", "[]"),
    _json("details"),
    _time("created"),
    Index("differences_by_shadow", "tenant", "shadow", "created"),
)
"""Where a shadow policy would have decided otherwise."""

erasures = Table(
    "erasures",
    metadata,
    _id(),
    _tenant(),
    _word("subject"),  # keyed digest, so that what comes late, or from an older backup, can be erased too
    _word("actor"),
    _json("removed"),  # rows by table
    _time("created"),
    Index("erasures_by_subject", "tenant", "subject"),
)

webhooks = Table(
    "webhooks",
    metadata,
    _id(),
    _tenant(),
    _word("url"),
    _json("events", "[]"),
    Column("secret", Sealed),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    _json("details"),
    _time("created"),
    Index("webhooks_by_tenant", "tenant"),
)

deliveries = Table(
    "deliveries",
    metadata,
    _id(),
    _tenant(),
    _word("webhook"),
    _word("event"),
    _word("object"),
    _json("body"),  # ids and categories only
    Column("attempts", Integer, nullable=False, server_default="0"),
    _time("due", optional=True),  # null once delivered or given up
    _time("delivered", optional=True),
    _time("created"),
    Index("deliveries_by_due", "due"),
    Index("deliveries_by_object", "tenant", "object"),
)

writers = Table(
    "writers",
    metadata,
    _id(),
    _word("place"),  # machine and process namespace
    Column("process", BigInteger, nullable=False),
    _word("process_started"),  # tells a process from a later one of the same number
    Column("accepted", BigInteger, nullable=False, server_default="0"),  # rows taken into its queue, as of `seen`
    Column("written", BigInteger, nullable=False, server_default="0"),  # rows committed
    _word("version"),
    _time("created"),
    _time("seen"),
    _time("ended", optional=True),  # null while it runs, and for ever after a crash that nobody has noticed
)
"""Processes that write: what shows, after a crash, that something may be missing."""

gaps = Table(
    "gaps",
    metadata,
    _id(),
    _word("writer"),
    _word("kind"),  # crash, or shed where rows were dropped because the queue was full
    Column("lost", BigInteger, nullable=False),  # rows known to be missing
    Column("complete", Boolean, nullable=False),  # whether that is all, or there may be more
    _time("since"),
    _time("until"),
    _time("created"),
    Index("gaps_by_time", "created"),
)
"""Times of which the store is not complete."""


def sealed_columns() -> Iterator[tuple[Table, tuple[Column[Any], ...]]]:
    """Yield every table that holds text of users or models, with the columns that do."""
    for table in metadata.sorted_tables:
        columns = tuple(column for column in table.columns if isinstance(column.type, Sealed))
        if columns:
            yield table, columns
