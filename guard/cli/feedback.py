"""`guard feedback …`: read what people said, review it, bring it in from files, and make training data of it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from guard import categories
from guard.cli.storing import JsonOption, StoreOption
from guard.errors import StoreError

if TYPE_CHECKING:
    from guard.store.feedback import StoredFeedback
    from guard.store.store import Store

feedback_app = typer.Typer(help="Read and review feedback, import it, and make training data of it.", no_args_is_help=True)

TenantOption = Annotated[str, typer.Option("--tenant", metavar="NAME", help="Whose it is; empty where there is only one.")]
SinceOption = Annotated[str, typer.Option("--since", metavar="WHEN", help="Such as 2026-01-31, 2026-01-31T12:00Z, or 30d ago.")]
UntilOption = Annotated[str, typer.Option("--until", metavar="WHEN", help="As --since; itself not included.")]
ByOption = Annotated[
    str, typer.Option("--by", metavar="ID", help="Who does it, for the audit; who runs the command, if not said.")
]
_COLUMNS = ("id", "created", "kind", "status", "value", "category", "weight", "source", "exchange")
_UNITS = {"h": 3_600, "d": 86_400, "w": 7 * 86_400}


@feedback_app.command("list")
def list_feedback(
    kind: Annotated[str, typer.Option("--kind", metavar="KIND", help="thumb, score, category, correction, appeal …")] = "",
    status: Annotated[str, typer.Option("--status", metavar="STATUS", help="new, accepted, rejected or flagged.")] = "",
    category: Annotated[str, typer.Option("--category", metavar="CATEGORY", help="Which it is about.")] = "",
    since: SinceOption = "",
    until: UntilOption = "",
    tenant: TenantOption = "",
    limit: Annotated[int, typer.Option("--limit", help="How many.", min=1, max=1_000)] = 50,
    after: Annotated[str, typer.Option("--after", metavar="MARK", help="Go on where an earlier list ended.")] = "",
    store: StoreOption = "default",
    json_output: JsonOption = False,
) -> None:
    """List feedback, the latest first, without its words."""
    from guard.store import schema
    from guard.store.reviewing import STATUSES

    if status and status not in STATUSES:
        raise StoreError(f"--status: expected one of {', '.join(STATUSES)}, got {status[:40]!r}")
    wanted = {"kind": kind, "status": status, "category": category}
    conditions = [schema.feedback.c[name] == value for name, value in wanted.items() if value]
    if since:
        conditions.append(schema.feedback.c.created >= moment(since, "--since"))
    if until:
        conditions.append(schema.feedback.c.created < moment(until, "--until"))
    with opened_for(store, tenant) as opened:
        found, more = opened.feedback.page(tenant, conditions, after=after, limit=limit)
    if json_output:
        print(json.dumps({"feedback": [_described(each) for each in found], "after": more}))
        return
    _print_table([_described(each) for each in found])
    if more:
        print(f"… more: --after {more}", file=sys.stderr)


@feedback_app.command()
def show(
    feedback_id: Annotated[str, typer.Argument(metavar="ID", help="Of feedback (fb_…).")],
    tenant: TenantOption = "",
    store: StoreOption = "default",
    json_output: JsonOption = False,
) -> None:
    """Show one piece of feedback: its words, the texts it is about as they are kept, and their labels."""
    from guard.store.reviewing import labels_of

    with opened_for(store, tenant) as opened:
        found = opened.feedback.find(tenant, feedback_id)
        if found is None:
            raise StoreError("expected the id of feedback (fb_…) of this tenant, got something that is none")
        texts = opened.exchanges.texts(tenant, found.exchange_id)
        labels = labels_of(opened, tenant, found.exchange_id)
    said = [
        {"stage": stage.value, "role": text.role, "choice": text.choice, "text": text.text}
        for stage, kept in sorted(texts.items())
        for text in kept.texts
    ]
    described = {**_described(found), "comment": found.comment, "correction": found.correction, "choice": found.choice}
    preferred = {"preferred": found.preferred, "compared": list(found.compared), "details": dict(found.details)}
    whole = {**described, **preferred, "texts": said, "labels": [{**each, "created": _time(each["created"])} for each in labels]}
    print(json.dumps(whole, indent=None if json_output else 2, ensure_ascii=json_output).translate(_CONTROLS))


@feedback_app.command()
def label(
    target: Annotated[str, typer.Argument(metavar="ID", help="Of feedback (fb_…) or of an exchange (ex_…).")],
    status: Annotated[str, typer.Option("--status", metavar="STATUS", help="What becomes of it: accepted or rejected.")] = "",
    category: Annotated[str, typer.Option("--category", metavar="CATEGORY", help="What the texts are, or are not.")] = "",
    value: Annotated[int, typer.Option("--value", help="1 where they are of the category, 0 where not.", min=0, max=1)] = 1,
    stage: Annotated[str, typer.Option("--stage", metavar="STAGE", help="input or output; the answer, where there is one.")] = "",
    choice: Annotated[int | None, typer.Option("--choice", help="Which answer, from 0.", min=0)] = None,
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="Why.")] = "",
    final: Annotated[bool, typer.Option("--final", help="It settles what others disagree about.")] = False,
    by: ByOption = "",
    tenant: TenantOption = "",
    store: StoreOption = "default",
    json_output: JsonOption = False,
) -> None:
    """Accept or reject feedback, and label the texts that it is about."""
    from guard.store.reviewing import Review, review

    _check_category(category)
    with opened_for(store, tenant) as opened:
        said = Review(actor_of(by), status, category, bool(value), stage, choice, note, final)
        written = review(opened, tenant, target, said)
    if json_output:
        print(json.dumps(written))
        return
    made = written["label"]
    print(", ".join([target, *([status] if status else []), *([f"{made['verdict']} {category} ({made['id']})"] if made else [])]))


@feedback_app.command("import")
def import_feedback(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON lines or a JSON array (also .gz), CSV or Parquet.")],
    kind: Annotated[
        str,
        typer.Option("--format", metavar="FORMAT", help="auto, jsonl, csv, parquet, argilla, label-studio or hh-rlhf."),
    ] = "auto",
    licence: Annotated[str, typer.Option("--licence", metavar="NAME", help="Of records that state none, such as MIT.")] = "",
    redact: Annotated[bool, typer.Option("--redact", help="Take out secrets and personal data before it is kept.")] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out records that cannot be taken; else nothing is.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only read the file, and count.")] = False,
    by: ByOption = "",
    tenant: TenantOption = "",
    store: StoreOption = "default",
    json_output: JsonOption = False,
) -> None:
    """Take feedback, labels and pairs from a file; run again after a stop, it goes on; the same file is there once.

    Exit status 1 if records were left out.
    """
    from guard.store.importing.importing import Asked, import_file

    if len(licence) > 128:
        raise StoreError("--licence: expected a name of at most 128 characters, got a longer one")
    asked = Asked(file, kind, tenant, licence, redact, skip_bad, dry_run, actor_of(by))
    with opened_for(store, tenant, create=not dry_run) as opened:
        found = import_file(opened, asked, _progress)
    if json_output:
        print(json.dumps(found.as_dict()))
    else:
        _print_import(found.as_dict(), found.digest)
    raise typer.Exit(1 if found.refused else 0)


@feedback_app.command()
def export(
    kind: Annotated[str, typer.Option("--format", metavar="FORMAT", help="pairs, sft, binary, scalar or moderation.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder to make.")],
    since: SinceOption = "",
    until: UntilOption = "",
    min_weight: Annotated[float, typer.Option("--min-weight", help="How much has to stand behind a record.", min=0)] = 0.0,
    personal_data: Annotated[
        str, typer.Option("--personal-data", metavar="WHAT", help="redact, or keep for texts as the store has them.")
    ] = "redact",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")] = False,
    by: ByOption = "",
    tenant: TenantOption = "",
    store: StoreOption = "default",
    json_output: JsonOption = False,
) -> None:
    """Make training data of feedback: train, validation and held-out sets with a data card."""
    from guard.store.exporting.asked import Asked
    from guard.store.exporting.exporting import check
    from guard.store.exporting.exporting import export as write

    if personal_data not in ("redact", "keep"):
        raise StoreError(f"--personal-data: expected redact or keep, got {personal_data[:40]!r}")
    times = (moment(text, name) if text else None for text, name in ((since, "--since"), (until, "--until")))
    first, last = times
    asked = Asked(kind, out, tenant, first, last, min_weight, personal_data == "keep", overwrite, actor_of(by))
    check(asked)
    with opened_for(store, tenant) as opened:
        card = write(opened, asked)
    if json_output:
        print(json.dumps(card))
        return
    sets = ", ".join(f"{name} {count:,}" for name, count in card["splits"].items())
    print(f"{card['records']:,} records in {out}: {sets}")
    for each in card["left_out"]:
        print(f"left out: {each['count']:,} × {each['reason']}: {each['meaning']}")


def moment(text: str, option: str) -> int:
    """Return a time, UTC in microseconds: a date, a date with a time, or an age such as 30d.

    Raises:
        StoreError: For anything else.
    """
    from guard.store.identity import now

    age = re.fullmatch(r"([0-9]{1,6})([hdw])(?: ago)?", text.strip())
    if age is not None:
        return now() - int(age[1]) * _UNITS[age[2]] * 1_000_000
    try:
        found = datetime.fromisoformat(text.strip())
        return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()) * 1_000_000
    except (ValueError, OverflowError):
        raise StoreError(
            f"{option}: expected a date (2026-01-31), a time (2026-01-31T12:00Z) or an age (30d), got {text[:40]!r}"
        ) from None


@contextmanager
def opened_for(url: str, tenant: str, *, create: bool = False) -> Iterator[Store]:
    """Give the store at `url`, for a tenant that can be one, and close it afterwards. Raises StoreError."""
    from guard.store import open_store
    from guard.store.identity import is_id

    if tenant and not is_id(tenant):
        raise StoreError("--tenant: expected a name of letters, digits and _.:- only, got something else")
    opened = open_store(url, create=create)
    try:
        yield opened
    finally:
        opened.close()


def actor_of(by: str) -> str:
    """Return who does something, for the audit: whoever runs the command, where nobody is named. Raises StoreError."""
    from guard.store.audit import operator
    from guard.store.identity import is_id

    if by and not is_id(by):
        raise StoreError("--by: expected a name of letters, digits and _.:- only, got something else")
    return by or operator()


def _check_category(name: str) -> None:
    if not name or (categories.is_known(name) and "*" not in name) or name == "any":
        return
    if re.fullmatch(r"[a-z0-9-]+/[a-z0-9-]+", name) and categories.nearest(name) is None:
        return
    nearest = categories.nearest(name)
    hint = f"; did you mean {nearest!r}?" if nearest else ""
    raise StoreError(f"--category: expected the name of a category, got {name[:64]!r}{hint}")


_CONTROLS = dict.fromkeys((*range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)), "\ufffd")
"""What could take over a terminal, or turn its text around; JSON has the others escaped already."""


def _described(each: StoredFeedback) -> dict[str, Any]:
    return {
        "id": each.id,
        "created": _time(each.created),
        "kind": each.kind,
        "status": each.status,
        "value": each.value,
        "category": each.category,
        "weight": each.weight,
        "source": f"{each.source_kind}:{each.source}" if each.source else each.source_kind,
        "exchange": each.exchange_id,
    }


def _time(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC).isoformat(timespec="seconds")


def _print_table(found: list[dict[str, Any]]) -> None:
    rows = [["-" if each[column] in (None, "") else str(each[column]) for column in _COLUMNS] for each in found]
    widths = [max(len(row[at]) for row in [list(_COLUMNS), *rows]) for at in range(len(_COLUMNS))]
    for row in [list(_COLUMNS), *rows]:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        print("".join(letter if letter.isprintable() else "\ufffd" for letter in line))


def _print_import(found: dict[str, Any], digest: str) -> None:
    said = {
        "imported": "imported",
        "resumed": "imported the rest of",
        "repeated": "was imported before; nothing was done:",
        "counted": "would import",
    }[found["state"]]
    print(f"{said} {found['taken']:,} records ({found['format']}, {found['import']}, SHA-256 {digest[:16]}…)")
    for table, count in found["rows"].items():
        print(f"  {table}: {count:,}")
    for name, count in found["unknown_fields"].items():
        shown = "".join(letter if letter.isprintable() else "\ufffd" for letter in name[:40])
        print(f"not read: the field {shown!r} of {count:,} records", file=sys.stderr)
    for problem in found["problems"]:
        print(problem, file=sys.stderr)
    if found["refused"]:
        print(f"left out: {found['refused']:,} records", file=sys.stderr)


def _progress(done: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done:,} records", end="", file=sys.stderr, flush=True)
