"""The audit says who did what, in chains that go on; no word of anybody is in it."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from kept_exchanges import guard_with, keep_exchange
from sqlalchemy import insert, select, update

from guard.errors import StoreError
from guard.store import schema
from guard.store.audit_chain import Head, signed_row
from guard.store.audit_events import FIELDS, Event, note_of
from guard.store.audit_verifying import verify
from guard.store.connecting import reading, writing
from guard.store.store import Store
from guard.store.writing import Sink
from guard.values import Caller

CANARY = "heron-4711-canary"


def entries(store: Store) -> list[Any]:
    with reading(store.engine) as connection:
        return list(connection.execute(select(schema.audit).order_by(schema.audit.c.writer, schema.audit.c.sequence)))


def test_a_decision_is_noted_with_its_rules_and_without_a_word_of_it(store: Store):
    caller = Caller("acme", "gk_1", f"jane {CANARY}")
    exchange = keep_exchange(store, f"tell me of the kraken {CANARY}", f"no {CANARY}", caller=caller)
    said = list(store.audit.every("acme", about=exchange))
    assert [(row.event, row.actor, row.details["stage"], row.details["action"], row.details["rules"]) for row in said] == [
        ("decision", "gk_1", "input", "block", ["no-kraken"]),
        ("decision", "gk_1", "output", "allow", []),
    ]
    everything = repr(entries(store))
    assert CANARY not in everything
    assert store.pseudonym("subject", "acme", caller.subject) not in everything
    assert list(store.audit.every("other", about=exchange)) == []


@pytest.mark.parametrize("event", list(Event))
@pytest.mark.parametrize(
    "text", ["two words", "jane@example.org", "x" * 129, "ä", "a\nb", {"a": CANARY + " "}, [CANARY + " "], 1.5]
)
def test_no_event_has_a_field_that_takes_a_text(event: Event, text: object):
    for name in FIELDS[event]:
        with pytest.raises(ValueError, match=name) as raised:
            note_of(event, **{name: text})
        assert CANARY not in str(raised.value)


@pytest.mark.parametrize("given", [{"by": "Jane Doe"}, {"about": "a b"}, {"tenant": "ä"}, {"subject": "s"}, {"text": "s"}])
def test_who_and_what_are_ids_and_there_is_no_field_for_a_subject(given: dict[str, str]):
    with pytest.raises(ValueError, match=next(iter(given))):
        note_of("decision", **given)
    with pytest.raises(ValueError, match="no-such-event"):
        note_of("no-such-event")


def test_policies_and_keys_are_noted_with_who_changed_them(store: Store):
    guard, _ = guard_with(store)
    store.policies.put_in_force("", guard.policy, {}, actor="gk_9")
    store.policies.put_in_force("", guard.policy, {}, actor="gk_9")
    store.writer.flush()
    key = store.keys.create("acme", ["viewer"], created_by="gk_9").key.id
    assert store.keys.revoke("acme", key, revoked_by="gk_8")
    assert not store.keys.revoke("acme", key, revoked_by="gk_7")
    store.keys.note_use(key)
    store.writer.flush()
    said = [(row.event, row.actor, row.object) for row in entries(store) if row.event != "writer.started"]
    assert sorted(said) == [
        ("key.created", "gk_9", key),
        ("key.revoked", "gk_8", key),
        ("key.used", key, key),
        ("policy.changed", "gk_9", guard.policy.digest),
    ]
    assert verify(store).count == 0


def test_an_entry_that_was_awaited_is_there_and_one_that_was_not_comes_soon(store: Store):
    entry = asyncio.run(store.audit.noted("export", by="gk_1", what="feedback", rows={"train": 3}))
    assert entry in {row.id for row in entries(store)}
    assert store.audit.note("import", by="gk_1", taken=3)
    store.writer.flush()
    assert [row.event for row in entries(store)] == ["writer.started", "export", "import"]


class _Fails(Sink[str]):
    """Writes into the audit in a transaction that fails the first times."""

    def __init__(self, store: Store) -> None:
        self.store, self.left, self.note = store, 2, note_of("backup", by="gk_1")

    def write(self, connection: Any, payloads: Any) -> Any:
        self.store.audit.append(connection, [self.note])
        self.left -= 1
        if self.left >= 0:
            raise StoreErrorThatPasses("gone")
        return payloads


class StoreErrorThatPasses(StoreError):
    """As a database says that goes away for a moment."""


def test_what_a_transaction_wrote_that_failed_is_not_in_the_chain_and_comes_once(store: Store):
    store.audit.noted_sync("export", by="gk_1")
    assert store.writer.write_sync(_Fails(store), "x") == "x"
    store.audit.noted_sync("export", by="gk_1")
    assert [row.event for row in entries(store)] == ["writer.started", "export", "backup", "export"]
    assert verify(store).count == 0


def test_an_entry_whose_commit_was_not_answered_is_there_once(store: Store):
    note = note_of("backup", by="gk_1")

    class Again(Sink[str]):
        def write(self, connection: Any, payloads: Any) -> Any:
            store.audit.append(connection, [note])
            return payloads

    sink = Again()
    store.writer.write_sync(sink, "x")
    store.writer.write_sync(sink, "x")
    assert [row.event for row in entries(store)] == ["writer.started", "backup"]


def test_a_chain_that_somebody_wrote_into_is_left_for_a_new_one(store: Store):
    store.audit.noted_sync("export", by="gk_1")
    last = entries(store)[-1]
    with writing(store.engine) as connection:
        connection.execute(insert(schema.audit), {**last._asdict(), "sequence": 3, "id": "au_forged"})
    store.audit.noted_sync("import", by="gk_1")
    fresh = [row for row in entries(store) if row.writer == f"{last.writer}/2"]
    assert [row.event for row in fresh] == ["writer.started", "chain.broken", "import"]
    assert fresh[1].details == {"writer": last.writer, "sequence": 2, "hash": last.hash}
    assert {(fault.kind, fault.writer) for fault in verify(store).faults} >= {("changed", last.writer)}


def test_every_process_has_a_chain_and_takes_up_the_ends_of_the_others(opened: Callable[[], Store]):
    stores = [opened() for _ in range(4)]

    def write(store: Store) -> None:
        for _ in range(25):
            store.audit.noted_sync("export", by="gk_1")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, stores))
    report = verify(stores[0])
    assert (report.chains, report.count) == (4, 0)
    last = opened()
    last.audit.noted_sync("export", by="gk_1")
    last.writer.flush()
    heads = [row.details["heads"] for row in entries(last) if row.event == "heads" and row.writer == last.audit.writer]
    assert {store.audit.writer for store in stores} <= set(heads[0])


def test_commands_that_come_one_after_the_other_share_a_chain(opened: Callable[[], Store]):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda store: store.audit.note_command("prune", state="begun"), [opened() for _ in range(8)]))
    rows = entries(opened())
    assert [row.event for row in rows] == ["writer.started", *["prune"] * 8]
    assert len({row.writer for row in rows}) == 1
    assert verify(opened()).count == 0


def test_the_chain_of_commands_is_not_continued_where_it_was_cut(store: Store):
    store.audit.note_command("prune", state="begun")
    with writing(store.engine) as connection:
        connection.execute(schema.audit.delete().where(schema.audit.c.sequence == 2))
    with pytest.raises(StoreError, match="guard audit verify"):
        store.audit.note_command("prune", state="done")


KILLED = """
import sys
from guard.store import open_store
store = open_store(sys.argv[1])
number = 0
while True:
    store.audit.note("export", by="gk_1")
    print(store.audit.noted_sync("export", by="gk_2"), flush=True)
