"""Keys of API callers and of the people who look after a server: only a keyed hash of each is kept."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import BindParameter, Connection, Row, bindparam, exists, insert, or_, select, update

from guard.errors import StoreError
from guard.roles import ADMIN, ROLES
from guard.store import schema
from guard.store.audit_events import Event, note_of
from guard.store.connecting import reading, writing
from guard.store.identity import is_id, now
from guard.store.key_text import KeyText, new_key_text
from guard.store.statements import insert_new
from guard.store.writing import Sink

if TYPE_CHECKING:
    from guard.store.store import Store

_TABLE = schema.keys
_STEP = 500
_TENANT = re.compile(r"[A-Za-z0-9_.:-]{0,64}")
_NAME_LENGTH = 100
_NO_HASH = "0" * 64


class KeyState(StrEnum):
    """Whether a key is good, and why not."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as the store has it. Times are UTC in microseconds; None where it never expires, is not revoked, was not used.

    Attributes:
        hash: Keyed, of the whole key; `Keys.matches` compares it.
        created_by: Id of the key that made it, or the command.
    """

    id: str
    tenant: str
    name: str
    roles: tuple[str, ...]
    hash: str
    created_by: str
    created: int
    expires: int | None
    revoked: int | None
    used: int | None

    def state(self, at: int | None = None) -> KeyState:
        """Return whether it is good, at a time or now."""
        if self.revoked is not None:
            return KeyState.REVOKED
        expired = self.expires is not None and (now() if at is None else at) >= self.expires
        return KeyState.EXPIRED if expired else KeyState.ACTIVE


class NewKey(NamedTuple):
    """A key that was just made, and the only sight of its text."""

    key: StoredKey
    text: str


class Keys:
    """The keys of a store. What belongs to somebody is asked for by tenant; a key itself tells whose it is."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sink = _UseSink(store)

    def create(
        self, tenant: str, roles: Iterable[str], *, name: str = "", expires: int | None = None, created_by: str = ""
    ) -> NewKey:
        """Make a key.

        Args:
            tenant: At most 64 letters, digits, and `_ . : -`.
            roles: At least one of `guard.roles.ROLES`.
            name: What people call it.
            expires: UTC in microseconds.

        Raises:
            StoreError: Where one of them is not as it should be.
        """
        made = self._made(tenant, roles, name, expires, created_by)
        self._store.audit.prepare()
        with writing(self._store.engine) as connection:
            self._insert(connection, made.key)
        return made

    def create_first(self) -> NewKey | None:
        """Make a key of an admin, if there never was a key; of several processes that try, one gets it."""
        made = self._made("", [ADMIN], "first", None, "serve")
        self._store.audit.prepare()
        claim = insert_new(schema.meta, self._store.engine.dialect.name)
        with writing(self._store.engine) as connection:
            if connection.execute(select(exists(select(_TABLE.c.id)))).scalar_one():
                return None
            connection.execute(claim, {"name": "first_key", "value": made.key.id})
            claimed = connection.execute(select(schema.meta.c.value).where(schema.meta.c.name == "first_key")).scalar_one()
            if claimed != made.key.id:
                return None
            self._insert(connection, made.key)
        return made

    def unused(self) -> bool:
        """Return whether nobody ever wrote to this store, or made a key of it."""
        with reading(self._store.engine) as connection:
            written = connection.execute(select(exists(select(schema.writers.c.id)))).scalar_one()
        return not written and not self.exist()

    def exist(self) -> bool:
        """Return whether there ever was a key, good or not: revoking the last one opens nothing."""
        with reading(self._store.engine) as connection:
            return bool(connection.execute(select(exists(select(_TABLE.c.id)))).scalar_one())

    def find(self, tenant: str, key_id: str) -> StoredKey | None:
        """Return a key; None where the tenant has none of this id."""
        found = self.read([key_id]).get(key_id)
        return found if found is not None and found.tenant == tenant else None

    def read(self, ids: Sequence[str]) -> Mapping[str, StoredKey]:
        """Return those of the keys that there are, whoever they belong to: to find out who is calling."""
        wanted = [each for each in ids if is_id(each)]
        found: dict[str, StoredKey] = {}
        for start in range(0, len(wanted), _STEP):
            statement = select(_TABLE).where(_TABLE.c.id.in_(wanted[start : start + _STEP]))
            with reading(self._store.engine) as connection:
                found |= {row.id: _stored(row) for row in connection.execute(statement)}
        self._store.secret("keys")
        return found

    def of(self, tenant: str) -> tuple[StoredKey, ...]:
        """Return a tenant's keys, oldest first."""
        statement = select(_TABLE).where(_TABLE.c.tenant == tenant).order_by(_TABLE.c.created, _TABLE.c.id)
        with reading(self._store.engine) as connection:
            return tuple(map(_stored, connection.execute(statement)))

    def tenants(self) -> tuple[str, ...]:
        """Return every tenant that has a key."""
        with reading(self._store.engine) as connection:
            return tuple(connection.execute(select(_TABLE.c.tenant).distinct().order_by(_TABLE.c.tenant)).scalars())

    def revoke(self, tenant: str, key_id: str, *, revoked_by: str = "") -> bool:
        """Revoke a key, for ever.

        Returns:
            Whether it was good before; False where it was revoked already.

        Raises:
            StoreError: Where the tenant has none of this id.
        """
        mine = (_TABLE.c.tenant == tenant, _TABLE.c.id == key_id)
        change = update(_TABLE).where(*mine, _TABLE.c.revoked.is_(None)).values(revoked=now(), revoked_by=revoked_by)
        if self.find(tenant, key_id) is None:
            raise StoreError("expected the id of a key (gk_…), got something that is none; `guard keys list` shows them")
        self._store.audit.prepare()
        with writing(self._store.engine) as connection:
            changed = bool(connection.execute(change).rowcount)
            if changed:
                note = note_of(Event.KEY_REVOKED, by=revoked_by, about=key_id, tenant=tenant)
                self._store.audit.append_elsewhere(connection, [note])
        return changed

    def matches(self, key: StoredKey | None, text: str) -> bool:
        """Return whether `text` is this key; takes as long where there is no key to compare with."""
        digest = self._digest(text)
        same = hmac.compare_digest(digest, key.hash if key is not None else _NO_HASH)
        return same and key is not None

    def note_use(self, key_id: str) -> None:
        """Have it written some time soon that a key was used now; never waits."""
        self._store.writer.put(self._sink, (key_id, now()))

    def note_refused(self, key: StoredKey | None, reason: str, count: int = 1) -> None:
        """Have the audit say some time soon that attempts with a key were refused; never waits.

        Args:
            key: None where what was shown is none of this store's.
            reason: A word.
            count: How many attempts.
        """
        about, tenant = (key.id, key.tenant) if key is not None else ("", "")
        self._store.audit.note(Event.KEY_REFUSED, by=about, about=about, tenant=tenant, reason=reason, count=count)

    def _made(self, tenant: str, roles: Iterable[str], name: str, expires: int | None, created_by: str) -> NewKey:
        held = tuple(dict.fromkeys(roles))
        _check(tenant, held, name)
        text: KeyText = new_key_text()
        key = StoredKey(text.id, tenant, name, held, self._digest(text.text), created_by, now(), expires, None, None)
        return NewKey(key, text.text)

    def _insert(self, connection: Connection, key: StoredKey) -> None:
        _insert(connection, key)
        until = {} if key.expires is None else {"expires": key.expires}
        note = note_of(Event.KEY_CREATED, by=key.created_by, about=key.id, tenant=key.tenant, roles=key.roles, **until)
        self._store.audit.append_elsewhere(connection, [note])

    def _digest(self, text: str) -> str:
        return hmac.new(self._store.secret("keys"), text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


class _UseSink(Sink[tuple[str, int]]):
    """Writes when keys were last used."""

    def __init__(self, store: Store) -> None:
        self._audit = store.audit

    def write(self, connection: Connection, payloads: Sequence[tuple[str, int]]) -> Sequence[None]:
        at: BindParameter[int] = bindparam("at")
        later = or_(_TABLE.c.used.is_(None), _TABLE.c.used < at)
        statement = update(_TABLE).where(_TABLE.c.id == bindparam("key"), later).values(used=at)
        connection.execute(statement, [{"key": key, "at": used} for key, used in sorted(payloads)])
        used_now = list(dict.fromkeys(key for key, _ in payloads))
        whose = {
            row.id: row.tenant
            for row in connection.execute(select(_TABLE.c.id, _TABLE.c.tenant).where(_TABLE.c.id.in_(used_now)))
        }
        self._audit.append(
            connection, [note_of(Event.KEY_USED, by=key, about=key, tenant=whose.get(key, "")) for key in used_now]
        )
        return [None] * len(payloads)


def _check(tenant: str, roles: tuple[str, ...], name: str) -> None:
    if _TENANT.fullmatch(tenant) is None:
        raise StoreError("tenant: expected at most 64 letters, digits and _ . : -, got something else")
    if not roles or not set(roles) <= ROLES.keys():
        unknown = ", ".join(repr(role[:40]) for role in roles if role not in ROLES) or "none"
        raise StoreError(f"role: expected one or several of {', '.join(ROLES)}, got {unknown}")
    if len(name) > _NAME_LENGTH or not (name.isprintable() or not name):
        raise StoreError(f"name: expected at most {_NAME_LENGTH} printable characters, got something else")


def _insert(connection: Connection, key: StoredKey) -> None:
    row = {column: getattr(key, column) for column in ("id", "tenant", "name", "hash", "created_by", "created", "expires")}
    connection.execute(insert(_TABLE), {**row, "roles": list(key.roles)})


def _stored(row: Row[Any]) -> StoredKey:
    plain = ("id", "tenant", "name", "hash", "created_by", "created", "expires", "revoked", "used")
    return StoredKey(roles=tuple(row.roles), **{column: getattr(row, column) for column in plain})
