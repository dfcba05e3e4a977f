"""`guard audit …`: look whether the record of who did what is whole, and take signed heads to be kept elsewhere."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from guard.cli.storing import JsonOption, StoreOption, opened_store
from guard.errors import StoreError

EXIT_TAMPERED = 1
audit_app = typer.Typer(help="Look whether the record of who did what is whole.", no_args_is_help=True)


@audit_app.command()
def verify(
    head: Annotated[
        Path | None, typer.Option("--head", metavar="FILE", help="What `guard audit head` printed, from where it was kept.")
    ] = None,
    since: Annotated[
        str,
        typer.Option(
            "--since", metavar="TIME", help="Only entries from then on: an age such as 7d, or a date such as 2026-01-31."
        ),
    ] = "",
    store: StoreOption = "default",
    json_output: JsonOption = False,
) -> None:
    """Find what was changed, taken away or put in; exit status 1 where there is something, 2 where the audit cannot be read."""
    from guard.store.audit_exporting import read_heads
    from guard.store.audit_verifying import verify as look

    begin = moment(since) if since else None
    with opened_store(store) as opened:
        exported = read_heads(head, opened.id, opened.audit.keys) if head is not None else None
        report = look(opened, exported=exported, since=begin)
    if json_output:
        said = {"chains": report.chains, "entries": report.entries, "faults": [asdict(fault) for fault in report.faults]}
        print(json.dumps({**said, "count": report.count}))
    else:
        for line in report.lines():
            print(line)
        found = f"{report.count:,} wrong" if report.count else "nothing wrong"
        print(f"{report.entries:,} entries in {_chains(report.chains)}: {found}")
    raise typer.Exit(EXIT_TAMPERED if report.count else 0)


@audit_app.command()
def head(store: StoreOption = "default", json_output: JsonOption = False) -> None:
    """Print where every chain ends, signed: keep it elsewhere, and `guard audit verify --head` shows what is gone since."""
    from guard.store.audit_events import Event
    from guard.store.audit_exporting import export_heads

    with opened_store(store) as opened:
        opened.audit.note_command(Event.EXPORT, what="heads")  # what was committed before it is on the disk then
        heads = export_heads(opened)
    print(heads.as_json() if json_output else heads.as_text())


@audit_app.command()
def adopt(store: StoreOption = "default") -> None:
    """Once TENET_AUDIT_KEY is in use: vouch for what was signed with the store's own key until now."""
    from guard.store.audit_adopting import adopt as take_over

    with opened_store(store) as opened:
        count = take_over(opened)
    print(f"the key vouches for {_chains(count)} of before")


def _chains(count: int) -> str:
    return f"{count:,} chain{'' if count == 1 else 's'}"


def moment(text: str) -> int:
    """Return a time, given as an age such as `7d` or as ISO 8601 has it (UTC where it does not say), in microseconds.

    Raises:
        StoreError: For anything else.
    """
    from guard.store.identity import now
    from guard.store.pruning import age

    if re.fullmatch(r"[1-9][0-9]{0,5}[hdw]", text.strip()):
        return now() - age(text)
    try:
        found = datetime.fromisoformat(text.strip())
        return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1_000_000)
    except (ValueError, OverflowError):
        raise StoreError(f"--since: expected an age such as 7d, or a date such as 2026-01-31, got {text[:40]!r}") from None
