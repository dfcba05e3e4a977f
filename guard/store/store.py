"""`Store`: an open store, with its secrets and its parts."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property

from sqlalchemy import Engine, select

from guard.store import schema
from guard.store.audit import Audit
from guard.store.connecting import connect, parsed, reading, writing
from guard.store.exchanges import Exchanges
from guard.store.feedback import Feedback
from guard.store.identity import keyed_digest, now
from guard.store.keys import Keys
from guard.store.late import LateRows
from guard.store.migrating import newest, open_or_migrate
from guard.store.policies import Policies
from guard.store.sealing import KEY_VARIABLE, Codec, codec_from_environment
from guard.store.statements import insert_new
from guard.store.writing import Limits, Writer

_CHECK = "key_check"
_SECRET_BYTES = 32


class Store:
    """An open store. Its parts may be used from any thread."""

    def __init__(self, engine: Engine, codec: Codec, limits: Limits | None = None) -> None:
        """Take a database whose tables are there, and the codec for its texts; `open_store` does all of it."""
        self.engine = engine
        self.codec = codec
        self.writer = Writer(engine, limits)
        self.audit = Audit(self)
        self.exchanges = Exchanges(engine, codec)
        self.feedback = Feedback(self)
        self.policies = Policies(self)
        self.keys = Keys(self)
        self.before_close: list[Callable[[], None]] = []
        """What is called before the writer is closed."""
        self._secrets: dict[str, bytes] = {}
        LateRows(self)

    @cached_property
    def id(self) -> str:
        """The store's own random id; a backup keeps it."""
        with reading(self.engine) as connection:
            return str(connection.execute(select(schema.meta.c.value).where(schema.meta.c.name == "store")).scalar_one())

    def secret(self, name: str) -> bytes:
        """Return 32 random bytes of this store, made when first asked for: the same for every process and after a restart."""
        found = self._secrets.get(name)
        if found is None:
            found = self._secrets[name] = self._read_or_make_secret(name)
        return found

    def pseudonym(self, kind: str, tenant: str, value: str) -> str:
        """Return what stands in the store for somebody or something: a keyed digest of 32 hexadecimal digits; empty for "".

        Args:
            kind: `subject` or `conversation`, so that equal names of different things differ.
        """
        return keyed_digest(self.secret("pseudonyms"), kind, tenant, value) if value else ""

    def close(self) -> None:
        """Write what waits, and let the database go."""
        for call in self.before_close:
            call()
        self.writer.close()
        self.engine.dispose()

    def _read_or_make_secret(self, name: str) -> bytes:
        table = schema.secrets
        with reading(self.engine) as connection:
            found = connection.execute(select(table.c.value).where(table.c.name == name)).scalar()
        if found is None:
            fresh = {"name": name, "value": self.codec.seal(os.urandom(_SECRET_BYTES).hex()), "created": now()}
            with writing(self.engine) as connection:
                connection.execute(insert_new(table, self.engine.dialect.name), fresh)
                found = connection.execute(select(table.c.value).where(table.c.name == name)).scalar_one()
        return bytes.fromhex(self.codec.open(found))


def open_at(url: str, *, migrate: bool = False, create: bool = True) -> Store:
    """Do what `guard.store.open_store` says."""
    codec = codec_from_environment()
    engine = connect(parsed(url), create=create)
    try:
        before = open_or_migrate(engine, migrate=migrate)
        store = Store(engine, codec)
        check_key(store)
        if before:
            store.audit.note_command("migrate", before=before, after=newest())
    except BaseException:
        engine.dispose()
        raise
    return store


def check_key(store: Store) -> None:
    """Raise StoreError where the store's texts are encrypted, and none of the keys opens them.

    A store that is opened with a key for the first time remembers it, so that a later opening without one is noticed at once.
    """
    table = schema.secrets
    with reading(store.engine) as connection:
        known = connection.execute(select(table.c.value).where(table.c.name == _CHECK)).scalar()
    if known is not None:
        store.codec.open(known)
    elif store.codec.encrypts:
        row = {"name": _CHECK, "value": store.codec.seal(f"opened by {KEY_VARIABLE}"), "created": now()}
        with writing(store.engine) as connection:
            connection.execute(insert_new(table, store.engine.dialect.name), row)
            written = connection.execute(select(table.c.value).where(table.c.name == _CHECK)).scalar_one()
        store.codec.open(written)
