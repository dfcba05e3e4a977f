"""Backups, and what is forgotten: across both databases, whole or not at all."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from kept_exchanges import keep_exchange
from postgres_server import PostgresServer
from sqlalchemy import select, text

from guard.errors import StoreError
from guard.store import open_store
from guard.store.backup import backup, restore
from guard.store.connecting import connect, parsed, reading, writing
from guard.store.feedback import NewFeedback
from guard.store.identity import now
from guard.store.overview import overview
from guard.store.pruning import age, prune
from guard.store.rotating import rotate
from guard.store.schema import exchanges, feedback, secrets
from guard.store.schema import texts as texts_table
from guard.store.store import Store

ODD = "a\0b \ud800 ünïcödé \U0001f600 '; DROP TABLE exchanges; --"


def filled(store: Store) -> str:
    exchange = keep_exchange(store, "tell me about the sea", "It is wide.", policy="store: full")
    store.feedback.add_sync("", NewFeedback(exchange, "correction", correction=ODD, comment="ok", details={"a": [1, ODD]}))
    return exchange


def state_of(store: Store, exchange: str) -> tuple[object, ...]:
    return (
        store.id,
        store.secret("pseudonyms"),
        store.exchanges.find("", exchange),
        store.exchanges.texts("", exchange),
        store.feedback.of_exchange("", exchange),
    )


@pytest.mark.parametrize("into", ["sqlite", "postgresql"])
@pytest.mark.parametrize("name", ["backup.zip", "backup.db"])
def test_what_is_backed_up_is_restored_into_either_database(
    store: Store, into: str, name: str, tmp_path: Path, postgres: PostgresServer
):
    exchange = filled(store)
    store.pseudonym("subject", "", "jane")
    if name == "backup.db" and store.engine.dialect.name == "postgresql":
        with pytest.raises(StoreError, match=r"backed up into a dump; use a name such as backup\.zip"):
            backup(store.engine, tmp_path / name)
        return
    counted = backup(store.engine, tmp_path / name)
    assert counted["exchanges"] == counted["feedback"] == 1
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    url = str(tmp_path / "new.db") if into == "sqlite" else postgres.database(f"r{now()}")
    engine = connect(parsed(url))
    assert restore(tmp_path / name, engine) == counted
    with pytest.raises(StoreError, match="expected an empty database"):
        restore(tmp_path / name, engine)
    engine.dispose()
    restored = open_store(url)
    assert state_of(restored, exchange) == state_of(store, exchange)
    restored.close()


def test_a_backup_is_not_written_over_another(store: Store, tmp_path: Path):
    (tmp_path / "b.zip").write_text("precious")
    with pytest.raises(StoreError, match="is there already"):
        backup(store.engine, tmp_path / "b.zip")
    backup(store.engine, tmp_path / "b.zip", replace=True)
    assert zipfile.is_zipfile(tmp_path / "b.zip")
    with pytest.raises(StoreError, match="could not be written"):
        backup(store.engine, tmp_path / "nowhere" / "b.zip")
    assert sorted(path.name for path in tmp_path.iterdir() if "partial" in path.name) == []


@pytest.mark.parametrize("fault", ["cut", "flipped", "changed", "newer", "not a zip", "empty"])
def test_a_damaged_backup_is_told_and_restores_nothing(opened: Callable[[], Store], tmp_path: Path, fault: str):
    store = opened()
    filled(store)
    path = tmp_path / "b.zip"
    backup(store.engine, path)
    content = bytearray(path.read_bytes())
    if fault == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif fault == "flipped":
        with zipfile.ZipFile(path) as archive:
            content[archive.getinfo("exchanges.jsonl").header_offset + 90] ^= 0xFF
        path.write_bytes(content)
    elif fault == "not a zip":
        path.write_text("Dear Jane")
    elif fault == "empty":
        path.write_bytes(b"")
    else:
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        if fault == "changed":
            parts["feedback.jsonl"] = parts["feedback.jsonl"].replace(b"correction", b"preference", 1)
        else:
            parts["manifest.json"] = json.dumps({**json.loads(parts["manifest.json"]), "version": "9999"}).encode()
        with zipfile.ZipFile(path, "w") as archive:
            for name, part in parts.items():
                archive.writestr(name, part)
    engine = connect(parsed(str(tmp_path / "new.db")))
    with pytest.raises(StoreError, match=r"expected a backup|its digest differs|newer Tenet|cannot be read"):
        restore(path, engine)
    engine.dispose()
    assert all(count == 0 for name, count in _rows(tmp_path / "new.db").items() if name not in ("meta", "secrets"))


def _rows(path: Path) -> dict[str, int]:
    fresh = open_store(str(path))
    found = overview(fresh.engine)
    fresh.close()
    return found


def test_old_records_are_pruned_with_all_that_hangs_on_them(store: Store):
    old, young = filled(store), filled(store)
    store.close()
    with writing(store.engine) as connection:
        for table in ("exchanges", "texts", "findings", "fired"):
            column = "id" if table == "exchanges" else "exchange_id"
            connection.execute(text(f"UPDATE {table} SET created = 5 WHERE {column} = :id"), {"id": old})
        connection.execute(text("UPDATE feedback SET created = 5 WHERE exchange_id = :id"), {"id": old})
    before = now() - age("30d")
    expected = {"exchanges": 1, "texts": 2, "findings": 0, "fired": 0, "differences": 0, "feedback": 1, "labels": 0, "pairs": 0}
    assert prune(store.engine, before, trial=True).rows == expected
    assert prune(store.engine, before, texts_only=True, trial=True).rows == {"texts": 2}
    assert prune(store.engine, before).rows == expected
    assert prune(store.engine, before).total == 0
    assert store.exchanges.find("", old) is None
    assert store.exchanges.find("", young) is not None
    assert len(store.exchanges.texts("", young)) == 2
    assert [said.exchange_id for said in store.feedback.every("")] == [young]


def test_more_is_pruned_than_one_transaction_takes(store: Store):
    rows = [{"id": f"ex_{number}", "tenant": "", "action": 0, "created": number % 7} for number in range(1_203)]
    with writing(store.engine) as connection:
        connection.execute(exchanges.insert(), rows)
    assert prune(store.engine, 6).rows["exchanges"] == sum(number % 7 < 6 for number in range(1_203))


def test_nothing_that_was_pruned_is_left_in_the_file(tmp_path: Path):
    store = open_store(str(tmp_path / "store.db"))
    keep_exchange(store, "the canary sings at midnight", "so it does", policy="store: full")
    store.close()
    assert b"canary" in (tmp_path / "store.db").read_bytes()
    prune(store.engine, now())
    store.engine.dispose()
    assert all(b"canary" not in path.read_bytes() for path in tmp_path.iterdir())


@pytest.mark.parametrize("wrong", ["", "30", "d", "0d", "-3d", "3 months", "٣d", "9999999d"])
def test_an_age_that_is_none_is_refused(wrong: str):
    with pytest.raises(StoreError, match="such as 30d"):
        age(wrong)


def test_rotation_seals_everything_with_the_first_key(url: str, monkeypatch: pytest.MonkeyPatch):
    plain = open_store(url)
    exchange = filled(plain)
    before = state_of(plain, exchange)
    plain.close()
    first, second = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    for keys in (first, f"{second},{first}"):
        monkeypatch.setenv("TENET_STORE_KEY", keys)
        store = open_store(url)
        assert sum(rotate(store.engine, store.codec).values()) >= 4
        assert state_of(store, exchange) == before
        store.close()
    monkeypatch.setenv("TENET_STORE_KEY", second)
    store = open_store(url)
    assert state_of(store, exchange) == before
    with reading(store.engine) as connection:
        for column in (texts_table.c.body, feedback.c.correction, secrets.c.value):
            for sealed in connection.execute(select(column)).scalars():
                assert bytes(sealed)[:1] == b"f"
                assert b"sea" not in bytes(sealed)
    store.close()


def test_rotation_of_more_rows_than_one_step_is_complete(url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TENET_STORE_KEY", Fernet.generate_key().decode())
    store = open_store(url)
    row = {"tenant": "", "exchange_id": "e", "comment": b"pwords", "created": 1}
    with writing(store.engine) as connection:
        connection.execute(feedback.insert(), [{**row, "id": f"fb_{number}"} for number in range(401)])
    assert rotate(store.engine, store.codec)["feedback"] == 401
    assert {said.comment for said in store.feedback.every("")} == {"words"}
    store.close()
