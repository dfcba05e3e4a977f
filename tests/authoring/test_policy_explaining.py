"""`guard policy explain`: what every rule saw, and why it fires or does not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from guard.authoring.explaining import explain
from guard.engine import Guard, new_exchange
from guard.values import Role, Stage

GUARD = [sys.executable, "-c", "from guard.cli import main; main()"]
POLICY = """\
version: 1
name: explained
detectors:
  words: {use: patterns, words: [kraken], category: custom/word}
  names: {use: patterns, words: [Kraken Bay], category: custom/place}
  harm: {use: embedded}
rules:
  - {id: word, detect: words, category: custom/word, action: redact}
  - {id: places, detect: names, category: custom/place, action: allow, overrides: [word], reason: It is a place.}
  - {id: answers, on: output, detect: words, category: custom/word, action: block}
  - {id: tools, on: input, detect: words, category: custom/word, roles: tool_result, action: block}
  - {id: teens, when: 'request.headers["x-audience"] == "teen"', detect: words, category: custom/word, action: block}
  - {id: insults, detect: harm, category: harassment, threshold: 0.99, action: flag}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    (tmp_path / "p.yaml").write_text(POLICY)
    return tmp_path / "p.yaml"


def whys(policy: Path, text: str, **more) -> dict[str, tuple[bool, str]]:
    found = explain(Guard(policy), text, Stage.INPUT, **more)
    return {seen.rule.id: (seen.fires, seen.why) for seen in found.rules}


def test_every_rule_says_why(policy: Path):
    said = whys(policy, "a kraken, you stupid idiot")
    assert said["word"] == (True, "custom/word 1.00 of words, from 0.5 on")
    assert said["places"] == (False, "names found nothing of custom/place")
    assert said["answers"] == (False, "it reads output only")
    assert said["tools"] == (False, "it does not read the words of user")
    assert said["teens"] == (False, 'it does not hold here: when request.headers["x-audience"] == "teen"')
    fires, why = said["insults"]
    assert not fires
    assert why.startswith("harassment 0.")
    assert why.endswith("of harm, below its threshold of 0.99")


def test_what_an_exception_takes_out_is_said(policy: Path):
    assert whys(policy, "we sail to Kraken Bay")["word"][1].endswith("an exception takes it out (among places)")


def test_what_is_known_of_the_request_counts(policy: Path):
    assert whys(policy, "a kraken", exchange=new_exchange(headers={"x-audience": "teen"}))["teens"][1].startswith(
        "custom/word 1.00"
    )
    assert whys(policy, "a kraken", role=Role.TOOL_RESULT)["tools"][0]


def test_the_command_shows_a_tree_and_the_same_as_json(policy: Path):
    command = [*GUARD, "policy", "explain", "a kraken", "--policy", str(policy)]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert shown.returncode == 0, shown.stderr
    assert "word (redact): custom/word 1.00 of words, from 0.5 on" in shown.stdout
    told = json.loads(subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=60).stdout)
    assert [each["rule"] for each in told["explained"] if each["fires"]] == ["word"]
    assert told["explained"][0]["findings"][0]["span"] == [2, 8]
    wrong = subprocess.run([*command, "--stage", "sideways"], capture_output=True, text=True, timeout=60)
    assert (wrong.returncode, "expected input or output" in wrong.stderr) == (2, True)
