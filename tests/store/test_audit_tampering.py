"""Whatever is done to a row of the audit without its key is found, and nothing else is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kept_exchanges import keep_exchange
from sqlalchemy import Connection, delete, insert, select, text, update

from guard.errors import StoreError
from guard.store import open_store
from guard.store.audit_events import note_of
from guard.store.audit_exporting import export_heads, read_heads
from guard.store.audit_keys import AuditKey
from guard.store.audit_pruning import prune_audit
from guard.store.audit_verifying import verify
from guard.store.connecting import reading, writing
from guard.store.identity import now
from guard.store.schema import audit, audit_heads
from guard.store.store import Store

COLUMNS = [column.name for column in audit.c]
HEAD_COLUMNS = [column.name for column in audit_heads.c]


def note(store: Store, count: int = 1) -> None:
    for _ in range(count):
        store.audit.note("export", by="gk_1", what="feedback", rows={"train": 3})
    store.writer.flush()


@pytest.fixture
def chains(opened: Callable[[], Store]) -> Store:
    """A store with three chains, the second of which took up the first, and the third both."""
    for count in (6, 4):
        store = opened()
        note(store, count)
        store.close()
    last = opened()
    note(last, 5)
    last.audit.note_command("prune", state="begun")
    last.close()
    return opened()


def state(store: Store) -> dict[Any, list[dict[str, Any]]]:
    with reading(store.engine) as connection:
        return {table: [dict(row) for row in connection.execute(select(table)).mappings()] for table in (audit, audit_heads)}


def put_back(store: Store, rows: dict[Any, list[dict[str, Any]]]) -> None:
    with writing(store.engine) as connection:
        for table, kept in rows.items():
            connection.execute(delete(table))
            connection.execute(insert(table), kept)


def other(value: Any) -> Any:
    if isinstance(value, int):
        return value + 1_000
    if isinstance(value, dict):
        return {**value, "more": 1}
    return value[:-1] + ("0" if value[-1:] != "0" else "1") if value else "x"


def tamper(connection: Connection, kind: str, pick: int, column: int, rows: dict[Any, list[dict[str, Any]]]) -> None:
    entries = sorted(rows[audit], key=lambda row: (row["writer"], row["sequence"]))
    row = entries[pick % len(entries)]
    here = (audit.c.writer == row["writer"], audit.c.sequence == row["sequence"])
    head = rows[audit_heads][pick % len(rows[audit_heads])]
    if kind == "change":
        name = COLUMNS[column % len(COLUMNS)]
        connection.execute(update(audit).where(*here).values({name: other(row[name])}))
    elif kind == "delete":
        connection.execute(delete(audit).where(*here))
    elif kind == "insert":
        connection.execute(insert(audit), {**row, "id": "au_forged", "sequence": row["sequence"] + 1_000})
    elif kind == "insert before":
        connection.execute(insert(audit), {**row, "id": "au_forged", "sequence": -column})
    elif kind == "insert chain":
        connection.execute(insert(audit), {**row, "id": "au_forged", "writer": "wr_forged"})
    elif kind == "swap":
        after = entries[(pick + 1 + column) % len(entries)]
        to = {"writer": after["writer"], "sequence": after["sequence"]}
        there = (audit.c.writer == after["writer"], audit.c.sequence == after["sequence"])
        connection.execute(delete(audit).where(*there))
        connection.execute(update(audit).where(*here).values(to))
        if after is not row:
            connection.execute(insert(audit), {**after, "writer": row["writer"], "sequence": row["sequence"]})
    elif kind == "change head":
        name = HEAD_COLUMNS[column % len(HEAD_COLUMNS)]
        connection.execute(update(audit_heads).where(audit_heads.c.id == head["id"]).values({name: other(head[name])}))
    elif kind == "delete head":
        connection.execute(delete(audit_heads).where(audit_heads.c.id == head["id"]))
    elif kind == "insert head":
        connection.execute(insert(audit_heads), {**head, "id": "head:wr_forged"})


KINDS = ("change", "delete", "insert", "insert before", "insert chain", "swap", "change head", "delete head", "insert head")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(kind=st.sampled_from(KINDS), pick=st.integers(0, 30), column=st.integers(0, 20))
def test_every_change_of_a_single_row_is_found(chains: Store, kind: str, pick: int, column: int):
    before = state(chains)
    with writing(chains.engine) as connection:
        tamper(connection, kind, pick, column, before)
    report = verify(chains)
    put_back(chains, before)
    assert report.count > 0
    assert verify(chains).count == 0


def test_each_entry_that_is_taken_out_is_named(chains: Store):
    before = state(chains)
    for row in before[audit]:
        with writing(chains.engine) as connection:
            connection.execute(delete(audit).where(audit.c.id == row["id"]))
        faults = verify(chains).faults
        assert any((fault.writer, fault.sequence) == (row["writer"], row["sequence"]) for fault in faults), row["sequence"]
        assert {fault.writer for fault in faults} == {row["writer"]}
        put_back(chains, before)


def test_a_changed_entry_is_one_fault_that_says_where(chains: Store):
    row = next(row for row in state(chains)[audit] if row["sequence"] == 3)
    with writing(chains.engine) as connection:
        connection.execute(update(audit).where(audit.c.id == row["id"]).values(actor="gk_2"))
    [fault] = verify(chains).faults
    assert str(fault).startswith(f"{row['writer']} at 3: changed: expected an entry that its hash fits")


def test_an_end_that_is_cut_off_together_with_its_head_shows_in_the_other_chains(chains: Store):
    first = next(row for row in state(chains)[audit_heads] if row["sequence"] == 7)
    with writing(chains.engine) as connection:
        connection.execute(delete(audit).where(audit.c.writer == first["writer"]))
        connection.execute(delete(audit_heads).where(audit_heads.c.writer == first["writer"]))
    faults = verify(chains).faults
    assert {(fault.kind, fault.writer, fault.sequence) for fault in faults} == {("truncated", first["writer"], 7)}
    assert "saw" in faults[0].expected


@pytest.mark.parametrize("form", ["as_json", "as_text"])
def test_a_store_that_was_put_back_to_an_earlier_state_shows_in_a_head_that_was_kept(chains: Store, form: str, tmp_path: Path):
    earlier = state(chains)
    chains.audit.note_command("prune", state="done")
    kept = tmp_path / "head"
    kept.write_text(getattr(export_heads(chains), form)())
    head = read_heads(kept, chains.id, chains.audit.keys)
    assert verify(chains, exported=head).count == 0
    put_back(chains, earlier)
    assert verify(chains).count == 0
    [fault] = verify(chains, exported=head).faults
    assert (fault.kind, fault.writer.partition("/")[0]) == ("truncated", "commands")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("created ", "created 1"),
        lambda text: text.replace("chain wr_", "chain wr_0"),
        lambda text: "",
        lambda text: "{" * 100_000,
        lambda text: '{"format": 1}',
        lambda text: "chain a b\n" + text,
        lambda text: text.replace("store st_", "store st_0"),
    ],
)
def test_a_head_that_was_changed_is_refused(chains: Store, tmp_path: Path, change: Callable[[str], str]):
    kept = tmp_path / "head"
    kept.write_text(change(export_heads(chains).as_text()))
    with pytest.raises(StoreError, match="head"):
        read_heads(kept, chains.id, chains.audit.keys)


def test_a_pruned_chain_verifies_and_its_beginning_is_signed(chains: Store):
    kept = export_heads(chains)
    removed = prune_audit(chains, now() + 1, trial=True)
    rows = len(state(chains)[audit])
    assert prune_audit(chains, now() + 1) == removed == rows - 4
    assert prune_audit(chains, now() + 1) == 0
    report = verify(chains, exported=kept)
    assert (report.count, report.entries, report.chains) == (0, 4, 4)
    note(chains, 3)
    assert verify(chains, exported=kept).count == 0
    before = state(chains)
    for base in [row for row in before[audit_heads] if row["id"].startswith("base:")]:
        with writing(chains.engine) as connection:
            connection.execute(delete(audit_heads).where(audit_heads.c.id == base["id"]))
        assert {fault.kind for fault in verify(chains).faults} == {"missing"}
        put_back(chains, before)
    prune_audit(chains, now() + 1)
    assert verify(chains, exported=kept).count == 0


def test_what_was_changed_is_not_pruned(chains: Store):
    with writing(chains.engine) as connection:
        connection.execute(update(audit).where(audit.c.sequence == 2).values(actor="gk_2"))
    before = state(chains)
    with pytest.raises(StoreError, match="not pruned"):
        prune_audit(chains, now() + 1)
    assert [row for row in state(chains)[audit] if row["sequence"] == 2] == [row for row in before[audit] if row["sequence"] == 2]


def test_entries_since_a_time_are_looked_at_and_earlier_ones_are_believed(chains: Store):
    middle = now()
    note(chains, 3)
    assert verify(chains, since=middle).entries == 4 + 1  # with what it begins with, and the heads that it took up
    assert verify(chains, since=now() + 1).count == 0
    with writing(chains.engine) as connection:
        connection.execute(update(audit).where(audit.c.created < middle, audit.c.sequence == 2).values(actor="gk_2"))
    assert verify(chains, since=middle).count == 0
    assert verify(chains).count > 0
    with writing(chains.engine) as connection:
        connection.execute(update(audit).where(audit.c.created >= middle, audit.c.sequence == 2).values(actor="gk_2"))
    assert verify(chains, since=middle).count == 1


def test_bytes_that_are_no_text_are_found_and_do_not_stop_the_walk(tmp_path: Path):
    store = open_store(str(tmp_path / "store.db"))
    note(store, 3)
    with writing(store.engine) as connection:
        connection.execute(text("UPDATE audit SET actor = CAST(x'ff00fe' AS TEXT) WHERE sequence = 2"))
        connection.execute(text("UPDATE audit SET created = 'soon' WHERE sequence = 3"))
    assert [(fault.kind, fault.sequence) for fault in verify(store).faults] == [("changed", 2), ("changed", 3)]
    store.close()


def test_a_hundred_thousand_entries_are_verified_in_little_memory(tmp_path: Path):
    store = open_store(str(tmp_path / "store.db"))
    store.audit.prepare()
    for _ in range(100):
        with writing(store.engine, durable=False) as connection:
            store.audit.append(connection, [note_of("export", by="gk_1", what="feedback") for _ in range(1_000)])
    store.close()
    said = subprocess.run(
        [sys.executable, "-c", VERIFIED, str(tmp_path / "store.db")], capture_output=True, text=True, check=True
    )
    entries, faults, grown = map(int, said.stdout.split())
    assert (entries, faults) == (100_001, 0)
    assert grown < 30_000, "kilobytes"


VERIFIED = """
import resource, sys
from guard.store import open_store
from guard.store.audit_verifying import verify
store = open_store(sys.argv[1])
verify(store, since=2**62)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
report = verify(store)
print(report.entries, report.count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def rows_of(chains: Store, writer: str) -> list[dict[str, Any]]:
    return sorted((row for row in state(chains)[audit] if row["writer"] == writer), key=lambda row: row["sequence"])


def forged(chains: Store, writer: str) -> dict[str, Any]:
    """An entry that fits in every way but that nobody without the key can sign: the chain's next, signed with another key."""
    last = rows_of(chains, writer)[-1]
    row = {**last, "id": "au_forged", "sequence": last["sequence"] + 1, "previous": last["hash"], "actor": "gk_somebody"}
    return {**row, "hash": AuditKey(b"another", outside=False).mac("entry", list(row.values())[:-1])}


@pytest.mark.parametrize(
    ("attack", "expected"),
    [
        ("changed", {"changed"}),
        ("taken out", {"missing"}),
        ("swapped", {"changed", "reordered"}),
        ("cut off", {"truncated"}),
        ("cut off with its head", {"truncated"}),
        ("forged", {"changed", "inserted"}),
        ("forged with a head", {"changed", "head", "truncated"}),
        ("chain gone", {"truncated"}),
        ("all gone", {"truncated"}),
    ],
)
def test_each_attack_is_found_by_a_head_that_was_kept_elsewhere(chains: Store, attack: str, expected: set[str]):
    writer = next(row["writer"] for row in state(chains)[audit_heads] if row["sequence"] == 7)
    exported = export_heads(chains)
    mine, head = audit.c.writer == writer, audit_heads.c.writer == writer
    with writing(chains.engine) as connection:
        if attack == "changed":
            connection.execute(update(audit).where(mine, audit.c.sequence == 3).values(actor="gk_2"))
        elif attack == "taken out":
            connection.execute(delete(audit).where(mine, audit.c.sequence == 3))
        elif attack == "swapped":
            for before, after in ((3, 99), (4, 3), (99, 4)):
                connection.execute(update(audit).where(mine, audit.c.sequence == before).values(sequence=after))
        elif attack == "forged":
            connection.execute(insert(audit), forged(chains, writer))
        elif attack == "forged with a head":
            row = forged(chains, writer)
            connection.execute(insert(audit), row)
            connection.execute(update(audit_heads).where(head).values(sequence=row["sequence"], hash=row["hash"]))
        elif attack == "all gone":
            connection.execute(delete(audit))
            connection.execute(delete(audit_heads))
        else:
            connection.execute(delete(audit).where(mine, audit.c.sequence >= (1 if attack == "chain gone" else 6)))
            if attack != "cut off":
                connection.execute(delete(audit_heads).where(head))
    kinds = {fault.kind for fault in verify(chains, exported=exported).faults}
    assert kinds & expected
    if attack != "all gone":
        assert verify(chains).count > 0, "without it, too"


def test_an_audit_that_is_gone_shows_in_the_exchanges_that_it_told_of(opened: Callable[[], Store]):
    store = opened()
    keep_exchange(store, "hello", "hello")
    writer = store.audit.writer
    assert verify(store).count == 0
    store.close()
    with writing(store.engine) as connection:
        connection.execute(delete(audit))
        connection.execute(delete(audit_heads))
    assert [(fault.kind, fault.writer) for fault in verify(opened()).faults] == [("missing", writer)]
