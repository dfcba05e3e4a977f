"""`guard policy fmt`: one layout, the same meaning, every comment."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from policy.yaml_made import documents

from guard.authoring.formatting import formatted
from guard.authoring.replacing import replace_file
from guard.detectors.registry import kinds
from guard.errors import PolicyError, TenetError
from guard.policy.load import load, loads, shipped
from guard.policy.yaml_source import read

POLICIES = Path(__file__).parents[2] / "policies"


def form(text: str) -> str:
    return formatted(text.encode(), "p.yaml", {}).decode()


@settings(max_examples=60, deadline=None)
@given(documents())
def test_any_document_keeps_what_it_says_and_its_comments_and_is_settled_after_once(made: tuple[str, int]):
    text, _ = made
    try:
        before = read(text, "p.yaml")
    except PolicyError:
        return
    once = form(text)
    assert read(once, "p.yaml").plain == before.plain
    assert comments(once) == comments(text)
    assert form(once) == once


@pytest.mark.parametrize(
    "text",
    [
        "a: [{\n # c1\n}]\n",
        "a:\n- { # c1\n # c2\n }\n",
        "a: {b: [\n # c1\n], c: 1}\n",
        "a: [\n [ # c1\n # c2\n ] # c3\n]\n",
        "a:\n - # c1\n  - # c2\n\n   id: x\n",
    ],
)
def test_comments_that_have_no_line_of_their_own_stand_above(text: str):
    once = form(text)
    assert comments(once) == comments(text)
    assert form(once) == once


def comments(text: str) -> Counter[str]:
    return Counter(re.findall(r"# c\d+\b", text))


@pytest.mark.parametrize("path", sorted(POLICIES.glob("*.yaml")), ids=lambda path: path.name)
def test_what_is_shipped_has_the_layout(path: Path):
    assert formatted(path.read_bytes(), path.name, kinds(), path.parent) == path.read_bytes()


CROOKED = """\
# yaml-language-server: $schema=policy.schema.json
# For the tutor.

