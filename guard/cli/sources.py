"""`guard feedback sources` and `guard feedback trust`: who gives feedback, and how far that counts."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from guard.cli.feedback import ByOption, TenantOption, actor_of, opened_for
from guard.cli.storing import JsonOption, StoreOption
from guard.errors import StoreError

if TYPE_CHECKING:
    from guard.store.sources import Source


def sources(
    flagged: Annotated[bool, typer.Option("--flagged", help="Only those that stand out.")] = False,
    tenant: TenantOption = "",
    store: StoreOption = "default",
    json_output: JsonOption = False,
) -> None:
    """List the keys and imports that feedback came from, and how far they are trusted."""
    from guard.store import sources as stored

    with opened_for(store, tenant) as opened:
        found = stored.sources(opened, tenant, flagged=flagged)
    if json_output:
        print(json.dumps({"sources": [_described(each) for each in found]}))
        return
    for each in found:
        print(_line(each))


def trust(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="As `guard feedback sources` lists it.")],
    weight: Annotated[float | None, typer.Option("--weight", help="What its feedback's weight is multiplied with.")] = None,
    flag: Annotated[bool, typer.Option("--flag", help="It stands out: its feedback is left out of exports.")] = False,
    clear: Annotated[bool, typer.Option("--clear", help="It does not stand out.")] = False,
    by: ByOption = "",
    tenant: TenantOption = "",
    store: StoreOption = "default",
    json_output: JsonOption = False,
) -> None:
    """Say how far a source is trusted. Servers notice within a minute."""
    from guard.store import sources as stored

    if flag and clear:
        raise StoreError("expected one of --flag and --clear, got both")
    with opened_for(store, tenant) as opened:
        flagged = flag if flag or clear else None
        found = stored.trust(opened, tenant, source, weight=weight, flagged=flagged, by=actor_of(by))
    print(json.dumps(_described(found)) if json_output else _line(found))


def _line(source: Source) -> str:
    state = f"flagged: {source.reason or 'a reviewer said so'}" if source.flagged else "not flagged"
    return f"{source.source}  {source.kind or '-'}  weight {source.weight:g}, {state}"


def _described(source: Source) -> dict[str, Any]:
    return {**asdict(source), "changed": datetime.fromtimestamp(source.changed / 1_000_000, UTC).isoformat(timespec="seconds")}
