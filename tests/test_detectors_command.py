"""The command `guard detectors`: what is listed, how, and what is measured."""

from __future__ import annotations

import json
import os
import pty
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from guard.cli import measuring
from guard.detectors.registry import kinds
from guard.policy.kinds import Kind, Option

GUARD = [sys.executable, "-c", "from guard.cli import main; main()"]


def run(*arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code + GUARD[2], "detectors", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)


def test_every_kind_is_listed_with_what_it_needs():
    result = run("--json")
    assert result.returncode == 0
    listed = {each["use"]: each for each in json.loads(result.stdout)}
    assert list(listed) == list(kinds())
    for use, kind in kinds().items():
        assert listed[use]["remote"] is kind.remote
        assert listed[use]["reach"] == kind.reach
        assert listed[use]["summary"] == kind.summary
        assert listed[use]["installed"] or listed[use]["install"] == f"pip install 'tenet-guard[{kind.extra}]'"
    assert listed["pii"]["versions"].keys() == {"tenet-guard"}
    assert "pii/email" in listed["pii"]["categories"]
    assert listed["embedded"]["bytes"] > 1_000_000
    assert listed["openai"]["remote"]


def test_what_is_not_installed_is_listed_with_the_command_that_installs_it():
    hide = (
        "import importlib.util as u; real = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'torch' else real(name, *rest)\n"
    )
    listed = {each["use"]: each for each in json.loads(run("--json", code=hide).stdout)}
    assert not listed["detoxify"]["installed"]
    assert listed["detoxify"]["install"] == "pip install 'tenet-guard[detoxify]'"
    assert "torch" not in listed["detoxify"]["versions"]
    assert listed["pii"]["installed"]
    assert "pip install 'tenet-guard[detoxify]'" in run(code=hide).stdout


def test_listing_imports_nothing_heavy_and_takes_less_than_a_second_of_computing():
    heavy = "{'torch', 'transformers', 'presidio_analyzer', 'spacy', 'onnxruntime', 'PIL', 'pyarrow', 'ray', 'detoxify'}"
    check = f"import atexit, sys; atexit.register(lambda: print({heavy} & set(sys.modules), file=sys.stderr))\n"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = run(code=check)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert result.stderr.strip() == "set()"
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.5, "twice what it takes"


def test_a_pipe_gets_one_plain_line_for_each_kind():
    lines = run().stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(kinds())
    assert lines[0].startswith("kind")
    assert "\x1b" not in "".join(lines)
    starts = {line.index(words) for line in lines[1:3] for words in ("Apache-2.0",)}
    assert len(starts) == 1


def test_a_terminal_gets_a_table():
    shown, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "160"}
    process = subprocess.Popen([*GUARD, "detectors"], stdout=terminal, env=environment)
    os.close(terminal)
    seen = b""
    while True:
        try:
            seen += os.read(shown, 65_536)
        except OSError:  # the other side was closed
            break
    os.close(shown)
    assert process.wait(30) == 0
    assert b"\x1b[1m" in seen
    assert "──".encode() in seen
    assert b"embedded" in seen


def test_measuring_times_what_needs_no_configuration_and_asks_no_service():
    listed = {each["use"]: each["milliseconds"] for each in json.loads(run("--measure", "--json").stdout)}
    assert 0 < listed["pii"]["pii"] < 50
    assert 0 < listed["embedded"]["embedded"] < 50
    for use, kind in kinds().items():
        if kind.remote or use in ("patterns", "transformers", "detoxify", "cascade"):
            assert listed[use] == {}, use


def test_measuring_a_policy_times_the_detectors_that_it_declares(tmp_path: Path):
    policy = tmp_path / "mine.yaml"
    policy.write_text(
        "version: 1\nname: mine\n"
        "detectors:\n"
        "  names: {use: patterns, words: [nightjar], category: custom/name}\n"
        "  tone: {use: embedded}\n"
        "  both: {use: cascade, stages: [names, tone]}\n"
        "  far: {use: http, url: 'http://127.0.0.1:9/', body: {text: '{text}'}, score: score, category: toxicity}\n"
        "rules: [{id: flagged, detect: both, category: custom/name, action: flag}]\n"
    )
    result = run("--measure", "--policy", str(policy), "--json")
    listed = {each["use"]: each for each in json.loads(result.stdout)}
    assert 0 < listed["patterns"]["milliseconds"]["names"] < 50
    assert 0 < listed["cascade"]["milliseconds"]["both"] < 50
    assert listed["http"]["milliseconds"] == {"far": None}
    assert "far: not measured" in result.stderr
    assert listed["patterns"]["categories"] == ["custom/name"]
    assert "tone " in run("--measure", "--policy", str(policy)).stdout


@pytest.mark.parametrize(
    "kind",
    [
        {"remote": True},
        {"options": {"url": Option("string", "x", required=True)}},
        {"options": {"model": Option("string", "x", choices=("small", "large"))}},
        {"check": lambda _options: ["something is missing"]},
        {"categories": lambda options: (options["category"],)},
    ],
    ids=["remote", "an option that is required", "a model to fetch", "options that are wrong together", "a category to name"],
)
def test_a_kind_that_wants_configuring_is_not_measured_without(kind):
    def make(*_: object) -> None:
        raise AssertionError("built")

    known = Kind(**{"use": "x", "summary": "x", "make": make, "categories": lambda _options: ("custom/x",), **kind})
    assert measuring.measure_kinds({"x": known}) == []


def test_a_policy_with_mistakes_is_wrong_usage(tmp_path: Path):
    broken = tmp_path / "broken.yaml"
    broken.write_text("version: 1\nname: broken\ndetectors: {a: {use: nothing-like-it}}\n")
    result = run("--policy", str(broken))
    assert result.returncode == 2
    assert f"{broken}:3" in result.stderr
