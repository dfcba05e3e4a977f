"""Keys: shown once, kept as a keyed hash, good until they expire or are revoked, and a tenant's own."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select, text

from guard.errors import StoreError
from guard.store import open_store, schema
from guard.store.connecting import reading
from guard.store.identity import now
from guard.store.key_text import new_key_text, parse_key
from guard.store.keys import KeyState
from guard.store.store import Store


def test_a_key_is_random_and_known_by_its_shape():
    keys = {new_key_text() for _ in range(200)}
    assert len(keys) == len({key.id for key in keys}) == 200
    for key in keys:
        assert re.fullmatch(r"tg_[0-9a-f]{24}_[0-9A-Za-z]{49}", key.text)
        assert parse_key(key.text) == key
        assert key.id == "gk_" + key.text.split("_")[1]


@pytest.mark.parametrize(
    "change",
    [
        lambda key: key[:-1],
        lambda key: key + "a",
        lambda key: key[:40] + ("a" if key[40] != "a" else "b") + key[41:],
        lambda key: key.upper(),
        lambda key: key + "\n",
        lambda key: " " + key,
        lambda key: key.replace("0", "٠").replace("1", "１") + "é",
        lambda key: "tg_" + key * 200,
        lambda key: "",
        lambda key: "sk-" + key[3:],
        lambda key: "\ud800",
    ],
)
def test_what_was_cut_or_mistyped_is_no_key(change: Callable[[str], str]):
    assert parse_key(change(new_key_text().text)) is None


def test_a_key_is_found_and_matches_itself_only(store: Store):
    made = store.keys.create("acme", ["viewer", "caller", "viewer"], name="the website", created_by="gk_x")
    other = store.keys.create("acme", ["viewer"])
    found = store.keys.find("acme", made.key.id)
    assert found == made.key
    assert (found.roles, found.name, found.created_by) == (("viewer", "caller"), "the website", "gk_x")
    assert found.state() is KeyState.ACTIVE
    assert store.keys.matches(found, made.text)
    assert not store.keys.matches(found, other.text)
    assert not store.keys.matches(None, made.text)
    assert store.keys.of("acme") == (made.key, other.key)


def test_no_column_of_the_store_holds_a_key_or_its_plain_hash(store: Store):
    import hashlib

    made = store.keys.create("acme", ["caller"])
    secret = made.text.rpartition("_")[2]
    with reading(store.engine) as connection:
        everything = repr([connection.execute(select(table)).all() for table in schema.metadata.sorted_tables])
    assert made.key.id in everything
    for known in (made.text, secret, hashlib.sha256(made.text.encode()).hexdigest()):
        assert known not in everything
    assert made.text not in repr(made.key)


def test_a_key_expires_and_a_revoked_one_stays_so(store: Store):
    short = store.keys.create("", ["caller"], expires=now() + 3_600_000_000)
    assert short.key.state() is KeyState.ACTIVE
    assert short.key.state(now() + 3_600_000_000) is KeyState.EXPIRED
    assert store.keys.revoke("", short.key.id, revoked_by="gk_admin")
    assert not store.keys.revoke("", short.key.id)
    found = store.keys.find("", short.key.id)
    assert found is not None
    assert found.state() is KeyState.REVOKED


def test_a_key_is_its_tenants_own(store: Store):
    mine = store.keys.create("a", ["admin"])
    assert store.keys.find("b", mine.key.id) is None
    assert store.keys.of("b") == ()
    with pytest.raises(StoreError, match="gk_"):
        store.keys.revoke("b", mine.key.id)
    found = store.keys.find("a", mine.key.id)
    assert found is not None
    assert found.revoked is None
    assert store.keys.tenants() == ("a",)


@pytest.mark.parametrize("key_id", ["", "gk_none", "' or 1=1 --", "\x00", "\ud800", "x" * 10_000, "ключ"])
def test_an_id_that_is_none_is_not_found(store: Store, key_id: str):
    store.keys.create("", ["admin"])
    assert store.keys.find("", key_id) is None
    assert store.keys.read([key_id]) == {}
    with pytest.raises(StoreError, match="gk_"):
        store.keys.revoke("", key_id)


@pytest.mark.parametrize(
    ("tenant", "roles", "name", "said"),
    [
        ("", [], "", "role"),
        ("", ["root"], "", "role"),
        ("", ["admin", "Admin"], "", "role"),
        ("a b", ["admin"], "", "tenant"),
        ("x" * 65, ["admin"], "", "tenant"),
        ("a\n", ["admin"], "", "tenant"),
        ("", ["admin"], "a\x1b[2J", "name"),
        ("", ["admin"], "x" * 101, "name"),
    ],
)
def test_what_no_key_can_have_is_refused(store: Store, tenant: str, roles: list[str], name: str, said: str):
    with pytest.raises(StoreError, match=said):
        store.keys.create(tenant, roles, name=name)
    assert not store.keys.exist()


def test_keys_exist_even_when_none_of_them_is_good(store: Store):
    assert not store.keys.exist()
    made = store.keys.create("", ["admin"])
    store.keys.revoke("", made.key.id)
    assert store.keys.exist()


def test_only_one_of_several_processes_makes_the_first_key(opened: Callable[[], Store]):
    stores = [opened() for _ in range(4)]
    made = []
    barrier = threading.Barrier(len(stores))

    def make(store: Store) -> None:
        barrier.wait(10)
        made.append(store.keys.create_first())

    threads = [threading.Thread(target=make, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    firsts = [each for each in made if each is not None]
    assert len(made) == 4
    assert [key.id for key in stores[0].keys.of("")] == [each.key.id for each in firsts]
    assert firsts[0].key.roles == ("admin",)
    assert stores[1].keys.create_first() is None


def test_a_store_that_was_written_to_or_has_keys_is_not_unused(opened: Callable[[], Store], tmp_path: Path):
    fresh = opened()
    assert fresh.keys.unused()
    fresh.writer.start()
    fresh.writer.close()
    assert not opened().keys.unused()
    other = open_store(str(tmp_path / "other.db"))
    other.keys.create("", ["caller"])
    assert not other.keys.unused()
    other.close()


def test_when_a_key_was_used_is_written_and_never_goes_back(store: Store):
    made = store.keys.create("", ["caller"])
    before = now()
    store.keys.note_use(made.key.id)
    store.keys.note_use("gk_none")
    store.writer.flush()
    found = store.keys.find("", made.key.id)
    assert found is not None
    assert found.used is not None
    assert before <= found.used <= now()
    store.writer.put(store.keys._sink, (made.key.id, 5))
    store.writer.flush()
    assert store.keys.find("", made.key.id) == found


def test_a_database_without_the_stores_secret_does_not_open_a_door(store: Store, opened: Callable[[], Store]):
    made = store.keys.create("", ["admin"])
    with store.engine.begin() as connection:
        connection.execute(text("delete from secrets where name = 'keys'"))
    later = opened()
    assert not later.keys.matches(later.keys.find("", made.key.id), made.text)
