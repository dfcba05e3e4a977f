"""`align classifier distil`: a small classifier of what people or a dear detector decided, which a policy runs without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from guard.engine import Guard

ALIGN = [sys.executable, "-c", "from alignment.cli import main; main()", "classifier", "distil"]
DISHES = ["bread", "soup", "rice", "a cake", "stew", "noodles", "pancakes", "salad"]
MATTERS = ["a contract", "a lawsuit", "my lease", "a will", "the court", "a patent", "divorce papers", "my rights"]
ASKED = [
    "How do I make {}?",
    "What goes with {}?",
    "Tell me about {}.",
    "Is there an easy way with {}?",
    "My aunt asked about {}.",
    "Write a note on {}.",
    "I worry about {}.",
    "Explain {} to a child.",
    "Who knows about {}?",
    "Help me with {}, please.",
]
POLICY = """\
version: 1
name: cheap
detectors: {{cheap: {{use: onnx, model: {folder}, labels: {{custom/law: custom/law}}}}}}
rules: [{{id: law, on: input, detect: cheap, category: custom/law, threshold: 0.5, action: block}}]
"""
TEACHER = """\
version: 1
name: dear
detectors: {words: {use: patterns, words: [contract, lawsuit, lease, will, court, patent, divorce, rights], category: custom/law}}
rules: [{id: law, on: input, detect: words, category: custom/law, action: flag}]
"""


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*ALIGN, *map(str, arguments)], capture_output=True, text=True, timeout=60)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    rows = [(said.format(what), int(what in MATTERS)) for what, said in product([*DISHES, *MATTERS], ASKED)]
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text, "labels": {"custom/law": label}}) + "\n" for text, label in rows))
    return path


@pytest.mark.parametrize("teacher", [False, True])
def test_what_was_decided_is_learned_and_holds_for_words_that_were_not_there(texts: Path, tmp_path: Path, teacher: bool):
    out = tmp_path / "cheap"
    (tmp_path / "dear.yaml").write_text(TEACHER)
    if teacher:
        rows = [json.loads(line) for line in texts.read_text().splitlines()]
        texts.write_text("".join(json.dumps({"text": row["text"], "labels": {"custom/other": 0}}) + "\n" for row in rows))
    done = run(texts, "--out", out, *(["--teacher", tmp_path / "dear.yaml"] if teacher else []))
    assert done.returncode == 0, done.stderr
    assert "custom/law: AUROC" in done.stderr
    (tmp_path / "policy.yaml").write_text(POLICY.format(folder=out))
    guard = Guard(tmp_path / "policy.yaml")
    decided = [guard.check_sync(text).action.word for text in ("Can my landlord sue me?", "How long does risotto take?")]
    assert decided == ["block", "allow"]
    assert "custom/law" in (out / "README.md").read_text()


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{"text": "x", "labels": {"custom/law": 1}}] * 3, "at least 20 texts of either answer"),
        ([{"text": "x", "labels": {"no-such": 1}}], "no-such"),
        ([], "expected labelled records, found none"),
    ],
)
def test_what_teaches_nothing_is_told_and_nothing_is_written(tmp_path: Path, rows, told: str):
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = run(path, "--out", tmp_path / "cheap")
    assert done.returncode == 2
    assert told in done.stderr
    assert not (tmp_path / "cheap").exists()
