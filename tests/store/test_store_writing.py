"""What is written survives: killed processes, databases that go and come back, full disks, and many who write at once."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from kept_exchanges import keep_exchange
from postgres_server import PostgresServer
from sqlalchemy import Connection, event, text

from guard.errors import StoreError, StoreUnavailable
from guard.store import connecting, open_store
from guard.store.connecting import connect, parsed
from guard.store.feedback import KeyUsedOtherwise, NewFeedback
from guard.store.migrating import open_or_migrate
from guard.store.overview import gaps
from guard.store.sealing import Codec
from guard.store.store import Store
from guard.store.writing import Limits, Sink

QUICK = Limits(rows=50, linger=0.005, patience=1.0, beat=0.05, farewell=1.0)


def thumb(number: int, **more: Any) -> NewFeedback:
    return NewFeedback(f"ex_{number}", "thumb", value=1.0, **more)


def store_at(url: str, limits: Limits = QUICK) -> Store:
    engine = connect(parsed(url))
    open_or_migrate(engine)
    return Store(engine, Codec(), limits)


class Gate(Sink[str]):
    """Holds the writer's thread until it is let go."""

    def __init__(self) -> None:
        self.reached, self.open = threading.Event(), threading.Event()

    def write(self, connection: Connection, payloads: Sequence[str]) -> Sequence[str]:
        self.reached.set()
        assert self.open.wait(10)
        return payloads


def test_feedback_that_waits_at_the_same_time_shares_commits(store: Store):
    async def many() -> list[str]:
        return [receipt.id for receipt in await asyncio.gather(*(store.feedback.add("t", thumb(n)) for n in range(300)))]

    ids = asyncio.run(many())
    assert len(set(ids)) == 300
    assert store.writer.counters.commits < 50
    assert sorted(said.id for said in store.feedback.every("t")) == sorted(ids)


def test_feedback_with_the_same_idempotency_key_is_there_once(store: Store):
    key = {"source": "app", "idempotency_key": "k ' \0 \ud800"}

    async def twenty() -> list[Any]:
        return await asyncio.gather(*(store.feedback.add("t", thumb(1, **key)) for _ in range(20)))

    receipts = asyncio.run(twenty())
    receipts.append(store.feedback.add_sync("t", thumb(1, **key)))
    assert len({receipt.id for receipt in receipts}) == 1
    assert [receipt.repeated for receipt in receipts].count(False) == 1
    with pytest.raises(KeyUsedOtherwise):
        store.feedback.add_sync("t", thumb(2, **key))
    others = [("u", key), ("t", {**key, "source": "other"})]
    assert not any(store.feedback.add_sync(tenant, thumb(1, **said)).repeated for tenant, said in others)
    assert len(list(store.feedback.every("t"))) == 2


def test_two_processes_with_the_same_key_store_it_once(opened: Callable[[], Store]):
    stores = [opened() for _ in range(4)]
    for store in stores:
        store.secret("feedback")
    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(lambda n: stores[n % 4].feedback.add_sync("t", thumb(1, idempotency_key="k")), range(40)))
    assert len({receipt.id for receipt in receipts}) == 1
    assert len(list(stores[0].feedback.every("t"))) == 1


KILLED = """
import asyncio, sys
from guard.store import open_store
from guard.store.feedback import NewFeedback
store = open_store(sys.argv[1])
async def post(worker):
    number = 0
    while True:
        said = NewFeedback(f"{sys.argv[2]}-{worker}-{number}", "thumb", idempotency_key=f"{sys.argv[2]}-{worker}-{number}")
        receipt = await store.feedback.add("t", said)
        sys.stdout.write(receipt.id + "\\n")
        sys.stdout.flush()
        number += 1
async def all_of_them():
    await asyncio.gather(*(post(worker) for worker in range(16)))
asyncio.run(all_of_them())
"""


