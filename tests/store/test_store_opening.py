"""Opening a store: what becomes one, what is refused and how, and who may migrate it when."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from cryptography.fernet import Fernet
from sqlalchemy import text
from typer.testing import CliRunner

from guard.cli.main import app
from guard.errors import StoreError, StoreUnavailable
from guard.store import open_store
from guard.store.audit import operator
from guard.store.connecting import connect, parsed, reading, writing
from guard.store.migrating import VERSION_TABLE, State, newest, open_or_migrate, state, upgrade
from guard.store.schema import metadata, sealed_columns


def test_the_migrations_make_exactly_the_tables_of_the_schema(url: str):
    engine = connect(parsed(url))
    open_or_migrate(engine)
    with reading(engine) as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": False}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
        assert state(connection) is State.CURRENT
    engine.dispose()


def test_every_row_that_belongs_to_somebody_names_the_tenant():
    of_the_store = {"meta", "secrets", "audit_heads", "writers", "gaps"}
    assert {table.name for table in metadata.sorted_tables if "tenant" not in table.columns} == of_the_store
    assert {table.name for table, _ in sealed_columns()} == {"secrets", "texts", "feedback", "labels", "pairs", "webhooks"}


def test_a_store_keeps_its_id_and_its_secrets(url: str):
    first, second = open_store(url), open_store(url)
    assert first.id == second.id
    assert first.secret("a") == second.secret("a") != first.secret("b")
    assert first.pseudonym("subject", "t", "jane") == second.pseudonym("subject", "t", "jane")
    names = [("subject", "t", "jane"), ("subject", "u", "jane"), ("conversation", "t", "jane"), ("subject", "tj", "ane")]
    assert len({first.pseudonym(*name) for name in names}) == len(names)
    first.close()
    second.close()


def test_two_that_make_the_same_store_at_once_both_find_it_made(url: str):
    failures: list[BaseException] = []

    def make() -> None:
        try:
            open_store(url).close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    engine = connect(parsed(url))
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM meta WHERE name = 'store'")).scalar() == 1
    engine.dispose()


def test_none_that_makes_a_new_file_with_others_is_sent_away(tmp_path: Path):
    failures: list[BaseException] = []

    def make(path: str) -> None:
        try:
            open_store(path).close()
        except BaseException as error:
            failures.append(error)

    for number in range(40):
        threads = [threading.Thread(target=make, args=(str(tmp_path / f"{number}.db"),)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []


def set_version(url: str, to: str) -> None:
    engine = connect(parsed(url))
    with writing(engine) as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = :to"), {"to": to})
    engine.dispose()


def test_a_store_of_a_newer_version_is_refused(url: str):
    open_store(url).close()
    set_version(url, "9999")
    for migrate in (False, True):
        with pytest.raises(StoreError, match=r"newer Tenet .*9999.* update tenet-guard"):
            open_store(url, migrate=migrate)
    engine = connect(parsed(url))
    with pytest.raises(StoreError, match="newer Tenet"):
        upgrade(engine)
    engine.dispose()


def test_an_older_store_is_migrated_only_when_asked(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    open_store(url).close()
    update_tenet(monkeypatch, tmp_path)
    with pytest.raises(StoreError, match=r"of version 0001, and 0002 is needed.*guard store migrate"):
        open_store(url)
    engines = [connect(parsed(url)) for _ in range(3)]
    done: list[bool] = []
    threads = [threading.Thread(target=lambda engine=engine: done.append(upgrade(engine))) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [False, False, True]
    with reading(engines[0]) as connection:
        assert connection.execute(text("SELECT count(*) FROM more")).scalar() == 0
    for engine in engines:
        engine.dispose()
    open_store(url).close()


def update_tenet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Make it the Tenet of tomorrow: the same migrations, and one more."""
    later = tmp_path / "later"
    subprocess.run(["cp", "-r", str(Path(open_store.__code__.co_filename).parent / "migrations"), str(later)], check=True)
    (later / "versions" / "v0002_more.py").write_text(
        'import sqlalchemy as sa\nfrom alembic import op\nrevision = "0002"\ndown_revision = "0001"\n'
        'def upgrade():\n    op.create_table("more", sa.Column("id", sa.Text(), primary_key=True))\n'
    )
    from guard.store import migrating

    def config() -> migrating.Config:
        made = migrating.Config()
        made.set_main_option("script_location", str(later))
        return made

    monkeypatch.setattr(migrating, "_config", config)
    assert newest() == "0002"


@pytest.mark.parametrize("by", ["server", "command"])
def test_who_migrates_a_store_is_in_its_audit(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, by: str):
    open_store(url).close()
    update_tenet(monkeypatch, tmp_path)
    for _ in range(2):
        if by == "command":
            assert CliRunner().invoke(app, ["store", "migrate", "--store", url]).exit_code == 0
        else:
            open_store(url, migrate=True).close()
    store = open_store(url)
    (said,) = [row for row in store.audit.every("") if row.event == "migrate"]
    store.close()
    assert (said.actor, said.details) == (operator(), {"before": "0001", "after": "0002"})


