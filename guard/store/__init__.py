"""The store: what happened, kept safely. SQLite in one file by default, PostgreSQL for more than one machine.

`open_store(URL)` gives a `Store`; SQLAlchemy is loaded by that call and not before. What is where:

    schema.py       every table and column; read its docstring first
    connecting.py   URLs, connections (`reading`, `writing`), and what a database's errors mean
    migrating.py    the version of the tables; migrations/versions has one file for each
    sealing.py      `Codec`: the one way into and out of `Sealed` columns, encrypted where there is a key
    store.py        `Store`: the open store; its secrets, pseudonyms and parts
    writing.py      `Writer`: one thread that writes everything from a bounded queue, in group commits
    recording.py    `StoreRecorder`: the `Recorder` that the guard tells what it decided
    exchanges.py    exchanges, read by tenant
    feedback.py     feedback, acknowledged only when it is on the disk
    audit.py        who did what, in chains that show who changed them; audit_*.py are its parts
    keys.py         keys of callers and reviewers: hashed, scoped, expiring, revocable; key_text.py says what one looks like
    reviewing.py    what reviewers do with feedback: accept, reject, label
    importing/      files of feedback, labels and pairs, into the store
    exporting/      feedback out of the store, as training data

The rules of the house, which every part holds to:

- **Tenants.** Every function that reads or writes what belongs to somebody takes `tenant`, and puts it into its query. The tenant
  of a caller without a key is the empty text.
- **People.** A subject or a conversation is stored as `store.pseudonym(kind, tenant, value)`, a keyed digest; never as itself.
- **Text.** Words of users or models stand in `Sealed` columns only, put there by `store.codec`. No other column, no message and
  no log has any; a model's name or a route is kept only where it has the shape of an identifier.
- **Times** are UTC in microseconds as integers (`identity.now()`); **ids** are random (`identity.new_id("fb")`).
- **Writes** that nobody waits for go through `store.writer.put(sink, payload)`. `await store.writer.write(sink, payload)` returns
  after the commit: what it returned for survives a killed process and a loss of power. A `Sink` writes many payloads in one
  transaction. Rare writes of commands may use `connecting.writing(store.engine)`.
- **Errors** are `StoreError` (cannot be used as it is) and `StoreUnavailable` (not now), without statements or values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guard.store.store import Store

__all__ = ["open_store"]


def open_store(url: str, *, migrate: bool = False, create: bool = True) -> Store:
    """Return the store at `url`, with the keys that `TENET_STORE_KEY` holds.

    Args:
        url: A path, `sqlite:///PATH`, `postgresql+psycopg://USER@HOST/DATABASE`, or `default`, a file in the user's state folder.
        migrate: Whether an older store is brought up to date.
        create: Whether a SQLite file that is not there is made.

    Raises:
        StoreError: Where it cannot be used as it is: another version, another key, no store at all.
        StoreUnavailable: Where it does not answer.
        MissingExtra: Where PostgreSQL's driver, or the library for encryption, is not installed.
    """
    from guard.store.store import open_at

    return open_at(url, migrate=migrate, create=create)
