"""`guard policy diff` and `backtest`: what a change of policy would do, before it does it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from feedback_server import feedback_server

from guard.authoring.comparing import backtest, compare, moves
from guard.authoring.corpus import read_corpus
from guard.engine import Guard
from guard.errors import TenetError
from guard.store.store import Store

GUARD = [sys.executable, "-c", "from guard.cli import main; main()", "policy"]
POLICY = """\
version: 1
name: {name}
detectors:
  words: {{use: patterns, words: [{words}], category: custom/word}}
  people: {{use: pii}}
rules:
  - {{id: word, detect: words, category: custom/word, action: block}}
  - {{id: mail, on: output, detect: people, category: pii/email, action: redact}}
"""
ROWS = [
    {"id": "a", "input": "a kraken", "action": "block", "should": "block"},
    {"id": "b", "input": "a squid", "action": "allow", "should": "block"},
    {"id": "c", "output": "write to jane.doe@example.org", "action": "allow", "should": "allow"},
    {"id": "d", "messages": [{"role": "user", "content": "hello"}, {"role": "tool", "content": "nothing"}]},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "old.yaml").write_text(POLICY.format(name="old", words="kraken"))
    (tmp_path / "new.yaml").write_text(POLICY.format(name="new", words="squid"))
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return tmp_path


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*GUARD, *map(str, arguments)], capture_output=True, text=True, timeout=60)


def test_two_policies_differ_where_their_decisions_do(folder: Path):
    old, new = Guard(folder / "old.yaml"), Guard(folder / "new.yaml")
    found = compare(old, new, read_corpus(folder / "rows.jsonl"))
    assert dict(moves(found)) == {"block → allow": 1, "allow → block": 1}
    assert [(change.shown.id, change.rules_gone, change.rules_new) for change in found.changes] == [
        ("a", ("word",), ()),
        ("b", (), ("word",)),
    ]
    assert compare(old, old, read_corpus(folder / "rows.jsonl")).changes == []


def test_recorded_decisions_and_what_should_have_been_are_held_against_it(folder: Path):
    found = backtest(Guard(folder / "new.yaml"), read_corpus(folder / "rows.jsonl"))
    assert (found.messages, sum(found.pairs.values()), found.changed) == (4, 3, 3)
    assert (found.labelled, found.missed, found.overdone) == (3, 1, 1)
    assert found.needless == {"mail": 1}


def test_the_commands_say_it_by_their_status_and_show_words_only_when_asked(folder: Path):
    same = run("diff", folder / "old.yaml", folder / "old.yaml", "--on", folder / "rows.jsonl")
    assert (same.returncode, same.stderr) == (0, "")
    told = run("diff", folder / "old.yaml", folder / "new.yaml", "--on", folder / "rows.jsonl")
    assert told.returncode == 1
    assert "a input: block → allow  -word" in told.stdout
    assert "kraken" not in told.stdout
    shown = run("backtest", folder / "new.yaml", "--on", folder / "rows.jsonl", "--show", "--json")
    assert json.loads(shown.stdout)["examples"][0]["text"] == "a kraken"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "rows.jsonl:1: expected an object of JSON"),
        ('{"input": "x", "output": "y"}', "rows.jsonl:1: expected one of `input`"),
        ('{"messages": [{"role": "king", "content": "x"}]}', "rows.jsonl:1: expected a role"),
        ('{"input": "x", "action": "hide"}', "rows.jsonl:1: action: expected allow, flag, redact"),
    ],
)
def test_broken_rows_are_told_by_file_and_line(tmp_path: Path, line: str, told: str):
    (tmp_path / "rows.jsonl").write_text(line)
    with pytest.raises(TenetError, match=told):
        list(read_corpus(tmp_path / "rows.jsonl"))


def test_traffic_of_a_store_is_tried_again(folder: Path, store: Store, url: str):
    with feedback_server(store) as server:
        for text in ("a kraken", "a squid", "a river"):
            server.ask(text)
    store.writer.flush()
    found = run("backtest", folder / "new.yaml", "--on", url, "--json")
    assert found.returncode == 1, found.stderr
    told = json.loads(found.stdout)
    assert told["rules"]["word"]["fires"] == 1
    assert told["moves"]["allow → block"] == 1
    assert run("backtest", folder / "new.yaml", "--on", url, "--since", "2000-01-01").returncode == 1
    assert "found none" in run("backtest", folder / "new.yaml", "--on", url, "--tenant", "other").stderr