"""


def test_after_kill_9_every_chain_is_whole_and_the_gap_is_noted(url: str, opened: Callable[[], Store]):
    opened()
    running = [subprocess.Popen([sys.executable, "-c", KILLED, url], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    acknowledged: list[str] = []
    for process in running:
        assert process.stdout is not None
        acknowledged += [process.stdout.readline().strip() for _ in range(40)]
    for process in running:
        process.send_signal(signal.SIGKILL)
        assert process.stdout is not None
        acknowledged += [line.strip() for line in process.stdout.read().splitlines()[:-1]]
        process.wait(10)
        process.stdout.close()
    after = opened()
    after.audit.noted_sync("import", by="gk_1")
    report = verify(after)
    assert (report.count, [str(fault) for fault in report.faults]) == (0, [])
    rows = entries(after)
    assert set(acknowledged) <= {row.id for row in rows}
    gaps = [row.details for row in rows if row.event == "gap"]
    assert len(gaps) == 2
    assert {gap["kind"] for gap in gaps} == {"crash"}
    assert {gap["writer"] for gap in gaps} <= {row.writer for row in rows}


def test_what_is_signed_with_another_stores_key_does_not_count(opened: Callable[[], Store], monkeypatch: pytest.MonkeyPatch):
    store = opened()
    store.audit.noted_sync("export", by="gk_1")
    monkeypatch.setenv("TENET_AUDIT_KEY", "k" * 40)
    outside = opened()
    outside.audit.noted_sync("export", by="gk_1")
    assert {fault.kind for fault in verify(outside).faults} == {"unvouched"}
    monkeypatch.setenv("TENET_AUDIT_KEY", "short")
    with pytest.raises(StoreError, match="at least 32 characters"):
        opened().audit.note_command("prune")


def test_an_outside_key_takes_over_and_then_the_database_alone_forges_nothing(
    opened: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
):
    before = opened()
    before.audit.noted_sync("export", by="gk_1")
    own = before.audit.keys.first
    monkeypatch.setenv("TENET_AUDIT_KEY", "k" * 40)
    from guard.store.audit_adopting import adopt

    outside = opened()
    assert adopt(outside) == 1
    assert verify(outside).count == 0
    writer = before.audit.writer
    row = {**note_row(before), "writer": writer}
    row["hash"] = own.mac("entry", [*list(row.values())[:8], json.dumps(row["details"]), row["previous"]])
    with writing(outside.engine) as connection:
        connection.execute(insert(schema.audit), row)
        head = signed_row(own, "head", writer, Head(row["sequence"], row["hash"]))
        connection.execute(update(schema.audit_heads).where(schema.audit_heads.c.writer == writer).values(**head))
    [fault] = verify(outside).faults
    assert (fault.kind, fault.writer, fault.sequence) == ("unvouched", writer, 3)
    monkeypatch.setenv("TENET_AUDIT_KEY", "other" * 8)
    with pytest.raises(StoreError, match="nothing is taken over"):
        adopt(opened())


def note_row(store: Store) -> dict[str, Any]:
    """The values of an entry that somebody who has the store's own key adds, in the order in which they are signed."""
    last = entries(store)[-1]
    named = {"writer": "", "sequence": 3, "id": "au_x", "created": last.created, "tenant": "", "event": "export"}
    return {**named, "actor": "", "object": "", "details": {}, "previous": last.hash}


def test_an_audit_of_a_key_that_is_not_given_cannot_be_read(opened: Callable[[], Store], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TENET_AUDIT_KEY", "k" * 40)
    opened().audit.noted_sync("export", by="gk_1")
    monkeypatch.delenv("TENET_AUDIT_KEY")
    with pytest.raises(StoreError, match="TENET_AUDIT_KEY"):
        verify(opened())
