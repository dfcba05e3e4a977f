"""Feedback, labels and pairs from files: what each format says, once each, all of it or nothing."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from feedback_given import keep_answers
from sqlalchemy import func, select
from typer.testing import CliRunner

from guard.cli.main import app
from guard.errors import StoreError
from guard.store import open_store, schema
from guard.store.connecting import reading
from guard.store.exporting.asked import SPLITS
from guard.store.exporting.asked import Asked as AskedOut
from guard.store.exporting.exporting import export
from guard.store.importing import importing
from guard.store.importing.importing import Asked, Imported, import_file
from guard.store.importing.reading import BadRow, read_rows
from guard.store.store import Store

PAIR = {"prompt": "What is 2+2?", "chosen": "4", "rejected": "5"}


def written(folder: Path, records: Sequence[object], name: str = "in.jsonl") -> Path:
    file = folder / name
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    return file


def take(store: Store, file: Path, **asked: Any) -> Imported:
    return import_file(store, Asked(file, **asked))


def count(store: Store, table: str) -> int:
    with reading(store.engine) as connection:
        return int(connection.execute(select(func.count()).select_from(schema.metadata.tables[table])).scalar_one())


def out_of(store: Store, folder: Path, kind: str, **asked: Any) -> list[dict[str, Any]]:
    out = folder / f"out-{kind}"
    export(store, AskedOut(kind, out, **asked))
    return [json.loads(line) for name in SPLITS for line in (out / f"{name}.jsonl").read_text().splitlines()]


def contents(messages: list[dict[str, str]]) -> list[str]:
    return [message["content"] for message in messages]


def test_records_of_every_plain_shape_come_out_as_training_data(store: Store, tmp_path: Path):
    known = keep_answers(store, "A question about bread.", ["An answer."])
    asked = [{"role": "user", "content": "Where is Rome?"}]
    file = written(
        tmp_path,
        [
            PAIR,
            {"prompt": asked, "chosen": [{"role": "assistant", "content": "In Italy."}], "rejected": "Nowhere."},
            {"messages": [*asked, {"role": "assistant", "content": "In Lazio."}]},
            {"prompt": "Is it far?", "completion": "No.", "label": False, "by": "ann"},
            {"prompt": "Is it old?", "response": "Yes.", "rating": 4, "correction": "Yes, very.", "comment": "short"},
            {"text": "You fool!", "labels": {"harassment": 1, "violence": 0}},
            {"text": "A calm answer.", "prompt": "Calm down.", "labels": {"harassment": 0}},
            {"exchange_id": known, "kind": "thumb", "value": 1, "choice": 0},
        ],
    )
    found = take(store, file, licence="MIT")
    assert (found.state, found.taken, found.refused) == ("imported", 8, 0)
    assert found.rows == {"pairs": 2, "exchanges": 5, "texts": 9, "feedback": 5, "labels": 3}
    pairs = {(*contents(each["chosen"]), *contents(each["rejected"])) for each in out_of(store, tmp_path, "pairs")}
    assert pairs == {("4", "5"), ("In Italy.", "Nowhere."), ("Yes, very.", "Yes.")}
    labelled = {each["text"]: each["labels"] for each in out_of(store, tmp_path, "moderation")}
    assert labelled == {"You fool!": {"harassment": 1, "violence": 0}, "A calm answer.": {"harassment": 0}}
    liked = {contents(each["completion"])[0]: each["label"] for each in out_of(store, tmp_path, "binary")}
    assert liked == {"In Lazio.": True, "No.": False, "Yes, very.": True, "Yes.": False, "An answer.": True}
    assert [each["score"] for each in out_of(store, tmp_path, "scalar")] == [4.0]
    card = json.loads((tmp_path / "out-pairs" / "data_card.json").read_text())
    assert card["licences"] == {"MIT": 3}


TRANSCRIPT = "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: What is\n\ntwo and two?\n\nAssistant:"
ARGILLA_2 = {
    "id": "1",
    "fields": {"prompt": "Name a river.", "response": "The Rhine."},
    "responses": {
        "quality": [{"value": 5, "user_id": "u1", "status": "submitted"}, {"value": 1, "user_id": "u2", "status": "discarded"}],
        "harassment": [{"value": "no", "user_id": "u1"}],
        "corrected_response": [{"value": "The Rhine, in Europe.", "user_id": "u2"}],
    },
}
ARGILLA_RANKED = {
    "fields": {"prompt": "Name a lake.", "one": "Erie.", "two": "The sea."},
    "responses": {"order": [{"value": [{"value": "one", "rank": 1}, {"value": "two", "rank": 2}], "user_id": "u1"}]},
}
STUDIO = {
    "id": 1,
    "data": {"text": "You are all idiots."},
    "annotations": [
        {"completed_by": 7, "result": [{"from_name": "c", "type": "choices", "value": {"choices": ["Toxicity", "Harassment"]}}]},
        {"completed_by": 8, "was_cancelled": True, "result": [{"type": "choices", "value": {"choices": ["Safe"]}}]},
    ],
}
STUDIO_PAIR = {
    "data": {"prompt": "Name a hill.", "answer1": "Hill A.", "answer2": "Hill B."},
    "annotations": [{"completed_by": {"id": 7}, "result": [{"type": "pairwise", "value": {"selected": "right"}}]}],
}


@pytest.mark.parametrize(
    ("records", "name", "rows"),
    [
        ([{"chosen": f"{TRANSCRIPT} 4", "rejected": f"{TRANSCRIPT} 5"}], "hh-rlhf", {"pairs": 1}),
        ([ARGILLA_2, ARGILLA_RANKED], "argilla", {"exchanges": 1, "texts": 2, "feedback": 2, "labels": 1, "pairs": 1}),
        ([{"inputs": {"text": "Fool!"}, "annotation": "harassment"}], "argilla", {"exchanges": 1, "texts": 1, "labels": 1}),
        ([STUDIO, STUDIO_PAIR], "label-studio", {"exchanges": 1, "texts": 1, "labels": 2, "pairs": 1}),
    ],
)
def test_formats_of_others_are_recognised(store: Store, tmp_path: Path, records: list[Any], name: str, rows: dict[str, int]):
    array = tmp_path / "in.json"
    array.write_text(json.dumps(records, indent=2))
    found = take(store, array)
    assert (found.format, dict(found.rows)) == (name, rows)
    again = take(store, written(tmp_path, records), format=name)
    assert again.taken == found.taken == len(records)


def test_a_transcript_is_cut_where_its_answers_differ(store: Store, tmp_path: Path):
    take(store, written(tmp_path, [{"chosen": f"{TRANSCRIPT} 4", "rejected": f"{TRANSCRIPT} 5, Human: no"}]))
    (record,) = out_of(store, tmp_path, "pairs")
    assert contents(record["prompt"]) == ["Hi", "Hello", "What is\n\ntwo and two?"]
    assert (contents(record["chosen"]), contents(record["rejected"])) == (["4"], ["5, Human: no"])


def test_tables_say_the_same_as_lines(store: Store, tmp_path: Path):
    pq = pytest.importorskip("pyarrow.parquet")
    import pyarrow as pa

    rows = [{"prompt": "What, exactly?", "completion": 'He said "no",\nthen left.', "label": True}]
    (tmp_path / "in.csv").write_text('\ufeffprompt,completion,label\n"What, exactly?","He said ""no"",\nthen left.",1\n', "utf-8")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "in.parquet")
    (tmp_path / "in.jsonl.gz").write_bytes(gzip.compress(json.dumps(rows[0]).encode()))
    for name, kind in (("in.csv", "csv"), ("in.parquet", "parquet"), ("in.jsonl.gz", "jsonl")):
        found = take(store, tmp_path / name)
        assert (found.format, found.taken) == (kind, 1)
    (record,) = out_of(store, tmp_path, "binary")
    assert contents(record["completion"]) == ['He said "no",\nthen left.']
    assert record["weight"] == 3


def test_the_same_file_is_there_once_and_each_tenant_has_its_own(store: Store, tmp_path: Path):
    file = written(tmp_path, [PAIR, {**PAIR, "prompt": "What is 3+3?", "chosen": "6"}, PAIR])
    first = take(store, file)
    assert (first.taken, first.rows["pairs"]) == (3, 2)
    again = take(store, file)
    assert (again.state, again.taken, count(store, "pairs")) == ("repeated", 3, 2)
    assert take(store, file, tenant="other").state == "imported"
    assert (count(store, "pairs"), count(store, "imports")) == (4, 2)
    assert out_of(store, tmp_path, "pairs", tenant="nobody") == []


def test_an_import_that_was_stopped_goes_on(opened: Callable[[], Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importing, "BATCH", 2)
    file = written(tmp_path, [{"prompt": f"Question {at}?", "completion": f"Answer {at}."} for at in range(7)])
    store = opened()

    def stop(done: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_file(store, Asked(file), stop)
    assert (count(store, "feedback"), count(store, "texts")) == (4, 8)
    other = opened()
    found = take(other, file)
    assert (found.state, found.taken, found.rows["feedback"]) == ("resumed", 7, 3)
    assert (count(other, "feedback"), count(other, "exchanges"), count(other, "texts")) == (7, 7, 14)
    assert take(store, file).state == "repeated"


def test_a_killed_import_goes_on_and_loses_nothing(tmp_path: Path):
    url = str(tmp_path / "store.db")
    file = written(tmp_path, [{"prompt": f"Question {at}?", "completion": f"Answer {at}."} for at in range(6_000)])
    script = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom guard.store import open_store\n"
        "from guard.store.importing.importing import Asked, import_file\n"
        "def die(done):\n    if done >= 1500: os.kill(os.getpid(), signal.SIGKILL)\n"
        "import_file(open_store(sys.argv[1]), Asked(Path(sys.argv[2])), die)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, url, str(file)], timeout=50, check=False, cwd=os.getcwd())
    assert killed.returncode == -signal.SIGKILL
    store = open_store(url)
    try:
        assert count(store, "feedback") == 1_500
        assert (take(store, file).state, count(store, "feedback"), count(store, "texts")) == ("resumed", 6_000, 12_000)
    finally:
        store.close()


BROKEN = [
    (b'{"prompt": "a", "chosen": "b"}', ":1: expected `chosen` and `rejected`, got no `rejected`"),
    (b'{"prompt": "a", "chosen": "b", "rejected": "b"}', ":1: expected two answers"),
    (json.dumps(PAIR).encode() + b"\n\n{broken", ":3: expected an object as JSON"),
    (b"[1, 2]", ":1: expected an object as JSON, got another value"),
    (b'[{"prompt": "a", "chosen": "b", "rejected": "c"}', ":1: expected the end of the array"),
    (b'[{"prompt": "a", "chosen": "b", "rejected": "c"}] x', ":1: expected nothing after the array"),
    (b'\xff\xfe{\x00"\x00', "got UTF-16; write it again as UTF-8"),
    (b'{"prompt": "\xe9", "chosen": "b", "rejected": "c"}', ":1: byte 12: expected UTF-8, got the byte 0xe9"),
    (b'{"promt": "a", "chosen": "b", "rejected": "c"}', "unknown field: expected `prompt`, got `promt`"),
    (b'{"prompt": "a", "completion": "b", "label": "perhaps"}', ":1: `label`: expected true or false"),
    (b'{"prompt": "a", "completion": "b", "weight": -1}', ":1: `weight`: expected a number from 0"),
    (b'{"messages": [{"role": "wizard", "content": "x"}]}', "`messages[0].role`: expected user, assistant or system"),
    (b'{"messages": [{"role": "user", "content": "x"}]}', "expected a conversation that ends with an answer"),
    (b'{"text": "x", "labels": {"hate": 2}}', ":1: `labels`: expected true or false"),
    (b'{"exchange_id": "a b", "kind": "thumb", "value": 1}', "expected the id of an exchange"),
    (b'{"exchange_id": "ex_1", "kind": "shout"}', "`kind`: expected one of thumb"),
    (b'{"chosen": "plain", "rejected": "text"}', "begins with `Human:`, or a `prompt` beside it"),
    (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "deeper nesting"),
    (b"", "expected records, got none"),
]


@pytest.mark.parametrize(("body", "message"), BROKEN, ids=[message[:40] for _, message in BROKEN])
def test_what_is_broken_is_named_and_nothing_is_imported(tmp_path: Path, body: bytes, message: str):
    store = open_store(str(tmp_path / "store.db"))
    file = tmp_path / "in.jsonl"
    file.write_bytes(json.dumps(PAIR).encode() + b"\n" + body if message.startswith(":2") else body)
    try:
        with pytest.raises(StoreError) as refused:
            take(store, file)
        assert message in str(refused.value)
        assert [count(store, table) for table in ("imports", "pairs", "feedback", "exchanges")] == [0, 0, 0, 0]
    finally:
        store.close()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'prompt,chosen,rejected\na,b,"c\nd,e,f\n', "expected a table"),
        (b"prompt,chosen,rejected\na,b\n", ":2: expected 3 cells, as the first line has, got 2"),
        (b"prompt,prompt\na,b\n", ":1: expected a name for each column"),
        ("prompt,chosen,rejected\nné,b,c\n".encode("latin-1"), ":2: byte 1: expected UTF-8, got the byte 0xe9"),
    ],
)
def test_a_broken_table_is_named(tmp_path: Path, body: bytes, message: str):
    store = open_store(str(tmp_path / "store.db"))
    file = tmp_path / "in.csv"
    file.write_bytes(body)
    try:
        with pytest.raises(StoreError) as refused:
            take(store, file)
        assert message in str(refused.value)
        assert count(store, "pairs") == 0
    finally:
        store.close()


def test_messages_repeat_nothing_of_the_words(tmp_path: Path):
    store = open_store(str(tmp_path / "store.db"))
    canary = "CANARY of a person"
    bad = [{"prompt": canary, "completion": canary, "label": canary}, {"chosen": canary, "rejected": canary}, {canary: canary}]
    try:
        with pytest.raises(StoreError) as refused:
            take(store, written(tmp_path, bad))
        assert "CANARY" not in str(refused.value)
        assert str(refused.value).count("in.jsonl:") == 3
        found = take(store, written(tmp_path, [*bad, PAIR]), skip_bad=True)
        assert (found.taken, found.refused, count(store, "pairs")) == (1, 3, 1)
    finally:
        store.close()


def test_a_dry_run_writes_nothing_and_says_what_would_be(store: Store, tmp_path: Path):
    file = written(tmp_path, [{**PAIR, "mood": 1}, {"prompt": "a", "completion": "b"}, {"broken": 1}])
    found = take(store, file, dry_run=True)
    assert (found.state, found.taken, found.refused, dict(found.unknown)) == ("counted", 2, 1, {"mood": 1, "broken": 1})
    assert found.rows == {"pairs": 1, "exchanges": 1, "texts": 2, "feedback": 1}
    assert (count(store, "imports"), count(store, "pairs")) == (0, 0)


def test_a_line_that_is_too_long_and_a_long_array_are_read_in_bounded_memory(tmp_path: Path):
    import tracemalloc

    long = tmp_path / "long.jsonl"
    with long.open("wb") as out:
        out.write(b'{"prompt": "')
        for _ in range(40):
            out.write(b"x" * 1_000_000)
        out.write(b'"}\n')
    array = tmp_path / "array.json"
    with array.open("wb") as out:
        out.write(b"[" + b", ".join([b'{"prompt": "\\"]}", "chosen": "' + b"y" * 1_000 + b'", "rejected": "z"}'] * 30_000) + b"]")
    tracemalloc.start()
    (refused,) = read_rows(long, "json")
    assert isinstance(refused, BadRow)
    assert "at most 16,777,216 bytes" in str(refused)
    assert sum(not isinstance(row, BadRow) and row.value["prompt"] == '"]}' for row in read_rows(array, "json")) == 30_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 80_000_000


def test_the_command_says_what_came_of_it(tmp_path: Path):
    file = written(tmp_path, [PAIR, {"nothing": 1}])
    environment = {"TENET_STORE": str(tmp_path / "store.db")}
    open_store(environment["TENET_STORE"]).close()

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(app, ["feedback", "import", str(file), *arguments], env=environment)

    assert "nothing was imported" in str(run().exception)
    skipped = run("--skip-bad", "--by", "ann", "--json")
    assert (skipped.exit_code, json.loads(skipped.stdout)["taken"]) == (1, 1)
    assert "was imported before" in run("--skip-bad").output
    store = open_store(environment["TENET_STORE"])
    begun, entry = [row for row in store.audit.every("") if row.event == "import"]
    store.close()
    assert (begun.details["state"], entry.details["state"], begun.object) == ("begun", "done", entry.object)
    assert (entry.actor, entry.details["taken"], entry.details["refused"]) == ("ann", 1, 1)


def test_personal_data_goes_at_the_import_where_that_is_asked_for(store: Store, tmp_path: Path):
    record = {"prompt": "I am jane.doe@example.org.", "completion": "Hi jane.doe@example.org.", "subject": "jane"}
    take(store, written(tmp_path, [record]), redact=True)
    (exchange,) = store.exchanges.every("")
    assert exchange.subject == store.pseudonym("subject", "", "jane")
    kept = [text.text for texts in store.exchanges.texts("", exchange.id).values() for text in texts.texts]
    assert sorted(kept) == ["Hi [EMAIL].", "I am [EMAIL]."]
