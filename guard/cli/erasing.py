"""`guard store erase` and `guard store subject`: have somebody's records removed, and hand them out."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from guard.cli.feedback import ByOption, TenantOption
from guard.cli.storing import JsonOption, StoreOption, opened_store
from guard.errors import StoreError

if TYPE_CHECKING:
    from guard.store.belonging import Whose
    from guard.store.store import Store

_SUBJECT = (
    "What the application calls the person, as in the request's `user` or the trusted header; - to read it from standard input."
)


def erase(
    subject: Annotated[str, typer.Option("--subject", metavar="VALUE", help=_SUBJECT)] = "",
    conversation: Annotated[
        str, typer.Option("--conversation", metavar="VALUE", help="What the application calls the conversation; - as above.")
    ] = "",
    exchange: Annotated[str, typer.Option("--exchange", metavar="ID", help="One exchange (ex_…).")] = "",
    tenant: TenantOption = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    by: ByOption = "",
    store: StoreOption = "default",
    json_output: JsonOption = False,
) -> None:
    """Erase a person, a conversation or an exchange: from every table, and from what is exported or backed up later."""
    from guard.store.audit import operator
    from guard.store.erasing import count
    from guard.store.erasing import erase as remove

    kind, value = _asked(subject=subject, conversation=conversation, exchange=exchange)
    _check_names(tenant, by)
    with opened_store(store) as opened:
        meant = _whose(opened, tenant, kind, value)
        found = count(opened.engine, meant)
        if dry_run:
            _print("", found, "would be erased", json_output=json_output)
            return
        _confirm(sum(found.values()), yes=yes, ask=not json_output)
        erased = remove(opened, meant, actor=by or operator())
    _print(erased.id, erased.rows, "erased", json_output=json_output)
    if not sum(erased.rows.values()) and not erased.repeated:
        print("nothing was found; is it this --tenant, and spelled as the application does?", file=sys.stderr)


def subject(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A folder that is not there yet.")],
    subject: Annotated[str, typer.Option("--subject", metavar="VALUE", help=_SUBJECT)],
    tenant: TenantOption = "",
    by: ByOption = "",
    store: StoreOption = "default",
    json_output: JsonOption = False,
) -> None:
    """Write everything that is kept about a person into a folder, texts opened."""
    from guard.store.person import write_person

    kind, value = _asked(subject=subject)
    _check_names(tenant, by)
    with opened_store(store) as opened:
        meant = _whose(opened, tenant, kind, value)
        written = write_person(opened, tenant, meant.values[0], out, actor=by)
    _print("", written, f"written to {out}", json_output=json_output)


def _asked(**given: str) -> tuple[str, str]:
    said = [(kind, value) for kind, value in given.items() if value]
    if len(said) != 1:
        names = ", ".join(f"--{kind}" for kind in given)
        raise StoreError(f"expected exactly one of {names}, got {' and '.join(f'--{kind}' for kind, _ in said) or 'none'}")
    kind, value = said[0]
    if value == "-":
        value = _standard_input().rstrip("\r\n")
    if not value:
        raise StoreError(f"--{kind}: expected whose records are meant, got nothing")
    return kind, value


def _standard_input() -> str:
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        raise StoreError("standard input: expected UTF-8, got something else") from None


def _whose(store: Store, tenant: str, kind: str, value: str) -> Whose:
    from guard.store.belonging import Kind, Whose
    from guard.store.identity import is_id

    if kind != Kind.EXCHANGE:
        return Whose(tenant, Kind(kind), (store.pseudonym(kind, tenant, value),))
    if not is_id(value):
        raise StoreError("--exchange: expected the id of an exchange (ex_…), got something else")
    return Whose(tenant, Kind.EXCHANGE, (value,))


def _check_names(tenant: str, by: str) -> None:
    from guard.store.identity import is_id

    for name, value in (("--tenant", tenant), ("--by", by)):
        if value and not is_id(value):
            raise StoreError(f"{name}: expected a name of letters, digits and _.:- only, got something else")


def _confirm(rows: int, *, yes: bool, ask: bool) -> None:
    if yes:
        return
    if not ask or not sys.stdin.isatty():
        raise StoreError(f"{rows:,} rows would be erased for ever; say --yes to do so")
    typer.confirm(f"{rows:,} rows are to be erased for ever, also from servers that run. Go on?", abort=True, err=True)


def _print(number: str, rows: Mapping[str, int], what: str, *, json_output: bool) -> None:
    if json_output:
        print(json.dumps({**({"id": number} if number else {}), "rows": dict(sorted(rows.items()))}))
        return
    for name, count in sorted(rows.items()):
        if count:
            print(f"{name:16} {count:>10,}")
    print(f"{sum(rows.values()):,} rows {what}{f' ({number})' if number else ''}")