@pytest.mark.parametrize("workers", [1, 4])
def test_acknowledged_feedback_survives_kill_9_exactly_once(url: str, workers: int):
    open_store(url).close()
    command = [sys.executable, "-c", KILLED, url]
    running = [subprocess.Popen([*command, str(n)], stdout=subprocess.PIPE, text=True) for n in range(workers)]
    acknowledged: list[str] = []
    for process in running:
        assert process.stdout is not None
        acknowledged += [process.stdout.readline().strip() for _ in range(200)]
    for process in running:
        process.send_signal(signal.SIGKILL)
    for process in running:
        assert process.stdout is not None
        acknowledged += [line.strip() for line in process.stdout if line.endswith("\n")]
        process.stdout.close()
        process.wait()
    store = open_store(url)
    there = [said.id for said in store.feedback.every("t")]
    assert len(acknowledged) >= 200 * workers
    assert set(acknowledged) <= set(there)
    assert len(there) == len(set(there)) <= len(acknowledged) + 16 * workers
    store.writer.start()
    store.feedback.add_sync("t", thumb(0))
    assert [gap["kind"] for gap in gaps(store.engine)] == ["crash"] * workers
    store.close()
    again = open_store(url)
    again.feedback.add_sync("t", thumb(0))
    assert len(gaps(again.engine)) == workers
    again.close()


def test_a_writer_that_signed_off_leaves_no_gap(opened: Callable[[], Store]):
    first = opened()
    keep_exchange(first, "hello", "hello")
    first.close()
    second = opened()
    keep_exchange(second, "hello", "hello")
    third = opened()
    keep_exchange(third, "hello", "hello")
    assert gaps(third.engine) == []


def test_a_database_that_goes_away_and_comes_back_loses_nothing_that_was_taken(postgres: PostgresServer, tmp_path: Path):
    tmp_path.chmod(0o755)
    server = PostgresServer(tmp_path / "cluster")
    (tmp_path / "cluster").mkdir()
    for parent in list(tmp_path.parents)[:3]:
        parent.chmod(parent.stat().st_mode | 0o011)
    server.create()
    server.start()
    store = store_at(server.database("a"))
    try:
        acknowledged = [store.feedback.add_sync("t", thumb(n)).id for n in range(5)]
        server.kill()
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            store.feedback.add_sync("t", thumb(98))
        assert store.writer.failing is not None
        with pytest.raises(StoreUnavailable):
            list(store.feedback.every("t"))
        taken = keep_without_waiting(store, 3)
        server.start()
        store.writer.limits = Limits(rows=50, patience=10.0)
        acknowledged += [store.feedback.add_sync("t", thumb(n)).id for n in range(5, 8)]
        store.writer.flush()
        assert store.writer.failing is None
        there = {said.id for said in store.feedback.every("t")}
        assert set(acknowledged) <= there
        assert {exchange.id for exchange in store.exchanges.every("")} == set(taken)
    finally:
        store.close()
        server.stop()


def keep_without_waiting(store: Store, count: int) -> list[str]:
    from kept_exchanges import guard_with

    from guard.engine import new_exchange
    from guard.ports import Ending

    guard, _ = guard_with(store)
    ids = []
    for _ in range(count):
        exchange = new_exchange()
        guard.check_sync("hello", exchange=exchange)
        guard.finish(exchange, Ending(200))
        ids.append(exchange.id)
    return ids


def test_what_waits_for_a_locked_file_is_written_when_it_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connecting, "SQLITE_WAIT", 0.1)
    store = store_at(str(tmp_path / "store.db"))
    keep_exchange(store, "before", None)
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        taken = keep_without_waiting(store, 5)
        with pytest.raises(StoreUnavailable, match="locked"):
            store.feedback.add_sync("t", thumb(1))
        assert len(list(store.exchanges.every(""))) == 1, "reading goes on meanwhile"
        other.execute("ROLLBACK")
    store.writer.flush()
    assert {exchange.id for exchange in store.exchanges.every("")} >= set(taken)
    store.close()


def test_a_full_disk_sheds_what_does_not_fit_and_records_the_gap(tmp_path: Path):
    store = store_at(str(tmp_path / "store.db"))
    keep_exchange(store, "before", None)
    pages: list[int] = []

    def limit(connection: sqlite3.Connection, _record: object, _proxy: object) -> None:
        limit = connection.execute("PRAGMA page_count").fetchone()[0] if not pages else pages[-1]
        connection.execute(f"PRAGMA max_page_count = {limit}")

    event.listen(store.engine, "checkout", limit)
    with pytest.raises(StoreUnavailable, match="the disk is full"):
        for number in range(200):
            store.feedback.add_sync("t", thumb(number, comment="x" * 4000))
    acknowledged = len(list(store.feedback.every("t")))
    taken = keep_without_waiting(store, 60)
    lost = store.writer.counters.shed  # feedback that was told that it is lost may be among them
    assert lost >= 60 - store.writer.counters.waiting > 0
    pages.append(1_000_000)
    store.writer.flush()
    assert 50 - 5 <= len(list(store.exchanges.every(""))) - 1 <= 50
    assert len(taken) == 60
    assert len(list(store.feedback.every("t"))) == acknowledged
    [gap] = gaps(store.engine)
    assert (gap["kind"], gap["lost"], gap["complete"]) == ("shed", store.writer.counters.shed, True)
    assert store.feedback.add_sync("t", thumb(999))
    store.close()


