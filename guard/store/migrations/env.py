"""How Alembic runs a migration: on the connection, and in the transaction, that `guard.store.migrating` gives it."""

from __future__ import annotations

from alembic import context

from guard.store.migrating import VERSION_TABLE
from guard.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, version_table=VERSION_TABLE)
with context.begin_transaction():
    context.run_migrations()
