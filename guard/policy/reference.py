"""The reference of the language in Markdown: a table of the keys of each record, as the page on policies ends with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from guard.policy import schema
from guard.policy.shapes import Record


class Section(NamedTuple):
    """A record under a heading; `note` stands before its table."""

    heading: str
    record: Record
    note: str = ""


SECTIONS = (
    Section("The file", schema.POLICY),
    Section("`include`", schema.INCLUDE, "[packs.md](packs.md) says more."),
    Section("`parameters`", schema.PARAMETER, "Each under its name."),
    Section("A principle", schema.PRINCIPLE),
    Section("A detector", schema.DETECTOR),
    Section(
        "How a detector is run",
        schema.RUNTIME,
        "Under a detector's `runtime`; where a key is absent, the detector's own value or the usual one holds.",
    ),
    Section("A rule", schema.RULE),
    Section(
        "`any`, `all`, `not`", schema.CLAUSE, "A clause has `detect` and `category`, or one of `any`, `all`, `not` and `sum`."
    ),
    Section("`sum`", schema.SUM),
    Section("`sum.of`", schema.SUMMAND),
    Section("`count`", schema.COUNT),
    Section("`schedule`", schema.SCHEDULE),
    Section("`redact`", schema.REDACT),
    Section("`revise`", schema.REVISE, "[revise.md](revise.md) says more."),
    Section("`redact.params`", schema.REDACT_PARAMS, "Of the operators of Presidio's anonymizer ([presidio.md](presidio.md))."),
    Section("`defaults`", schema.DEFAULTS),
    Section("`routes`", schema.ROUTES),
    Section("`routes.mapped`", schema.MAPPED),
    Section("`limits`", schema.LIMITS),
    Section("`store`", schema.STORE, "`store: none` is short for `store: {text: none}`; [store.md](store.md) says more."),
)
"""Every record of the language, in the order of the page."""


def reference() -> str:
    """Return the tables, each under a heading of the third level."""
    return "\n\n".join("\n".join(_section(section)) for section in SECTIONS) + "\n"


def _section(section: Section) -> Iterator[str]:
    yield f"### {section.heading}\n"
    if section.note:
        yield f"{section.note}\n"
    yield "| key | what stands there | what it means |"
    yield "| :-- | :-- | :-- |"
    for key, field in section.record.fields.items():
        yield f"| `{key}`{' (required)' if field.required else ''} | {field.shape.expected} | {field.summary} |"