def test_a_full_queue_refuses_those_who_wait_at_once(tmp_path: Path):
    store = store_at(str(tmp_path / "store.db"), Limits(rows=3, patience=30.0))
    gate = Gate()
    store.writer.put(gate, "held")
    assert gate.reached.wait(10)
    assert [store.writer.put(gate, "x") for _ in range(4)] == [True, True, False, False]
    with pytest.raises(StoreUnavailable, match="more to write than it can"):
        store.feedback.add_sync("t", thumb(1))
    gate.open.set()
    store.writer.flush()
    assert store.feedback.add_sync("t", thumb(1))
    assert store.writer.counters.shed == 2
    store.close()


def test_the_queue_is_bounded_by_the_size_of_what_waits(tmp_path: Path):
    store = store_at(str(tmp_path / "store.db"), Limits(size=1_000))
    gate = Gate()
    store.writer.put(gate, "held", 900)
    assert gate.reached.wait(10)
    assert store.writer.put(gate, "x", 200)
    assert not store.writer.put(gate, "x", 1)
    gate.open.set()
    store.close()


class Picky(Sink[str]):
    """Has the database refuse some rows."""

    def write(self, connection: Connection, payloads: Sequence[str]) -> Sequence[str]:
        for payload in payloads:
            if payload == "raise":
                raise RuntimeError("the canary")
            connection.execute(
                text("INSERT INTO counts (kind, tenant, name, since) VALUES ('k', 't', :name, :since)"), row(payload)
            )
        return payloads


def row(payload: str) -> dict[str, Any]:
    return {"name": payload, "since": None if payload == "refuse" else 1}


def test_a_record_that_cannot_be_written_does_not_keep_the_others(store: Store, caplog: pytest.LogCaptureFixture):
    gate, sink = Gate(), Picky()
    store.writer.put(gate, "held")
    assert gate.reached.wait(10)
    for payload in ("a", "refuse", "b", "raise", "c", "d"):
        store.writer.put(sink, payload)
    gate.open.set()
    store.writer.flush()
    with pytest.raises(StoreError, match="refused a statement") as caught:
        store.writer.write_sync(sink, "refuse")
    assert "INSERT" not in str(caught.value)
    with pytest.raises(StoreError, match="not written: RuntimeError"):
        store.writer.write_sync(sink, "raise")
    with store.engine.connect() as connection:
        assert list(connection.execute(text("SELECT name FROM counts ORDER BY name")).scalars()) == ["a", "b", "c", "d"]
    assert store.writer.counters.refused == 4
    assert "canary" not in caplog.text
    store.close()


def test_a_closed_writer_takes_nothing(tmp_path: Path):
    store = store_at(str(tmp_path / "store.db"))
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        store.feedback.add_sync("t", thumb(1))
    store.close()


def test_closing_does_not_wait_for_ever_for_a_database_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connecting, "SQLITE_WAIT", 0.05)
    store = store_at(str(tmp_path / "store.db"), Limits(farewell=0.3, patience=0.5))
    keep_exchange(store, "before", None)
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        keep_without_waiting(store, 2)
        store.close()
        other.execute("ROLLBACK")
    with closing(sqlite3.connect(tmp_path / "store.db")) as found:
        assert found.execute("SELECT count(*) FROM writers WHERE ended IS NULL").fetchone() == (1,)


SHARED = """
import sys
from guard.store import open_store
from guard.store.feedback import NewFeedback
store = open_store(sys.argv[1])
for number in range(100):
    store.feedback.add_sync("t", NewFeedback(f"{sys.argv[2]}-{number}", "thumb"))
store.close()
"""


def test_four_processes_share_one_store(url: str):
    open_store(url).close()
    running = [subprocess.Popen([sys.executable, "-c", SHARED, url, str(n)]) for n in range(4)]
    assert [process.wait(60) for process in running] == [0] * 4
    store = open_store(url)
    assert len({said.exchange_id for said in store.feedback.every("t")}) == 400
    store.feedback.add_sync("t", thumb(1))
    assert gaps(store.engine) == []
    store.close()
