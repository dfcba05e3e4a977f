"""Somebody is erased: from every table there is or will be, from the file, and from what comes late or comes back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from feedback_given import keep_answers, say
from kept_exchanges import keep_exchange
from postgres_server import PostgresServer
from rows_of_a_person import CANARY, fill
from sqlalchemy import Engine, Table, func, select

from guard.errors import StoreError
from guard.store import erasing, open_store, schema
from guard.store.audit_verifying import verify
from guard.store.backup import backup, restore
from guard.store.belonging import STAYING, Kind, Whose, linked_tables
from guard.store.connecting import connect, parsed, reading
from guard.store.erasing import count, erase
from guard.store.exporting.asked import FORMATS
from guard.store.exporting.asked import Asked as ExportAsked
from guard.store.exporting.exporting import export
from guard.store.feedback import NewFeedback
from guard.store.importing.importing import Asked, import_file
from guard.store.person import write_person
from guard.store.reerasing import remembered
from guard.store.store import Store
from guard.values import Caller

NOBODYS = {
    "meta": "is about the store",
    "secrets": "keys of the store",
    "keys": "of callers and reviewers, which are revoked",
    "sources": "who gives feedback, by keys and digests",
    "counts": "numbers",
    "imports": "files, by digest",
    "policy_versions": "policies",
    "policy_changes": "policies",
    "audit_heads": "hashes",
    "webhooks": "addresses of other systems",
    "writers": "processes",
    "gaps": "times",
}
"""Tables that hold nothing of a person, and what they hold."""


def of(store: Store, name: str, kind: Kind = Kind.SUBJECT, tenant: str = "") -> Whose:
    return Whose(tenant, kind, (name if kind is Kind.EXCHANGE else store.pseudonym(kind.value, tenant, name),))


def rows(store: Store) -> dict[str, int]:
    with reading(store.engine) as connection:
        return {table.name: connection.execute(select(func.count()).select_from(table)).scalar_one() for table in linked_tables()}


def everything(store: Store) -> str:
    with reading(store.engine) as connection:
        return "".join(
            repr([bytes(value) if isinstance(value, memoryview) else value for value in row])
            for table in schema.metadata.sorted_tables
            if table.name != "audit"
            for row in connection.execute(select(table))
        )


def test_every_table_is_erased_from_or_is_known_to_hold_nothing_of_a_person():
    erased = {table.name for table in linked_tables()}
    known = {table.name for table in schema.metadata.sorted_tables}
    assert not erased & (NOBODYS.keys() | STAYING.keys())
    assert known == erased | NOBODYS.keys() | STAYING.keys(), "a new table: link it by its columns, or say here what it holds"
    assert {table.name for table, _ in schema.sealed_columns()} <= erased | {"secrets", "webhooks"}


@pytest.mark.parametrize("kind", ["subject", "conversation", "exchange"])
def test_an_erased_person_is_in_no_table_and_everybody_else_is(store: Store, kind: str):
    mine, _, _ = fill(store, "jane"), fill(store, "joan"), fill(store, "jane", tenant="other")
    before = rows(store)
    assert all(before.values())
    whose = Whose("", Kind(kind), (mine[kind],))
    expected = count(store.engine, whose)
    assert all(expected.values())
    erased = erase(store, whose, actor="tester")
    assert erased.rows == expected
    assert rows(store) == {name: before[name] - removed for name, removed in expected.items()}
    assert sum(count(store.engine, whose).values()) == 0
    left = everything(store)
    assert mine["exchange"] not in left
    assert kind == "exchange" or mine[kind] not in left
    assert f"{CANARY} joan" in left
    assert f"{CANARY} jane" in left, "the one of the other tenant"
    with reading(store.engine) as connection:
        said = connection.execute(select(schema.audit).where(schema.audit.c.event == "erasure")).all()
    assert [(row.details["state"], row.object, row.actor) for row in said] == [
        (state, erased.id, "tester") for state in ("begun", "done")
    ]
    again = erase(store, whose)
    assert (again.id, again.repeated, sum(again.rows.values())) == (erased.id, True, 0)


def test_more_is_erased_than_one_transaction_takes(store: Store):
    subject = store.pseudonym("subject", "", "jane")
    made = [{"id": f"ex_{n}", "tenant": "", "subject": subject, "action": 0, "created": 1} for n in range(450)]
    said = [{"id": f"fb_{n}", "tenant": "", "subject": subject, "created": 1} for n in range(450)]
    with store.engine.begin() as connection:
        connection.execute(schema.exchanges.insert(), made)
        connection.execute(schema.feedback.insert(), said)
    erased = erase(store, of(store, "jane"))
    assert (erased.rows["exchanges"], erased.rows["feedback"]) == (450, 450)
    assert not any(rows(store).values())


@pytest.mark.parametrize("encrypted", [False, True])
def test_nothing_of_an_erased_person_is_left_in_the_file_or_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encrypted: bool
):
    if encrypted:
        monkeypatch.setenv("TENET_STORE_KEY", Fernet.generate_key().decode())
    store = open_store(str(tmp_path / "store.db"))
    for number in range(60):
        fill(store, f"jane{number}")
        keep_answers(store, f"{CANARY} {number} " * (number + 1), ["yes"], subject="jane")
        keep_answers(store, f"something else {number}", ["no"], subject="joan")
    ids = [store.pseudonym("subject", "", name) for name in ("jane", *(f"jane{number}" for number in range(60)))]
    with reading(store.engine) as connection:
        bodies = [bytes(body)[:64] for body in connection.execute(select(schema.texts.c.body)).scalars()]
    assert encrypted is not any(CANARY.encode() in path.read_bytes() for path in tmp_path.iterdir())
    other = open_store(str(tmp_path / "store.db"))
    erase(store, Whose("", Kind.SUBJECT, tuple(ids)))
    with reading(store.engine) as connection:
        kept = {bytes(body)[:64] for body in connection.execute(select(schema.texts.c.body)).scalars()}
    assert len(kept) < len(set(bodies))
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        assert CANARY.encode() not in content
        assert [each for each in ids if each.encode() in content] == []
        assert sum(body in content for body in bodies if body not in kept) == 0
    assert len(list(other.exchanges.every(""))) == 60
    other.close()
    store.close()


def test_what_a_running_server_writes_late_of_an_erased_person_is_not_kept(opened: Callable[[], Store]):
    server, command = opened(), opened()
    exchange = keep_answers(server, f"{CANARY}", ["yes"], subject="jane", tenant="t")
    erased = erase(command, of(command, "jane", tenant="t"))
    assert erased.rows["exchanges"] == 1
    say(server, exchange, "correction", tenant="t", correction=f"{CANARY}: late feedback about what is gone")
    fill(server, "jane", tenant="t", created=1)
    assert [name for name, number in rows(server).items() if number] == []
    assert CANARY not in everything(server)
    later = keep_answers(server, "a new beginning", ["yes"], subject="jane", tenant="t")
    say(server, later, "thumb", tenant="t", value=1.0)
    keep_answers(server, "of another tenant", ["yes"], subject="jane")
    assert rows(server)["exchanges"] == 2
    assert rows(server)["feedback"] == 1


def test_erasing_goes_on_while_others_write(opened: Callable[[], Store]):
    server, command = opened(), opened()
    stop, begun = threading.Event(), threading.Event()
    failures: list[BaseException] = []

    def serve() -> None:
        try:
            number = 0
            while not stop.is_set():
                exchange = keep_exchange(server, "hello", "hello", caller=Caller("", subject=f"p{number % 3}"))
                server.feedback.add_sync("", NewFeedback(exchange, "thumb", value=1.0))
                number += 1
                if number == 9:
                    begun.set()
        except BaseException as error:
            failures.append(error)
            begun.set()

    busy = threading.Thread(target=serve)
    busy.start()
    assert begun.wait(30)
    first = erase(command, of(command, "p0"))
    stop.set()
    busy.join(30)
    assert failures == []
    assert first.rows["exchanges"] >= 3
    erase(command, of(command, "p0"))
    assert sum(count(command.engine, of(command, "p0")).values()) == 0
    known = {exchange.id for exchange in command.exchanges.every("")}
    assert {said.exchange_id for said in command.feedback.every("")} == known
    with reading(command.engine) as connection:
        assert set(connection.execute(select(schema.texts.c.exchange_id)).scalars()) == known


KILLED = """
import os, signal, sys
from guard.store import erasing, open_store
from guard.store.belonging import Kind, Whose
store = open_store(sys.argv[1])
left = int(sys.argv[2])
remove = erasing.remove_at_once
def some(*arguments, **named):
    global left
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    return remove(*arguments, **{**named, "most": 2})
erasing.remove_at_once, erasing._STEP = some, 2
erasing.erase(store, Whose("", Kind.SUBJECT, (store.pseudonym("subject", "", "jane"),)))
"""


@pytest.mark.parametrize("steps", [0, 2])
def test_an_erasure_that_was_killed_goes_on_when_it_is_run_again(url: str, steps: int):
    store = open_store(url)
    for number in range(6):
        exchange = keep_answers(store, f"{CANARY} {number}", ["yes"], subject="jane")
        say(store, exchange, "thumb", value=1.0)
    died = subprocess.run([sys.executable, "-c", KILLED, url, str(steps)], timeout=30, check=False)
    assert died.returncode == -signal.SIGKILL
    assert rows(store)["exchanges"] == rows(store)["feedback"] == 6 - 2 * steps
    assert keep_answers(store, f"{CANARY} again", ["yes"], subject="jane"), "new, and not late"
    erased = erase(store, of(store, "jane"))
    assert erased.repeated
    assert not any(rows(store).values())
    store.close()


@pytest.mark.parametrize("where", ["store", "backup"])
@pytest.mark.parametrize("name", ["old.zip", "old.db"])
def test_an_older_backup_does_not_bring_back_who_was_erased(
    store: Store, where: str, name: str, tmp_path: Path, url: str, postgres: PostgresServer
):
    if name == "old.db" and store.engine.dialect.name == "postgresql":
        pytest.skip("a store on PostgreSQL has no such backup")
    exchange = keep_answers(store, f"{CANARY}", ["yes"], subject="jane")
    lost = keep_answers(store, f"{CANARY}, too", ["yes"], subject="jim")
    kept = keep_answers(store, "of another", ["yes"], subject="joan")
    backup(store.engine, tmp_path / name)
    erase(store, of(store, "jane"))
    erase(store, of(store, lost, Kind.EXCHANGE))
    backup(store.engine, tmp_path / "new.zip")
    assert CANARY not in everything(store)
    engine = connect(parsed(str(tmp_path / "restored.db")))
    restore(tmp_path / name, engine, remembered(url if where == "store" else str(tmp_path / "new.zip")))
    engine.dispose()
    restored = open_store(str(tmp_path / "restored.db"))
    assert [each.id for each in restored.exchanges.every("")] == [kept]
    restored.feedback.add_sync("", NewFeedback(exchange, "correction", correction=CANARY))
    assert list(restored.feedback.every("")) == []
    restored.close()
    assert all(CANARY.encode() not in path.read_bytes() for path in tmp_path.glob("restored.db*"))


def test_a_backup_made_afterwards_has_nothing_of_an_erased_person(store: Store, tmp_path: Path):
    keep_answers(store, CANARY, ["yes"], subject="jane")
    erase(store, of(store, "jane"))
    backup(store.engine, tmp_path / "b.zip")
    engine = connect(parsed(str(tmp_path / "restored.db")))
    restore(tmp_path / "b.zip", engine)
    engine.dispose()
    restored = open_store(str(tmp_path / "restored.db"))
    assert CANARY not in everything(restored)
    assert store.pseudonym("subject", "", "jane") not in everything(restored)
    restored.close()
    if store.engine.dialect.name == "sqlite":
        backup(store.engine, tmp_path / "b.db")
        assert CANARY.encode() not in (tmp_path / "b.db").read_bytes()


def test_what_was_erased_from_another_store_is_not_taken_for_this_ones(opened: Callable[[], Store], tmp_path: Path):
    store = opened()
    keep_answers(store, "hello", ["yes"], subject="jane")
    backup(store.engine, tmp_path / "b.zip")
    other = open_store(str(tmp_path / "other.db"))
    erase(other, of(other, "jane"))
    other.close()
    engine = connect(parsed(str(tmp_path / "restored.db")))
    with pytest.raises(StoreError, match="got another's"):
        restore(tmp_path / "b.zip", engine, remembered(str(tmp_path / "other.db")))
    engine.dispose()
    restored = open_store(str(tmp_path / "restored.db"))
    assert list(restored.exchanges.every("")) == []
    restored.close()


def test_an_import_does_not_bring_back_who_was_erased(store: Store, tmp_path: Path):
    exchange = keep_answers(store, CANARY, ["yes"], subject="jane")
    erase(store, of(store, "jane"))
    lines = [
        {"prompt": f"{CANARY} 1", "chosen": "a", "rejected": "b", "subject": "jane"},
        {"prompt": "2", "chosen": "c", "rejected": "d", "subject": "joan"},
        {"exchange_id": exchange, "kind": "correction", "correction": CANARY},
        {"exchange_id": "ex_unknown", "kind": "thumb", "value": 1},
    ]
    file = tmp_path / "people.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = import_file(store, Asked(file))
    assert found.taken == 4
    assert found.rows == {"pairs": 1, "feedback": 1}
    assert CANARY not in everything(store)


GUARD = str(Path(sys.executable).with_name("guard"))


def guard_store(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [GUARD, "store", *arguments]
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=30, check=False, env=environment)


def test_the_commands_erase_and_hand_out_a_person(tmp_path: Path):
    path = str(tmp_path / "store.db")
    store = open_store(path)
    exchange = keep_answers(store, f"My name is {CANARY}", ["Hello"], subject="jane@example.org")
    say(store, exchange, "correction", correction="You should have said my name.")
    keep_answers(store, "of another", ["Hello"], subject="joan@example.org")
    store.close()
    out = tmp_path / "jane"
    handed = guard_store("subject", "--subject", "-", "--out", str(out), "--store", path, "--json", given="jane@example.org\n")
    assert handed.returncode == 0, handed.stderr
    counted = json.loads(handed.stdout)["rows"]
    assert {"exchanges": 1, "texts": 2, "feedback": 1}.items() <= counted.items()
    assert sorted(file.name for file in out.iterdir()) == sorted(["README.md", *(f"{name}.jsonl" for name in counted)])
    assert out.stat().st_mode & 0o777 == 0o700
    said = "".join(file.read_text() for file in out.iterdir())
    assert all(words in said for words in (CANARY, "You should have said my name.", exchange))
    assert "of another" not in said
    assert guard_store("subject", "--subject", "x", "--out", str(out), "--store", path).returncode == 2

    wrong = [[], ["--subject", "a", "--exchange", "ex_1"], ["--exchange", "'; DROP"], ["--subject", "a", "--tenant", "a b"]]
    for arguments in wrong:
        refused = guard_store("erase", *arguments, "--yes", "--store", path)
        assert (refused.returncode, "expected" in refused.stderr, "Traceback" in refused.stderr) == (2, True, False)
    counted = json.loads(guard_store("erase", "--subject", "jane@example.org", "--dry-run", "--json", "--store", path).stdout)
    assert (counted["rows"]["exchanges"], counted["rows"]["feedback"]) == (1, 1)
    asked = guard_store("erase", "--subject", "jane@example.org", "--store", path)
    assert (asked.returncode, "say --yes" in asked.stderr, "jane" in asked.stderr) == (2, True, False)
    erased = guard_store("erase", "--subject", "jane@example.org", "--yes", "--store", path)
    assert (erased.returncode, "rows erased (er_" in erased.stdout) == (0, True)
    assert all(CANARY.encode() not in file.read_bytes() for file in tmp_path.glob("store.db*"))
    nothing = guard_store("erase", "--subject", "nobody", "--yes", "--store", path)
    assert (nothing.returncode, "is it this --tenant" in nothing.stderr) == (0, True)
    verified = subprocess.run(
        [GUARD, "audit", "verify", "--store", path], capture_output=True, text=True, timeout=30, check=False
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_what_waits_in_a_servers_queue_while_somebody_is_erased_is_not_kept(opened: Callable[[], Store]):
    server, command = opened(), opened()
    keep_answers(server, f"{CANARY} before", ["yes"], subject="jane")
    held = threading.Event()
    server.writer.before_writing.insert(0, lambda: held.wait(20))
    waiting = [keep_answers(server, f"{CANARY} {number}", ["yes"], subject="jane", flush=False) for number in range(3)]
    other = keep_answers(server, "of another", ["yes"], subject="joan", flush=False)
    erased = erase(command, of(command, "jane"))
    assert (erased.rows["exchanges"], erased.rows["texts"]) == (1, 2)
    held.set()
    server.writer.flush()
    assert [each.id for each in command.exchanges.every("")] == [other]
    assert CANARY not in everything(command)
    for exchange in waiting:
        say(server, exchange, "correction", correction=CANARY)
    assert list(command.feedback.every("")) == []


LATE = """
import sys
from feedback_given import keep_answers, say
from guard.store import open_store
store = open_store(sys.argv[1])
store.writer.limits = type(store.writer.limits)(linger=60.0)
exchange = keep_answers(store, sys.argv[2], ["yes"], subject="jane", flush=False)
print(exchange, flush=True)
sys.stdin.readline()
store.writer.flush()
say(store, exchange, "comment", comment=sys.argv[2])
store.close()
"""


def test_what_another_process_writes_late_is_not_kept(url: str, store: Store):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", LATE, url, CANARY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        exchange = server.stdout.readline().strip()
        assert exchange.startswith("ex_")
        erased = erase(store, of(store, "jane"))
        assert sum(erased.rows.values()) == 0
        server.communicate("go on\n", timeout=30)
    assert server.returncode == 0
    assert [name for name, number in rows(store).items() if number] == []
    assert CANARY not in everything(store)
    assert verify(store).count == 0


def test_what_comes_while_its_person_is_erased_is_gone_as_a_whole(store: Store, monkeypatch: pytest.MonkeyPatch):
    """An exchange that is written after its table's turn has neither texts nor feedback left behind."""
    keep_answers(store, f"{CANARY} before", ["yes"], subject="jane")
    remove = erasing._remove_in_steps
    came: list[str] = []

    def slowly(engine: Engine, table: Table, whose: Whose) -> int:
        if table is schema.exchanges or (table is schema.feedback and not came):
            came.append(keep_answers(store, f"{CANARY} meanwhile", ["yes"], subject="jane"))
            say(store, came[-1], "correction", correction=CANARY)
        return remove(engine, table, whose)

    monkeypatch.setattr(erasing, "_remove_in_steps", slowly)
    erase(store, of(store, "jane"))
    assert came
    assert [name for name, number in rows(store).items() if number] == []