rules:
    # Nobody needs them.
    - action:   block   # hard
      category: secret/*
      id: keys
      when: >-
          stage == "input"


      # Why not redact: see the handbook.
      detect: [ k,
                people ]
      # - a rule that is off
    - {id: mails, action: flag, detect: people,   category: pii/email}
# The detectors.
detectors:
 people: {use: pii, entities: [pii/email, pii/phone, pii/iban, pii/credit-card, pii/us-ssn, pii/passport, pii/ip-address]}
 k: secrets


version: 1
# the end
"""
STRAIGHT = """\
# yaml-language-server: $schema=policy.schema.json
# For the tutor.

version: 1
# The detectors.
detectors:
  people:
    use: pii
    entities: [pii/email, pii/phone, pii/iban, pii/credit-card, pii/us-ssn, pii/passport, pii/ip-address]
  k: secrets
rules:
  # Nobody needs them.
  - id: keys
    when: >-
      stage == "input"

    # Why not redact: see the handbook.
    detect: [k, people]
    category: secret/*
    action: block  # hard
    # - a rule that is off
  - {id: mails, detect: people, category: pii/email, action: flag}
# the end
"""


def test_keys_are_put_in_order_with_their_comments():
    assert form(CROOKED) == STRAIGHT
    assert form(STRAIGHT) == STRAIGHT
    assert loads(CROOKED, kinds()).digest == loads(STRAIGHT, kinds()).digest


def test_tests_have_their_own_order_and_a_document_with_aliases_keeps_its_own():
    assert form("tests:\n- expect: {rules: [], action: allow}\n  input: x\n  name: y\n") == (
        "tests:\n  - name: y\n    input: x\n    expect: {action: allow, rules: []}\n"
    )
    assert form("name: &n x\nversion:  1\ndescription: *n\n") == "name: &n x\nversion: 1\ndescription: *n\n"


def test_the_mark_of_byte_order_and_the_line_ends_stay():
    data = b"\xef\xbb\xbf" + b"name: x   # y\r\nversion: 1\r\ndescription: |\r\n   a\r\n   b\r\n"
    expected = b"\xef\xbb\xbf" + b"version: 1\r\nname: x  # y\r\ndescription: |\r\n  a\r\n  b\r\n"
    assert formatted(data, "p", {}) == expected
    assert formatted(expected, "p", {}) == expected


@pytest.mark.parametrize(
    "text", ["a: b: c", "a: 1\na: 2", "- a", "x", "", "a: !!str 1", "a: \x00", "b: *a", "\ufeff", "a: [1", "? [a]\n: b"]
)
def test_what_lint_cannot_read_is_not_formatted(text: str):
    with pytest.raises(PolicyError, match="expected"):
        form(text)


def test_a_layout_that_would_say_something_else_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("guard.authoring.formatting.laid_out", lambda text, _shape: text.replace("0.5", "0.6"))
    with pytest.raises(TenetError, match="say something else"):
        form("version: 1\ndefaults: {threshold: 0.5}\n")


def run(*arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    code = "from guard.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "policy", "fmt", *arguments], input=data, capture_output=True, timeout=30, check=False
    )


def test_the_command_checks_shows_and_writes(tmp_path: Path):
    path = tmp_path / "p.yaml"
    path.write_text(CROOKED)
    path.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    checked = run(str(path), "--check")
    assert (checked.returncode, checked.stdout.decode()) == (1, f"would format {path}\n")
    shown = run(str(path), "--diff")
    assert shown.returncode == 0
    assert b"+    action: block  # hard" in shown.stdout
    assert path.read_text() == CROOKED
    assert run(str(link)).returncode == 0
    assert link.is_symlink()
    assert path.read_text() == STRAIGHT
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert (run(str(path), "--check").returncode, run(str(path)).stdout) == (0, b"")
    assert sorted(os.listdir(tmp_path)) == ["link.yaml", "p.yaml"]


def test_the_command_reads_standard_input():
    result = run("-", data=CROOKED.encode())
    assert (result.returncode, result.stdout.decode()) == (0, STRAIGHT)
    assert run("-", "--check", data=STRAIGHT.encode()).returncode == 0


def test_one_unreadable_file_does_not_stop_the_others(tmp_path: Path):
    (tmp_path / "bad.yaml").write_text("a: [1\n")
    (tmp_path / "good.yaml").write_text("name: x\nversion: 1\n")
    result = run(str(tmp_path / "bad.yaml"), str(tmp_path / "good.yaml"))
    assert result.returncode == 1
    assert f"{tmp_path / 'bad.yaml'}:2:1: expected".encode() in result.stderr
    assert (tmp_path / "bad.yaml").read_text() == "a: [1\n"
    assert (tmp_path / "good.yaml").read_text() == "version: 1\nname: x\n"


@pytest.mark.parametrize(
    ("name", "said"), [("no/such.yaml", b"expected a policy file"), ("default", b"a shipped policy is not edited")]
)
def test_what_cannot_be_formatted_is_wrong_usage(name: str, said: bytes):
    result = run(name)
    assert result.returncode == 2
    assert said in result.stderr


def test_a_file_that_changed_meanwhile_is_left_alone(tmp_path: Path):
    path = tmp_path / "p.yaml"
    path.write_bytes(b"new")
    with pytest.raises(TenetError, match="changed meanwhile"):
        replace_file(path, b"old", b"formatted")
    assert path.read_bytes() == b"new"
    replace_file(path, b"old", b"new")


def test_two_that_format_a_file_at_once_both_succeed(tmp_path: Path):
    path = tmp_path / "p.yaml"
    path.write_text(CROOKED)
    code = "from guard.cli import main; main()"
    both = [subprocess.Popen([sys.executable, "-c", code, "policy", "fmt", str(path)]) for _ in range(2)]
    assert [each.wait(timeout=30) for each in both] == [0, 0]
    assert path.read_text() == STRAIGHT
    assert os.listdir(tmp_path) == ["p.yaml"]


def test_a_policy_keeps_its_digest(tmp_path: Path):
    path = tmp_path / "p.yaml"
    path.write_text(
        re.sub(
            r"^( +)(- )?",
            lambda found: found[1] * 2 + ("-   " if found[2] else ""),
            shipped()["default"].read_text(),
            flags=re.MULTILINE,
        )
    )
    before, digest = path.read_bytes(), load(path, kinds()).digest
    replace_file(path, before, formatted(before, "p.yaml", kinds(), tmp_path))
    assert path.read_bytes() == shipped()["default"].read_bytes()
    assert load(path, kinds()).digest == digest