def test_a_migration_that_fails_leaves_the_store_as_it_was(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    later = tmp_path / "later"
    subprocess.run(["cp", "-r", str(Path(open_store.__code__.co_filename).parent / "migrations"), str(later)], check=True)
    (later / "versions" / "v0002_broken.py").write_text(
        'import sqlalchemy as sa\nfrom alembic import op\nrevision = "0002"\ndown_revision = "0001"\n'
        'def upgrade():\n    op.create_table("more", sa.Column("id", sa.Text()))\n    raise ValueError("broken")\n'
    )
    open_store(url).close()
    from guard.store import migrating

    with monkeypatch.context() as patched:
        made = migrating.Config()
        made.set_main_option("script_location", str(later))
        patched.setattr(migrating, "_config", lambda: made)
        engine = connect(parsed(url))
        with pytest.raises(ValueError, match="broken"):
            upgrade(engine)
        engine.dispose()
    open_store(url).close()


def test_what_is_not_a_store_is_refused_and_left_alone(tmp_path: Path):
    file = tmp_path / "letter.txt"
    file.write_text("Dear Jane, " * 500)
    with pytest.raises(StoreError, match=r"letter\.txt: the file is not a SQLite database"):
        open_store(str(file))
    assert file.read_text() == "Dear Jane, " * 500
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE customers (id INTEGER)")
    connection.close()
    with pytest.raises(StoreError, match=r"other\.db: expected a store or an empty database, got one with other tables"):
        open_store(str(other))
    with pytest.raises(StoreError, match="expected a file, got a folder"):
        open_store(str(tmp_path))
    with pytest.raises(StoreError, match="there is no such file"):
        open_store(str(tmp_path / "none.db"), create=False)


def test_a_damaged_store_says_so(tmp_path: Path):
    file = tmp_path / "store.db"
    open_store(str(file)).close()
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    file.write_bytes(content)
    with pytest.raises(StoreError, match=r"store\.db: the file is damaged; restore a backup"):
        open_store(str(file)).secret("x")


@pytest.mark.parametrize(
    "given",
    [
        "",
        "  ",
        "mysql://u:hunter2@h/d",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:x.db",
        "postgresql+asyncpg://h/d",
        "http://[::1",
        "://",
    ],
)
def test_another_kind_of_address_is_refused_without_its_password(given: str):
    with pytest.raises(StoreError, match="expected") as caught:
        open_store(given)
    assert "hunter2" not in str(caught.value)


def test_a_server_that_is_not_there_is_told_without_its_password():
    with pytest.raises(StoreUnavailable, match="cannot be reached") as caught:
        open_store("postgresql+psycopg://jane:hunter2@127.0.0.1:9/none")
    assert "hunter2" not in str(caught.value)


def test_a_new_file_is_readable_for_its_owner_alone(tmp_path: Path):
    open_store(str(tmp_path / "deep" / "store.db")).close()
    assert stat.S_IMODE((tmp_path / "deep" / "store.db").stat().st_mode) == 0o600


def test_a_file_that_may_only_be_read_says_so():
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "store.db"
        open_store(str(file)).close()
        file.chmod(0o444)
        Path(folder).chmod(0o555)
        before = os.geteuid()
        if before == 0:
            os.seteuid(65534)
        try:
            with pytest.raises(StoreUnavailable, match="read-only"):
                open_store(str(file)).secret("x")
        finally:
            os.seteuid(before)
            Path(folder).chmod(0o755)


def test_an_encrypted_store_opens_with_its_key_only(url: str, monkeypatch: pytest.MonkeyPatch):
    key, other = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    monkeypatch.setenv("TENET_STORE_KEY", key)
    first = open_store(url)
    secret = first.secret("x")
    first.close()
    monkeypatch.setenv("TENET_STORE_KEY", f"{other}, {key}")
    second = open_store(url)
    assert second.secret("x") == secret
    second.close()
    monkeypatch.setenv("TENET_STORE_KEY", other)
    with pytest.raises(StoreError, match="none of the keys"):
        open_store(url)
    monkeypatch.delenv("TENET_STORE_KEY")
    with pytest.raises(StoreError, match="encrypted; set TENET_STORE_KEY"):
        open_store(url)
    monkeypatch.setenv("TENET_STORE_KEY", f"{key},short")
    with pytest.raises(StoreError, match="key 2 is none; print one with `guard store key`") as caught:
        open_store(url)
    assert key not in str(caught.value)


def test_the_guard_loads_no_database_before_a_store_is_opened():
    code = "import sys, guard, guard.store, guard.app, guard.cli.main; assert 'sqlalchemy' not in sys.modules, 'loaded'"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