@pytest.mark.parametrize("encrypted", [False, True])
def test_no_export_that_is_made_afterwards_has_an_erased_person(
    opened: Callable[[], Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encrypted: bool
):
    if encrypted:
        monkeypatch.setenv("TENET_STORE_KEY", Fernet.generate_key().decode())
    store = opened()
    for subject, words in (("jane", f"{CANARY} of the north"), ("joan", "bread and butter in the south")):
        exchange = keep_answers(store, words, [f"What of {words}?", "No."], subject=subject)
        say(store, exchange, "preference", preferred=0, compared=(1,))
        say(store, exchange, "thumb", value=1.0, choice=0)
        say(store, exchange, "score", value=0.5, choice=0)
        say(store, exchange, "category", category="harassment", value=0.0, choice=0)
        say(store, exchange, "correction", choice=1, correction=f"{words} is what I would say")
    lines = {"prompt": f"{CANARY}?", "chosen": "yes", "rejected": "no", "subject": "jane"}
    (tmp_path / "pairs.jsonl").write_text(json.dumps(lines) + "\n")
    import_file(store, Asked(tmp_path / "pairs.jsonl"))
    subject = store.pseudonym("subject", "", "jane")
    for state in ("before", "after"):
        for kind in FORMATS:
            out = tmp_path / state / kind
            out.parent.mkdir(exist_ok=True)
            card = export(store, ExportAsked(kind, out, keep_personal_data=True))
            assert card["records"] > 0
            there = [file.name for file in out.iterdir() if CANARY.encode() in file.read_bytes()]
            assert bool(there) is (state == "before"), there
        written = write_person(store, "", subject, tmp_path / state / "person", actor="tester")
        assert bool(written) is (state == "before")
        erase(store, of(store, "jane"))


def test_a_person_is_handed_everything_that_would_be_erased_and_what_the_audit_says(store: Store, tmp_path: Path):
    fill(store, "jane"), fill(store, "joan"), fill(store, "jane", tenant="other")
    store.audit.noted_sync("label.changed", by="ann", about="labels-jane", verdict="allowed")
    subject = store.pseudonym("subject", "", "jane")
    written = write_person(store, "", subject, tmp_path / "jane", actor="ann")
    due = count(store.engine, Whose("", Kind.SUBJECT, (subject,)))
    assert written == {**due, "audit": 1}
    for name, number in written.items():
        lines = [json.loads(line) for line in (tmp_path / "jane" / f"{name}.jsonl").read_text().splitlines()]
        assert len(lines) == number
        assert {line["tenant"] for line in lines} == {""}
        sealed = [column.name for column in schema.metadata.tables[name].columns if isinstance(column.type, schema.Sealed)]
        assert all(f"{CANARY} jane" in str(line[column]) for line in lines for column in sealed)
        assert f"`{name}.jsonl`" in (tmp_path / "jane" / "README.md").read_text()
    whole = "".join(file.read_text() for file in (tmp_path / "jane").iterdir())
    assert "joan" not in whole
    assert "other records" not in whole, "a table that the page does not explain"
    (said,) = [row for row in store.audit.every("") if row.event == "export"]
    assert (said.actor, said.details["what"], said.details["rows"]) == ("ann", "subject", written)


def test_nothing_is_handed_out_that_the_audit_cannot_say(store: Store, tmp_path: Path):
    keep_answers(store, CANARY, ["yes"], subject="jane")
    store.audit.note_command("export", what="heads")
    with store.engine.begin() as connection:
        connection.execute(schema.audit_heads.delete().where(schema.audit_heads.c.writer.like("commands%")))
    with pytest.raises(StoreError, match="guard audit verify"):
        write_person(store, "", store.pseudonym("subject", "", "jane"), tmp_path / "jane")
    assert [path.name for path in tmp_path.iterdir() if "jane" in path.name] == []
