"""`guard policy check`: one line for a policy that can be used, every mistake for one that cannot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

POLICY = """
version: 1
name: tutor
detectors: {words: {use: patterns, words: [kraken], category: custom/word}}
rules: [{id: no-kraken, detect: words, category: custom/word, action: block}]
"""


def check(*arguments: str, given: bytes = b"", folder: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", "from guard.cli.main import main; main()", "policy", "check", *arguments]
    return subprocess.run(command, input=given, capture_output=True, timeout=30, cwd=folder)


def test_a_policy_from_standard_input_is_told_in_a_line_and_tried():
    done = check("-", "--try", "Tell me of the kraken.", "--try", "Tell me of rivers.", given=POLICY.encode())
    assert (done.returncode, done.stderr) == (0, b"")
    first, *tried = done.stdout.decode().splitlines()
    assert first == "tutor: ok, 1 rules"
    assert tried == ["  block  Tell me of the kraken. (no-kraken)", "  allow  Tell me of rivers."]


def test_every_mistake_is_told_with_its_line():
    done = check("-", given=POLICY.replace("action: block", "action: blok").replace("detect: words", "detect: wrods").encode())
    told = done.stderr.decode()
    assert (done.returncode, done.stdout) == (1, b"")
    assert "<stdin>:5:" in told
    assert "did you mean `block`?" in told and "did you mean `words`?" in told


def test_bytes_that_are_no_text_are_a_mistake_and_no_crash():
    done = check("-", given=b"version: \xff")
    assert done.returncode == 1
    assert b"UTF-8" in done.stderr and b"Traceback" not in done.stderr


def test_bases_are_looked_for_in_the_working_directory(tmp_path: Path):
    (tmp_path / "base.yaml").write_text(POLICY)
    done = check("-", given=b"version: 1\nname: mine\nextends: ./base.yaml\n", folder=tmp_path)
    assert done.stdout.startswith(b"mine: ok, 1 rules"), done.stderr


def test_a_file_that_is_not_there_is_told():
    done = check("./none.yaml")
    assert done.returncode == 2
    assert b"none.yaml" in done.stderr
