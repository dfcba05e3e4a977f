"""`guard calibrate`, as a user runs it: in a process of its own, with the classifier that ships."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from guard.detectors.registry import kinds
from guard.policy.load import load

GUARD = [sys.executable, "-c", "from guard.cli import main; main()"]
CANARY = "canary-7b1f"
POLICY = """\
version: 1
name: shop  # ours
detectors: {harm: {use: embedded}, words: {use: patterns, words: [darn], category: profanity}}
rules:
  # What people call each other.
  - id: rude
    detect: harm
    category: toxicity
    threshold: 0.7   # a guess
    action: flag
  - {id: words, detect: words, category: profanity, action: flag}
"""
RUDE = (
    "You are a stupid idiot",
    "Shut up, you pathetic moron",
    "What a disgusting loser you are",
    "You worthless piece of garbage",
)
KIND = (
    "Could you tell me when the shop opens",
    "The parcel came on Tuesday",
    "Thank you for the quick help",
    "I need a larger size",
)


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*GUARD, "calibrate", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


def write(path: Path, texts: Sequence[str], label: int, copies: int = 6, category: str = "toxicity") -> None:
    with path.open("a") as file:
        for number in range(copies):
            for index, text in enumerate(texts):
                record = {
                    "id": f"{label}-{number}-{index}",
                    "text": f"{text}, number {number}! {CANARY}",
                    "labels": {category: label},
                }
                file.write(json.dumps(record) + "\n")


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text(POLICY)
    return path


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    path = tmp_path / "labelled.jsonl"
    write(path, RUDE, 1)
    write(path, KIND, 0)
    return path


def threshold(policy: Path, rule: str = "rude") -> float:
    return next(each.threshold for each in load(policy, kinds()).rules if each.id == rule)


def test_the_new_threshold_is_all_that_changes_in_the_file(policy: Path, dataset: Path):
    result = run(dataset, "--policy", policy, "--risk", "0.1")
    assert result.returncode == 0, result.stderr
    written = policy.read_text()
    number = written.split("threshold: ")[1].split()[0]
    assert written == POLICY.replace("threshold: 0.7 ", f"threshold: {number} ")
    assert float(number) == threshold(policy) != 0.7
    assert f"0.7 → {number}" in result.stdout
    assert f"written: {policy}" in result.stdout
    assert "worth having" in result.stderr
    assert CANARY not in result.stdout + result.stderr


def test_everything_is_told_as_json_and_nothing_written_on_a_dry_run(policy: Path, dataset: Path):
    result = run(
        dataset, "--policy", policy, "--risk", "0.2", "--control", "false-alarms", "--holdout", "0.4", "--dry-run", "--json"
    )
    told = json.loads(result.stdout)
    assert (told["control"], told["risk"], told["needed"], told["records"], told["file"]) == ("false-alarms", 0.2, 4, 48, None)
    rude, words = told["rules"]
    assert (rude["status"], words["status"]) == ("chosen", "not labelled")
    assert rude["calibration"]["false_alarms"]["losses"] <= rude["allowed"]
    low, high = rude["holdout"]["false_alarms"]["interval"]
    assert 0 <= low <= rude["holdout"]["false_alarms"]["rate"] <= high <= 1
    assert told["digest"]["before"] != told["digest"]["after"]
    assert policy.read_text() == POLICY
    assert CANARY not in result.stdout


def test_too_few_examples_change_nothing_and_say_how_many_are_needed(policy: Path, dataset: Path):
    result = run(dataset, "--policy", policy, "--risk", "0.05", "--confidence", "0.95")
    assert result.returncode == 1
    assert "24 records labelled 1 for it; at least 59 are needed, 266 are worth having" in result.stderr
    assert "nothing was written" in result.stdout
    assert policy.read_text() == POLICY


def test_a_shipped_policy_is_extended_in_a_file_of_ones_own(dataset: Path, tmp_path: Path):
    own = tmp_path / "own.yaml"
    result = run(dataset, "--policy", "default", "--risk", "0.1", "--rule", "rudeness-noted", "--out", own)
    assert result.returncode == 0, result.stderr
    assert own.read_text().startswith("version: 1\nextends: default\nrules:\n  - override: rudeness-noted\n    threshold: ")
    again = run(dataset, "--policy", own, "--risk", "0.1", "--rule", "rudeness-noted", "--json")
    digests = json.loads(again.stdout)["digest"]
    assert digests["before"] == digests["after"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--risk", "0"], "--risk: expected a number between 0 and 1"),
        (["--risk", "5"], "--risk: expected a number between 0 and 1"),
        (["--confidence", "95"], "--confidence: expected a number between 0 and 1"),
        (["--control", "mistakes"], "--control: expected one of misses, false-alarms"),
        (["--stage", "middle"], "--stage: expected one of input, output"),
        (["--rule", "rood"], "rude"),
        (["--out", "no/such/folder/new.yaml"], "expected a folder"),
        (["--policy", "default"], "--out FILE"),
        (["--policy", "no-such"], "shipped"),
    ],
)
def test_wrong_usage_changes_nothing(policy: Path, dataset: Path, arguments: list[str], said: str):
    result = run(dataset, *([] if "--policy" in arguments else ["--policy", policy]), *arguments)
    assert result.returncode == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert policy.read_text() == POLICY


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"text": "canary-7b1f", "labels": {"toxicity": 3}}', ":49: expected 0 or 1 at `labels.toxicity`"),
        ('{"text": "canary-7b1f", "labels"', ":49: "),
        ('{"id": "1-0-0", "text": "canary-7b1f", "labels": {}}', ":49: expected each `id` once"),
    ],
)
def test_a_record_that_is_wrong_is_named_and_nothing_changes(policy: Path, dataset: Path, line: str, said: str):
    with dataset.open("a") as file:
        file.write(line + "\n")
    result = run(dataset, "--policy", policy, "--risk", "0.1")
    assert result.returncode == 2
    assert said in result.stderr
    assert CANARY not in result.stdout + result.stderr
    assert policy.read_text() == POLICY


def test_a_data_set_about_something_else_says_so(policy: Path, tmp_path: Path):
    other = tmp_path / "other.jsonl"
    write(other, KIND, 0, category="hate")
    result = run(other, "--policy", policy)
    assert result.returncode == 1
    assert "no record has a label for what these rules cover: rude, words" in result.stderr
    assert "none of these rules covers the labels hate" in result.stderr
