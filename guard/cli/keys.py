"""`guard keys …`: make, list and revoke the keys of who calls a server, and of who looks after it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from guard.cli.storing import JsonOption, StoreOption
from guard.errors import StoreError
from guard.roles import ADMIN, CALLER, ROLES

if TYPE_CHECKING:
    from guard.store.keys import StoredKey
    from guard.store.store import Store

keys_app = typer.Typer(help="Make, list and revoke keys of a server that keeps a store.", no_args_is_help=True)

_UNITS = {"h": 3_600, "d": 86_400, "w": 7 * 86_400}
_COLUMNS = ("id", "tenant", "roles", "state", "created", "expires", "used", "name")


@keys_app.command()
def create(
    role: Annotated[
        list[str] | None,
        typer.Option(
            "--role",
            metavar="ROLE",
            help=f"{', '.join(ROLES)}; may be repeated. Where not said: {ADMIN} for the first key of a store, else {CALLER}.",
        ),
    ] = None,
    tenant: Annotated[
        str, typer.Option("--tenant", metavar="NAME", help="Whose key it is; nobody in particular, where not said.")
    ] = "",
    expires: Annotated[str, typer.Option("--expires", metavar="AGE", help="Such as 90d, 12h or 8w; never, where not said.")] = "",
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What you call it.")] = "",
    store: StoreOption = "default",
    json_output: JsonOption = False,
) -> None:
    """Make a key, and print it: the only time that it is shown."""
    from guard.store.audit import operator
    from guard.store.identity import now

    until = now() + lifetime(expires) if expires else None
    with _opened(store, create=True) as opened:
        roles = role or ([CALLER] if opened.keys.exist() else [ADMIN])
        made = opened.keys.create(tenant, roles, name=name, expires=until, created_by=operator())
    if json_output:
        print(json.dumps({"key": made.text, **_described(made.key)}))
        return
    print(made.text)
    said = _described(made.key)
    print(
        f"{said['id']}: {', '.join(said['roles'])}{f' of {tenant}' if tenant else ''}, expires {said['expires'] or 'never'}. "
        "Keep the key: it is not shown again.",
        file=sys.stderr,
    )


@keys_app.command("list")
def list_keys(
    tenant: Annotated[str | None, typer.Option("--tenant", metavar="NAME", help="Only this one's keys.")] = None,
    store: StoreOption = "default",
    json_output: JsonOption = False,
) -> None:
    """List the keys, good or not, without what is secret of them."""
    with _opened(store) as opened:
        tenants = opened.keys.tenants() if tenant is None else (tenant,)
        found = [_described(key) for each in tenants for key in opened.keys.of(each)]
    if json_output:
        print(json.dumps(found))
        return
    _print_table(found)


@keys_app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its id (gk_…), as `guard keys list` shows it.")],
    store: StoreOption = "default",
    json_output: JsonOption = False,
) -> None:
    """Revoke a key, for ever; running servers refuse it within two seconds."""
    from guard.store.audit import operator
    from guard.store.key_text import parse_key

    parsed = parse_key(key)
    key_id = parsed.id if parsed else key
    with _opened(store) as opened:
        found = opened.keys.read([key_id]).get(key_id)
        if found is None:
            raise StoreError("expected the id of a key (gk_…), got something that is none; `guard keys list` shows them")
        changed = opened.keys.revoke(found.tenant, found.id, revoked_by=operator())
    if json_output:
        print(json.dumps({"id": found.id, "revoked": True, "changed": changed}))
        return
    print(f"{found.id} is revoked" if changed else f"{found.id} was revoked already")


def lifetime(text: str) -> int:
    """Return how long a key is good, such as `90d`, in microseconds.

    Raises:
        StoreError: For anything but a number of hours, days or weeks.
    """
    found = re.fullmatch(r"([0-9]{1,5})([hdw])", text.strip())
    if found is None or int(found[1]) == 0:
        raise StoreError(f"--expires: expected a number of hours, days or weeks, such as 90d, got {text[:40]!r}")
    return int(found[1]) * _UNITS[found[2]] * 1_000_000


@contextmanager
def _opened(url: str, *, create: bool = False) -> Iterator[Store]:
    from guard.store import open_store

    opened = open_store(url, create=create)
    try:
        yield opened
    finally:
        opened.close()


def _described(key: StoredKey) -> dict[str, Any]:
    times = {name: _written(getattr(key, name)) for name in ("created", "expires", "revoked", "used")}
    return {
        "id": key.id,
        "tenant": key.tenant,
        "name": key.name,
        "roles": list(key.roles),
        "state": key.state().value,
        "created_by": key.created_by,
        **times,
    }


def _written(microseconds: int | None) -> str | None:
    if microseconds is None:
        return None
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC).isoformat(timespec="seconds")


def _print_table(found: list[dict[str, Any]]) -> None:
    rows = [[_cell(key[column]) for column in _COLUMNS] for key in found]
    widths = [max(len(row[index]) for row in [list(_COLUMNS), *rows]) for index in range(len(_COLUMNS))]
    for row in [list(_COLUMNS), *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:  # noqa: ANN401 - plain JSON values
    return ",".join(value) if isinstance(value, list) else str(value or "-")
