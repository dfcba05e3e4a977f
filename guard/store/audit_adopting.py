"""Take over what was signed with the store's own key, once a key from outside is in use."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from sqlalchemy import select

from guard.errors import StoreError
from guard.store.audit_chain import head_values
from guard.store.audit_events import Event
from guard.store.audit_keys import AUDIT_KEY_VARIABLE
from guard.store.audit_verifying import verify
from guard.store.connecting import reading
from guard.store.schema import audit_heads

if TYPE_CHECKING:
    from guard.store.store import Store

_STEP = 200


def adopt(store: Store) -> int:
    """Vouch, with the key from outside, for the chains that the store's own key signed; returns how many.

    Raises:
        StoreError: Where there is no key from outside, or something else is wrong with the audit than that nobody vouches for it.
    """
    keys = store.audit.keys
    if keys.own is None:
        raise StoreError(f"{AUDIT_KEY_VARIABLE}: expected a key to vouch with, got nothing")
    wrong = [fault for fault in verify(store).faults if fault.kind != "unvouched"]
    if wrong:
        raise StoreError(f"nothing is taken over: {wrong[0]}; `guard audit verify` says more")
    heads: dict[str, tuple[int, str]] = {}
    with reading(store.engine) as connection:
        for row in connection.execute(select(audit_heads).where(audit_heads.c.id.like("head:%"))):
            if keys.own.signs(row.signature, "head", head_values(row._asdict())):
                heads[row.writer] = (row.sequence, row.hash)
    left = iter(sorted(heads.items()))
    while step := dict(islice(left, _STEP)):
        store.audit.note_command(Event.ADOPTED, heads=step)
    return len(heads)
