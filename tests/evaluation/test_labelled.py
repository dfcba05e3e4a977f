"""A file of labelled records is understood, or said to be wrong at its line; nothing of a text is repeated."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from guard.errors import TenetError
from guard.evaluation.labelled import LabelledText, read_labelled

GOOD = (
    b'{"id": "a", "text": "one", "labels": {"hate": 1}}\n\n{"id": 7, "text": "two", "labels": {}}\n'
    b'{"text": "", "labels": {"x": 0}}'
)


@pytest.mark.parametrize("data", [GOOD, b"\xef\xbb\xbf" + GOOD, GOOD.replace(b"\n", b"\r\n"), gzip.compress(GOOD)])
def test_lines_of_json_are_records(tmp_path: Path, data: bytes):
    path = tmp_path / "records"
    path.write_bytes(data)
    assert list(read_labelled(path)) == [
        LabelledText('"a"', "one", {"hate": 1}),
        LabelledText("7", "two", {}),
        LabelledText("4", "", {"x": 0}),
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"text": "CANARY", "labels": {"hate": 1}', "records:2: "),
        (b"CANARY", "records:2: "),
        (b"[1]", "expected a string at `text`"),
        (b'{"text": 1, "labels": {}}', "expected a string at `text`, got a number"),
        (b'{"text": "CANARY"}', "expected at `labels` an object"),
        (b'{"text": "CANARY", "labels": ["hate"]}', "expected at `labels` an object"),
        (b'{"text": "CANARY", "labels": {"hate": 2}}', "expected 0 or 1 at `labels.hate`"),
        (b'{"text": "CANARY", "labels": {"hate": null}}', "leave the category out"),
        (b'{"text": "CANARY", "labels": {"hate": "1"}}', "expected 0 or 1"),
        (b'{"text": "CANARY", "labels": {"hate": true}}', "expected 0 or 1"),
        (b'{"text": "CANARY", "labels": {"CANARY CANARY!": 0.5}}', "expected 0 or 1"),
        (b'{"id": "a", "text": "CANARY", "labels": {}}', "expected each id once"),
        (b'{"id": ["CANARY"], "text": "CANARY", "labels": {}}', "expected a string or a number at `id`"),
        (b'{"text": "\xff", "labels": {}}', "records:2: "),
        (b'{"text": "a", "text": "CANARY", "labels": {}}', "records:2: "),
    ],
)
def test_a_record_that_is_wrong_is_named_by_its_line(tmp_path: Path, line: bytes, said: str):
    path = tmp_path / "records"
    path.write_bytes(b'{"id": "a", "text": "one", "labels": {"hate": 1}}\n' + line + b"\n")
    with pytest.raises(TenetError) as raised:
        list(read_labelled(path))
    assert said in str(raised.value)
    assert "records:2" in str(raised.value)
    assert "CANARY" not in str(raised.value)


def test_what_is_no_readable_file_is_said_to_be(tmp_path: Path):
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(GOOD)[:-12])
    for path, said in [(tmp_path, "a folder"), (tmp_path / "none", "nothing"), ("-", "something else"), (cut, "decompressed")]:
        with pytest.raises(TenetError, match=said):
            list(read_labelled(path))


def test_a_line_without_end_is_not_read_to_its_end(tmp_path: Path):
    path = tmp_path / "records"
    path.write_bytes(b'{"text": "' + b"x" * (17 * 1024 * 1024))
    with pytest.raises(TenetError, match="at most 16,777,216 bytes"):
        list(read_labelled(path))
