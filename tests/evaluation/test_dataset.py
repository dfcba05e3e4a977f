"""Labelled records from files: the same whatever the format, in bounded memory; what is wrong is said with its line."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.errors import TenetError
from guard.evaluation import seen
from guard.evaluation.dataset import Dataset, Record
from guard.evaluation.layout import Layout
from guard.values import Role, Stage

LAYOUT = Layout(slices=("language",), known=("own/kind",))
CANARY = "canary-5c1e"


def read(path: Path, layout: Layout = LAYOUT) -> list[Record]:
    return list(Dataset(str(path), layout).records())


def told(records: list[Record]) -> list[tuple[object, ...]]:
    return [(each.id, each.text, dict(each.labels), each.prompt, each.slices, each.stage, each.role) for each in records]


EXPECTED = [
    ('"a"', "one, with\ntwo lines", {"hate": 1, "own/kind": 0}, "", ("de",), None, None),
    ('"b"', "zwei ü", {"hate": 0}, "asked", ("",), Stage.OUTPUT, Role.ASSISTANT),
]
VALUES = [
    {"id": "a", "text": "one, with\ntwo lines", "labels": {"hate": 1, "own/kind": 0}, "language": "de"},
    {
        "id": "b",
        "text": "zwei ü",
        "labels": {"hate": 0, "own/kind": None},
        "prompt": "asked",
        "stage": "output",
        "role": "assistant",
    },
]
COLUMNS = ("id", "text", "labels.hate", "labels.own/kind", "language", "prompt", "stage", "role")
CELLS = [("a", "one, with\ntwo lines", 1, 0, "de", "", "", ""), ("b", "zwei ü", 0, "", "", "asked", "output", "assistant")]


def as_json(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + "\n\n".join(json.dumps(value, ensure_ascii=False) for value in VALUES).encode())


def as_gzip(path: Path) -> None:
    path.write_bytes(gzip.compress("\r\n".join(json.dumps(value) for value in VALUES).encode()))


def as_table(path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writerows([COLUMNS, *CELLS])


def as_parquet(path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = list(dict.fromkeys(name for value in VALUES for name in value))
    pq.write_table(pa.Table.from_pylist([{name: value.get(name) for name in names} for value in VALUES]), path)


def as_flat_parquet(path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{name: None if cell == "" else cell for name, cell in zip(COLUMNS, row, strict=True)} for row in CELLS]
    pq.write_table(pa.Table.from_pylist([{**row, "labels.hate": bool(row["labels.hate"])} for row in rows]), path)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("r.jsonl", as_json),
        ("r.anything", as_gzip),
        ("r.csv", as_table),
        ("r.tsv", as_table),
        ("r.parquet", as_parquet),
        ("flat", as_flat_parquet),
    ],
)
def test_every_format_gives_the_same_records(tmp_path: Path, name: str, write):
    path = tmp_path / name
    write(path)
    records = read(path)
    assert told(records) == EXPECTED
    assert records[-1].read <= (Dataset(str(path), LAYOUT).total or 0)


def test_a_table_may_hold_its_labels_as_json_and_be_compressed(tmp_path: Path):
    path = tmp_path / "r.csv.gz"
    path.write_bytes(gzip.compress(b'text,labels\none,"{""hate"": 1}"\ntwo,\n'.replace(b"two,\n", b'two,"{}"\n')))
    assert [dict(each.labels) for each in read(path)] == [{"hate": 1}, {}]


def test_a_single_label_is_about_the_category_that_is_named(tmp_path: Path):
    path = tmp_path / "r.jsonl"
    path.write_text('{"text": "a", "toxic": 1}\n{"text": "b", "toxic": 0.0}\n{"text": "c", "toxic": null}\n')
    layout = Layout(label="toxic", category="toxicity")
    assert [dict(each.labels) for each in read(path, layout)] == [{"toxicity": 1}, {"toxicity": 0}, {}]
    assert [each.id for each in read(path, layout)] == ["1", "2", "3"]


def test_fields_may_stand_anywhere(tmp_path: Path):
    path = tmp_path / "r.jsonl"
    path.write_text('{"m": {"content": "a", "say": [{"hate": 1}]}, "meta": {"lang": 7.5}}\n')
    [record] = read(path, Layout(text="m.content", labels="/m/say/0", slices=("meta.lang",)))
    assert (record.text, dict(record.labels), record.slices) == ("a", {"hate": 1}, ("7.5",))


GOOD = b'{"id": "a", "text": "one", "labels": {"hate": 1}}\n'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"text": "CANARY"', "expected JSON"),
        (b'{"text": "CANARY", "labels": {"hat": 1}}', "did you mean 'hate'"),
        (b'{"text": "CANARY", "labels": {"CANARY CANARY!": 1}}', "a category of your own has to be one"),
        (b'{"text": "CANARY", "labels": {"hate": 2}}', "expected 0 or 1 at `labels.hate`"),
        (b'{"text": "CANARY", "labels": {"hate": 0.5}}', "expected 0 or 1 at `labels.hate`"),
        (b'{"text": "CANARY", "labels": {"hate": true}}', "expected 0 or 1 at `labels.hate`"),
        (b'{"text": "CANARY", "labels": {"hate": "1"}}', "expected 0 or 1 at `labels.hate`"),
        (b'{"text": "CANARY", "labels": [1]}', "expected at `labels` an object"),
        (b'{"text": "CANARY"}', "expected at `labels` an object"),
        (b'{"text": "CANARY", "label": 1}', "--category"),
        (b'{"labels": {"hate": 1}}', "expected a string at `text`, got nothing"),
        (b'{"text": null, "labels": {"hate": 1}}', "expected a string at `text`, got null"),
        (b'{"id": "a", "text": "CANARY", "labels": {"hate": 1}}', "expected each `id` once"),
        (b'{"id": {"a": 1}, "text": "CANARY", "labels": {}}', "expected a string or a number at `id`"),
        (b'{"text": "CANARY", "labels": {}, "stage": "CANARY"}', "expected input or output at `stage`"),
        (b'{"text": "CANARY", "labels": {}, "role": "CANARY"}', "at `role`"),
        (b'{"text": "CANARY", "labels": {}, "prompt": 3}', "at `prompt`"),
        (b'{"text": "CANARY", "labels": {}, "language": {"CANARY": 1}}', "at `language` to slice by"),
        (b'{"text": "CANARY", "labels": {}, "language": "' + b"CANARY" * 20 + b'"}', "at most 64 characters at `language`"),
        (b'{"text": "CANARY\xff", "labels": {"hate": 1}}', "expected UTF-8"),
        (b'["CANARY"]', "expected an object"),
        (b'{"text": "a", "text": "CANARY", "labels": {}}', "duplicate key"),
    ],
)
def test_what_is_wrong_with_a_record_is_said_with_its_line_and_without_its_words(tmp_path: Path, line: bytes, said: str):
    path = tmp_path / "r.jsonl"
    path.write_bytes(GOOD + line.replace(b"CANARY", CANARY.encode()) + b"\n")
    with pytest.raises(TenetError) as raised:
        read(path)
    assert f"{path}:2: " in str(raised.value)
    assert said in str(raised.value)
    assert CANARY not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("r.jsonl", b"", "found none"),
        ("r.jsonl", b"\n\n", "found none"),
        ("r.csv", b"text,labels.hate\n", "found none"),
        ("r.jsonl", b"text,label\n", "end in .csv"),
        ("r.csv", b"text,labels.hate\na,1,CANARY\n", ":2: expected 2 cells"),
        ("r.csv", b"text,text\na,1\n", ":1: expected each column once"),
        ("r.csv", b"text,labels.hate\nCANARY,yes\n", ":2: expected 0 or 1"),
        ("r.csv", b'text,labels.hate\n"CANARY,1\n', "expected a table"),
        ("r.csv", b"text,labels.hate\n\xffCANARY,1\n", ":2: byte 0: expected UTF-8"),
        ("r.csv", b'text,labels\nCANARY,"{"\n', ":2: expected JSON in the column `labels`"),
        ("r.jsonl.gz", gzip.compress(GOOD.replace(b'"id": "a", ', b"") * 2000)[:-20], "decompressed"),
        ("r.parquet", b"PAR1CANARY", "expected a Parquet file"),
        ("r.jsonl", b'{"text": "' + b"CANARY" * 3_000_000, "at most 16,777,216 bytes"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, name: str, data: bytes, said: str):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(TenetError) as raised:
        read(path)
    assert said in str(raised.value)
    assert str(path) in str(raised.value)
    assert "CANARY" not in str(raised.value)


def test_a_category_that_nobody_reports_is_no_category(tmp_path: Path):
    path = tmp_path / "r.jsonl"
    path.write_bytes(GOOD)
    with pytest.raises(TenetError, match="--category"):
        Dataset(str(path), Layout(category="hat"))
    assert Dataset(str(path), Layout(category="own/kind", known=("own/kind",)))
    assert Dataset(str(path), Layout(category="any"))


def test_where_there_is_no_file_is_said(tmp_path: Path):
    for path, said in ((tmp_path, "a folder"), (tmp_path / "none", "nothing")):
        with pytest.raises(TenetError, match=f"found {said} there"):
            Dataset(str(path))


@settings(max_examples=50)
@given(st.lists(st.integers(0, 60), max_size=200))
def test_what_came_before_is_known_however_many_there_were(names: list[int]):
    known: set[int] = set()
    found = seen.Seen(7)
    for name in names:
        assert found.add(str(name)) == (name not in known)
        known.add(name)


def test_memory_does_not_grow_with_the_file(tmp_path: Path):
    path = tmp_path / "large.jsonl"
    with path.open("w") as file:
        for number in range(200_000):
            file.write(f'{{"id": {number}, "text": "{"x" * 400}", "labels": {{"hate": {number % 2}}}}}\n')
    code = """
import resource, sys
from guard.evaluation.dataset import Dataset
import numpy
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count = sum(1 for _ in Dataset(sys.argv[1]).records())
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True, timeout=60)
    count, kilobytes = map(int, done.stdout.split())
    assert count == 200_000
    assert kilobytes < 25_000  # the file has 90,000
