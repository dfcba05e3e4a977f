"""Records from the forms in which others write them; what is wrong is said with its line, and never with words of a text."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from alignment.data.rows import DataError
from alignment.data.sources import Reading
from alignment.records import Demonstration, Kind, Message, Pair, Prompt, Record, Scored, Steps, Unpaired

CANARY = "canary-77f0"
ASKED = (Message("user", "How do I boil an egg?"),)
GOOD, BAD = (Message("assistant", "Seven minutes."),), (Message("assistant", "Go away."),)
USER, REPLY = {"role": "user", "content": "How do I boil an egg?"}, {"role": "assistant", "content": "Seven minutes."}
WORSE = {"role": "assistant", "content": "Go away."}


def written(folder: Path, *rows: Mapping[str, Any], name: str = "some.jsonl") -> Path:
    file = folder / name
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def read(file: Path, kind: Kind) -> tuple[list[Record], dict[str, int]]:
    reading = Reading(kind)
    records = list(reading.read(file))
    return records, {reason: count for reason, count in reading.left_out.items() if count}


PAIRS: Mapping[str, Mapping[str, Any]] = {
    "messages": {"prompt": [USER], "chosen": [REPLY], "rejected": [WORSE]},
    "texts": {"prompt": "How do I boil an egg?", "chosen": "Seven minutes.", "rejected": "Go away."},
    "hh-rlhf": {
        "chosen": "\n\nHuman: How do I boil an egg?\n\nAssistant: Seven minutes.",
        "rejected": "\n\nHuman: How do I boil an egg?\n\nAssistant: Go away.",
    },
    "whole conversations": {"prompt": "How do I boil an egg?", "chosen": [USER, REPLY], "rejected": [USER, WORSE]},
    "openai": {"input": {"messages": [USER]}, "preferred_output": [REPLY], "non_preferred_output": [WORSE]},
    "ultrafeedback": {
        "instruction": "How do I boil an egg?",
        "completions": [
            {"response": "Go away.", "overall_score": 1.5},
            {"response": "In water.", "overall_score": 3},
            {"response": "Seven minutes.", "overall_score": "8"},
        ],
    },
}


@pytest.mark.parametrize("form", PAIRS)
def test_pairs_are_the_same_in_every_form(form: str, tmp_path: Path):
    (found,), left_out = read(written(tmp_path, PAIRS[form]), Kind.PAIRS)
    assert isinstance(found, Pair)
    assert (found.prompt, found.chosen, found.rejected) == (ASKED, GOOD, BAD)
    assert found.margin == (6.5 if form == "ultrafeedback" else None)
    assert not left_out


CONVERSATIONS: Mapping[str, Mapping[str, Any]] = {
    "openai": {"messages": [{"role": "developer", "content": "Be kind."}, USER, REPLY]},
    "openai parts": {
        "messages": [{"role": "system", "content": [{"type": "text", "text": "Be kind."}]}, USER, REPLY],
    },
    "anthropic": {
        "system": [{"type": "text", "text": "Be kind."}],
        "messages": [
            USER,
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "x"}, {"type": "text", "text": "Seven minutes."}]},
        ],
    },
    "sharegpt": {
        "conversations": [
            {"from": "system", "value": "Be kind."},
            {"from": "human", "value": "How do I boil an egg?"},
            {"from": "gpt", "value": "Seven minutes."},
        ]
    },
    "columns": {"system": "Be kind.", "prompt": "How do I boil an egg?", "completion": "Seven minutes."},
}


@pytest.mark.parametrize("form", CONVERSATIONS)
def test_conversations_are_the_same_in_every_form(form: str, tmp_path: Path):
    (found,), _ = read(written(tmp_path, CONVERSATIONS[form]), Kind.SFT)
    assert isinstance(found, Demonstration)
    assert (found.prompt, found.completion) == ((Message("system", "Be kind."), *ASKED), GOOD)


def test_verdicts_scores_steps_and_prompts_are_read(tmp_path: Path):
    said = {"prompt": [USER], "completion": [REPLY]}
    (verdict,), _ = read(written(tmp_path, {**said, "label": 0}), Kind.UNPAIRED)
    (scored,), _ = read(written(tmp_path, {**said, "score": 0.25}), Kind.SCALAR)
    (steps,), _ = read(written(tmp_path, {"prompt": "x", "completions": ["a", "b"], "labels": [True, 0.5]}), Kind.PROCESS)
    (prompt,), _ = read(written(tmp_path, {"prompt": "", "text": "x", "labels": {"hate": 0}, "look_alike": True}), Kind.PROMPTS)
    assert isinstance(verdict, Unpaired) and verdict.label is False
    assert isinstance(scored, Scored) and scored.score == 0.25
    assert isinstance(steps, Steps) and steps.rewards == (1.0, 0.5)
    assert isinstance(prompt, Prompt) and prompt.origin.benign is True and prompt.origin.look_alike


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(Kind.SFT, [GOOD]), (Kind.UNPAIRED, [GOOD, BAD]), (Kind.PROMPTS, [None])],
)
def test_pairs_serve_for_other_kinds(kind: Kind, expected: list[tuple[Message, ...]], tmp_path: Path):
    found, _ = read(written(tmp_path, PAIRS["messages"]), kind)
    assert [record.answers[0] if record.answers else None for record in found] == expected
    assert len({record.origin.id for record in found}) == len(found)


def test_what_is_known_of_a_row_stays_with_it_and_names_of_people_do_not(tmp_path: Path):
    known = {"id": "a-1", "source": "desk", "license": "MIT", "weight": 0.5, "policy": "ab" * 32, "category": "hate"}
    (found,), _ = read(written(tmp_path, {**PAIRS["texts"], **known, "subject": CANARY, "conversation_id": 7}), Kind.PAIRS)
    origin = found.origin
    assert (origin.id, origin.source, origin.licence, origin.weight, origin.policy) == ("a-1", "desk", "MIT", 0.5, "ab" * 32)
    assert origin.categories == ("hate",) and origin.benign is False
    assert [name.rpartition(":")[0] for name in origin.groups] == ["g:conversation", "g:subject"]
    assert CANARY not in str(origin)


def test_a_table_and_compressed_lines_say_the_same(tmp_path: Path):
    import pyarrow as pa
    import pyarrow.parquet as parquet

    rows = [{"prompt": "one, two\nthree", "completion": "x", "label": "true"}, {"prompt": "y", "completion": "z", "label": "0"}]
    with (tmp_path / "t.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    parquet.write_table(pa.Table.from_pylist([{**row, "label": at == 0} for at, row in enumerate(rows)]), tmp_path / "t.parquet")
    (tmp_path / "t.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    said = [
        [
            (each.prompt, each.completion, each.label)
            for each in read(tmp_path / name, Kind.UNPAIRED)[0]
            if isinstance(each, Unpaired)
        ]
        for name in ("t.csv", "t.parquet", "t.gz")
    ]
    assert said[0] == said[1] == said[2] and [label for *_, label in said[0]] == [True, False]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({**PAIRS["texts"], "rejected": "Seven minutes."}, "equal"),
        ({**PAIRS["texts"], "chosen": " "}, "no-words"),
        ({**PAIRS["messages"], "prompt": [USER, REPLY]}, "no-prompt"),
        ({**PAIRS["messages"], "chosen": [{"role": "tool", "content": "x"}]}, "tools"),
        ({**PAIRS["messages"], "prompt": [{"role": "user", "content": [{"type": "image_url"}]}]}, "media"),
        ({**PAIRS["texts"], "score_chosen": 2, "score_rejected": 2}, "tie"),
        ({**PAIRS["texts"], "score_chosen": 1, "score_rejected": 2}, "worse"),
        ({**PAIRS["texts"], "weight": 0}, "no-weight"),
    ],
)
def test_what_teaches_nothing_is_left_out_and_counted(row: Mapping[str, Any], reason: str, tmp_path: Path):
    found, left_out = read(written(tmp_path, PAIRS["texts"], row), Kind.PAIRS)
    assert len(found) == 1
    assert left_out == {reason: 1}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"chosen": CANARY, "rejected": 3}, "rejected: expected a text or a list of messages, got a number"),
        ({"prompt": "x", "chosen": [{"role": CANARY, "content": "x"}], "rejected": "y"}, r"chosen\[0\]\.role: expected one of"),
        ({"prompt": "x", "chosen": [{"role": "user"}], "rejected": "y"}, r"chosen\[0\]\.content: expected a text, got nothing"),
        ({**PAIRS["texts"], "margin": CANARY}, "margin: expected a number, got a text"),
        ({**PAIRS["texts"], "margin": 10**400}, "margin: expected a finite number"),
        ({**PAIRS["texts"], "weight": -1}, "weight: expected a number from 0, got a negative one"),
        ({**PAIRS["texts"], "labels": {"hate": 2}}, "labels.hate: expected true or false, got a number"),
        ({CANARY: 1}, "as the first row has, got a row with the keys: 1 of other names"),
    ],
)
def test_what_is_badly_written_is_refused_with_its_line(row: Mapping[str, Any], message: str, tmp_path: Path):
    file = written(tmp_path, PAIRS["texts"], row)
    with pytest.raises(DataError, match=message) as refused:
        read(file, Kind.PAIRS)
    assert str(refused.value).startswith(f"{file}:2: ")
    assert CANARY not in str(refused.value)


def test_a_broken_line_a_missing_file_and_another_kind_are_refused(tmp_path: Path):
    file = tmp_path / "broken.jsonl"
    file.write_text(json.dumps(PAIRS["texts"]) + '\n{"prompt": "' + CANARY)
    with pytest.raises(DataError, match=r"broken\.jsonl:2: .*expected JSON") as refused:
        read(file, Kind.PAIRS)
    assert CANARY not in str(refused.value)
    with pytest.raises(DataError, match="expected a file of records, found nothing there"):
        read(tmp_path / "none.jsonl", Kind.PAIRS)
    with pytest.raises(DataError, match="expected records for --kind scalar, got pairs"):
        read(written(tmp_path, PAIRS["texts"]), Kind.SCALAR)
    with pytest.raises(DataError, match=r"found one without data_card\.json"):
        read(tmp_path, Kind.PAIRS)
