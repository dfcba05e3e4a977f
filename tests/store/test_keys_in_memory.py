"""What a server remembers of keys: quick, fresh within two seconds, bounded, and for a while without the store."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from guard.access.backoff import FREE, LONGEST, Backoff, network_of
from guard.access.book import KeyBook, Times
from guard.errors import StoreUnavailable
from guard.store import open_store
from guard.store.key_text import new_key_text
from guard.store.keys import KeyState, StoredKey
from guard.store.store import Store

QUICK = Times(fresh=0.2, again=0.05, in_use=10, grace=0.8, patience=1, slow=0.05)


class Database:
    """The keys of a store, read over a line that can be cut, or hang."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.reads: list[int] = []
        self.cut = False
        self.hangs = threading.Event()
        self.hangs.set()

    def read(self, ids: Sequence[str]) -> Mapping[str, StoredKey]:
        self.reads.append(len(ids))
        self.hangs.wait(5)
        if self.cut:
            raise StoreUnavailable("gone")
        return self._store.keys.read(ids)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(str(tmp_path / "store.db"))
    yield opened
    opened.close()


@pytest.fixture
def database(store: Store) -> Database:
    return Database(store)


@pytest.fixture
def book(database: Database) -> Iterator[KeyBook]:
    made = KeyBook(database, QUICK)
    yield made
    database.hangs.set()
    made.close()


async def until(condition: object, book: KeyBook, key_id: str) -> None:
    """Ask for a key until the answer is what is waited for."""
    deadline = time.monotonic() + 5
    while True:
        try:
            found: object = await book.find(key_id)
        except StoreUnavailable:
            found = StoreUnavailable
        if condition is found or (isinstance(found, StoredKey) and found.state() is condition):
            return
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def test_a_key_that_was_read_is_found_without_the_store(store: Store, database: Database):
    book = KeyBook(database, Times(again=60, fresh=60))
    key = store.keys.create("", ["caller"]).key

    async def ask() -> float:
        assert await book.find(key.id) == key
        began = time.perf_counter()
        for _ in range(1_000):
            await book.find(key.id)
        return (time.perf_counter() - began) / 1_000

    assert asyncio.run(ask()) < 0.000_5  # microseconds; the bound is for a busy machine
    assert database.reads == [1]
    book.close()


def test_many_at_once_are_read_in_few_questions(store: Store, book: KeyBook, database: Database):
    keys = [store.keys.create("", ["caller"]).key for _ in range(100)]
    unknown = [new_key_text().id for _ in range(100)]

    async def ask() -> None:
        found = await asyncio.gather(*(book.find(key_id) for key_id in [*(key.id for key in keys), *unknown]))
        assert list(found) == [*keys, *[None] * 100]

    database.hangs.clear()
    timer = threading.Timer(0.2, database.hangs.set)
    timer.start()
    asyncio.run(ask())
    timer.join()
    assert len(database.reads) <= 3


def test_more_than_may_wait_are_told_at_once(book: KeyBook, database: Database):
    database.hangs.clear()

    async def ask() -> list[object]:
        asked = [asyncio.ensure_future(book.find(new_key_text().id)) for _ in range(book.most_waiting + 50)]
        done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        early = [task.exception() for task in done]
        database.hangs.set()
        await asyncio.gather(*asked, return_exceptions=True)
        return early

    early = asyncio.run(ask())
    assert early
    assert all(isinstance(error, StoreUnavailable) for error in early)


def test_a_revocation_is_seen_though_the_key_is_asked_for_all_the_time(store: Store, book: KeyBook):
    key = store.keys.create("", ["caller"]).key

    async def ask() -> None:
        await until(KeyState.ACTIVE, book, key.id)
        store.keys.revoke("", key.id)
        await until(KeyState.REVOKED, book, key.id)

    asyncio.run(ask())


def test_a_key_that_was_none_is_one_soon_after_it_is_made(store: Store, book: KeyBook):
    async def ask() -> None:
        made = new_key_text()
        assert await book.find(made.id) is None
        key = store.keys.create("", ["caller"]).key
        await until(KeyState.ACTIVE, book, key.id)

    asyncio.run(ask())


@pytest.mark.parametrize("how", ["cut", "hangs"])
def test_without_the_store_a_known_key_goes_on_for_a_bounded_time(store: Store, book: KeyBook, database: Database, how: str):
    key = store.keys.create("", ["caller"]).key

    async def ask() -> None:
        began = time.monotonic()
        assert await book.find(key.id) == key
        if how == "cut":
            database.cut = True
        else:
            database.hangs.clear()
        while time.monotonic() < began + 3 * QUICK.fresh:
            assert await book.find(key.id) == key
            await asyncio.sleep(0.02)
        with pytest.raises(StoreUnavailable):
            await book.find(new_key_text().id)
        await until(StoreUnavailable, book, key.id)
        assert QUICK.grace <= time.monotonic() - began < QUICK.grace + 3
        database.cut = False
        database.hangs.set()
        await until(KeyState.ACTIVE, book, key.id)

    asyncio.run(ask())


def test_a_store_that_does_not_answer_costs_a_known_key_no_time(store: Store, book: KeyBook, database: Database):
    key = store.keys.create("", ["caller"]).key

    async def ask() -> float:
        assert await book.find(key.id) == key
        database.cut = True
        while not book._failed:
            await asyncio.sleep(0.01)
        longest = 0.0
        while time.monotonic() < book._known[key.id].confirmed + 2 * QUICK.fresh:
            began = time.perf_counter()
            await book.find(key.id)
            longest = max(longest, time.perf_counter() - began)
            await asyncio.sleep(0)
        return longest

    assert asyncio.run(ask()) < QUICK.slow


def test_who_gives_up_waiting_disturbs_nobody(store: Store, book: KeyBook, database: Database):
    key = store.keys.create("", ["caller"]).key

    async def ask() -> None:
        database.hangs.clear()
        impatient = asyncio.ensure_future(book.find(key.id))
        patient = asyncio.ensure_future(book.find(key.id))
        await asyncio.sleep(0)
        impatient.cancel()
        database.hangs.set()
        assert await patient == key

    asyncio.run(ask())


def test_memory_is_bounded_however_many_ids_come(book: KeyBook):
    book.most = 100  # type: ignore[misc]

    async def ask() -> None:
        for _ in range(5):
            await asyncio.gather(*(book.find(new_key_text().id) for _ in range(60)))

    asyncio.run(ask())
    assert len(book._unknown) <= 100
    backoff = Backoff()
    for number in range(12_000):
        backoff.failed([str(number)])
    assert len(backoff) <= 10_000


def test_waiting_grows_and_ends_and_is_forgotten():
    at = [1_000.0]
    backoff = Backoff(lambda: at[0])
    assert [backoff.failed(["a"]) for _ in range(FREE)] == [0] * FREE
    waits = []
    for _ in range(10):
        waits.append(backoff.failed(["a", "b"]))
        assert backoff.failed(["a"]) == waits[-1]  # attempts meanwhile are not held against anybody
        at[0] += waits[-1]
    assert waits == [1, 2, 4, 8, 16, 32, LONGEST, LONGEST, LONGEST, LONGEST]
    assert backoff.waits("a") == 0
    at[0] += 601
    assert backoff.failed(["a"]) == 0
    assert backoff.waits("never seen") == 0


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
    ],
)
def test_attempts_are_counted_by_what_one_client_has(address: str, expected: str):
    assert network_of(address) == expected
