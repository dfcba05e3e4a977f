"""The command `guard scan`, in processes of its own: killed, interrupted, piped into, on Ray, on files larger than its memory."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import served

GUARD = [sys.executable, "-c", "from guard.cli import main; main()"]
MEASURED = [
    sys.executable,
    "-c",
    "import atexit, re, sys; from guard.cli import main\n"
    "peak = lambda: re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]\n"
    "atexit.register(lambda: print(peak(), file=sys.stderr))\nmain()",
]
"""Says its own peak in KiB; what `getrusage` says begins with that of whoever started the process."""


def run(*arguments: str, text: bytes = b"", command: list[str] | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*(command or GUARD), "scan", *arguments], input=text, capture_output=True, timeout=50, check=False)


def records(path: Path, count: int, words: str = "") -> Path:
    said = ("forbidden", "a@example.org", "nothing", "naïve \U0001f600")
    with path.open("w") as file:
        for number in range(count):
            file.write(json.dumps({"key": f"k{number}", "text": f"{number} {said[number % 4]} {words}"}) + "\n")
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that takes about a second."""
    return records(tmp_path_factory.mktemp("scanned") / "in.jsonl", 12_000)


@pytest.fixture
def scan(tmp_path: Path, source: Path, policy_file: Path) -> list[str]:
    return [str(source), "--out", str(tmp_path / "out.jsonl"), "--policy", str(policy_file), "--id", "key"]


def begun(arguments: list[str], checkpoint: Path) -> subprocess.Popen[bytes]:
    """Start a scan, and wait until its checkpoint says that some records are safe."""
    process = subprocess.Popen([*GUARD, "scan", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not (checkpoint.exists() and json.loads(checkpoint.read_bytes())["length"]):
        assert process.poll() is None, process.communicate()
        select.select([], [], [], 0.01)
    return process


@pytest.fixture(scope="module")
def whole(source: Path, policy_file: Path) -> bytes:
    """What the scan gives without a stop."""
    out = source.with_name("whole.jsonl")
    assert run(str(source), "--out", str(out), "--policy", str(policy_file), "--id", "key").returncode == 0
    return out.read_bytes()


def test_a_scan_that_is_killed_goes_on_and_ends_with_the_same_bytes(scan, whole, tmp_path):
    process = begun(scan, tmp_path / "out.jsonl.checkpoint")
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "out.jsonl").exists()
    again = run(*scan)
    assert again.returncode == 0
    assert b"going on after" in again.stderr
    assert (tmp_path / "out.jsonl").read_bytes() == whole
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out.jsonl"]
    refused = run(*scan)
    assert refused.returncode == 2
    assert b"--overwrite" in refused.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_scan_that_is_asked_to_stop_says_how_to_go_on(scan, whole, tmp_path, number):
    process = begun(scan, tmp_path / "out.jsonl.checkpoint")
    second = run(*scan)
    assert second.returncode == 2
    assert f"process {process.pid} is writing it".encode() in second.stderr
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert stdout == b""
    assert b"run the same command again to go on" in stderr
    assert b"Traceback" not in stderr
    assert run(*scan).returncode == 0
    assert (tmp_path / "out.jsonl").read_bytes() == whole


@pytest.mark.timeout(60)
def test_ray_gives_the_same_bytes(tmp_path, policy_file):
    source = records(tmp_path / "in.jsonl", 3000)
    with source.open("ab") as file:
        file.write(b'{broken\n\n{"text": 3}\r\n{"key": 1.50, "text": "forbidden \\u2028"}')
    options = ["--policy", str(policy_file), "--id", "key", "--keep-text", "--json"]
    here = run(str(source), "--out", str(tmp_path / "here.jsonl"), *options)
    ray = run(str(source), "--out", str(tmp_path / "ray.jsonl"), *options, "--engine", "ray")
    assert (here.returncode, ray.returncode) == (1, 1), ray.stderr
    assert (tmp_path / "ray.jsonl").read_bytes() == (tmp_path / "here.jsonl").read_bytes()
    summaries = [{**json.loads(each.stdout), "out": ""} for each in (here, ray)]
    assert summaries[0] == summaries[1]
    assert summaries[0]["records"] == 3003
    assert ray.stderr == b""


def test_memory_does_not_grow_with_the_file(tmp_path, policy_file):
    peaks = []
    for count in (500, 12_000):
        source = records(tmp_path / f"{count}.jsonl", count, "and more of the same, " * 70)
        out = tmp_path / f"{count}-out.jsonl"
        result = run(str(source), "--out", str(out), "--policy", str(policy_file), "--keep-text", command=MEASURED)
        assert result.returncode == 0, result.stderr
        assert out.read_bytes().count(b"\n") == count
        peaks.append(int(result.stderr) / 1024)
    assert peaks[1] - peaks[0] < 12, "MiB; the file has 19, and its records as objects far more"


def test_standard_input_is_scanned_as_it_comes(tmp_path, policy_file):
    out = tmp_path / "out.jsonl"
    arguments = ["scan", "-", "--out", str(out), "--policy", str(policy_file)]
    process = subprocess.Popen([*GUARD, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(b'{"text": "forbidden"}\n{"text": "on')
    process.stdin.flush()
    while not (partial := tmp_path / "out.jsonl.partial").exists():
        select.select([], [], [], 0.01)
    process.stdin.write(b'e"}\n')
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 0, stderr
    assert not partial.exists()
    assert [json.loads(line)["action"] for line in out.read_bytes().splitlines()] == ["block", "allow"]
    assert stdout.startswith(b"2 records, 50.0% flagged")


def test_a_pipe_that_says_nothing_can_be_left_and_is_not_gone_on_with(tmp_path, policy_file):
    arguments = ["scan", "-", "--out", str(tmp_path / "out.jsonl"), "--policy", str(policy_file)]
    process = subprocess.Popen([*GUARD, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not (tmp_path / "out.jsonl.checkpoint").exists():
        select.select([], [], [], 0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 128 + signal.SIGINT
    stderr = process.stderr.read()
    assert b"a pipe cannot be read again" in stderr
    assert b"Traceback" not in stderr
    for stream in (process.stdin, process.stdout, process.stderr):
        stream.close()
    again = run(*arguments[1:], text=b'{"text": "one"}')
    assert again.returncode == 2
    assert b"--overwrite" in again.stderr
    assert run(*arguments[1:], "--overwrite", text=b'{"text": "one"}').returncode == 0


def test_broken_records_give_status_1_and_are_counted(tmp_path, policy_file):
    out = tmp_path / "out.jsonl"
    text = b'{"text": "forbidden"}\n{"text": \n{"txt": "canary"}\n{"text": "b@example.org"}\n'
    result = run("-", "--out", str(out), "--policy", str(policy_file), "--json", text=text)
    assert result.returncode == 1
    summary = json.loads(result.stdout)
    assert (summary["records"], summary["broken"]) == (4, 2)
    assert summary["actions"] == {"block": 1, "redact": 1}
    assert summary["rules"] == {"no-forbidden": 1, "hide-email": 1}
    assert summary["categories"] == {"custom/word": 1, "pii/email": 1}
    assert b"canary" not in out.read_bytes() + result.stdout + result.stderr


def test_a_detector_that_gives_no_verdict_is_named_once_and_counted(tmp_path):
    policy = tmp_path / "far.yaml"
    policy.write_text(
        "version: 1\nname: far\n"
        "detectors: {far: {use: http, url: 'http://127.0.0.1:9/', body: {text: '{text}'}, score: score, category: toxicity,\n"
        "  runtime: {failures: 1000}}}\n"
        "rules: [{id: far-away, detect: far, category: toxicity, action: block}]\n"
    )
    out = tmp_path / "out.jsonl"
    text = b"".join(b'{"text": "number %d"}\n' % number for number in range(200))
    result = run("-", "--out", str(out), "--policy", str(policy), "--json", text=text)
    assert result.returncode == 0
    results = [json.loads(line) for line in out.read_bytes().splitlines()]
    assert {(each["action"], tuple(each["failed"])) for each in results} == {("block", ("far",))}
    assert json.loads(result.stdout)["failed"] == {"far": 200}
    said = result.stderr.decode().splitlines()
    assert 1 <= len([line for line in said if "far" in line]) <= 4
    assert len(said) < 12


def test_a_service_that_cannot_keep_up_fails_no_record(tmp_path):
    turns = asyncio.Lock()
    crowds = []

    async def slow(scope, receive, send):
        assert scope["type"] == "http"
        crowds.append(len(turns._waiters or ()))
        async with turns:
            await asyncio.sleep(0.02)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": b'{"score": 0.75}'})

    policy = tmp_path / "slow.yaml"
    with served(slow) as url:
        policy.write_text(
            "version: 1\nname: slow\n"
            f"detectors: {{slow: {{use: http, url: '{url}/', body: {{text: '{{text}}'}}, score: score, category: toxicity,\n"
            "  runtime: {timeout: 1.0, parallel: 64, recovery: 0.1, retries: 0}}}\n"
            "rules: [{id: suspected, detect: slow, category: toxicity, action: flag}]\n"
        )
        text = b"".join(b'{"text": "number %d"}\n' % number for number in range(200))
        result = run("-", "--out", str(tmp_path / "out.jsonl"), "--policy", str(policy), "--json", text=text)
    assert max(crowds) > 10, "so many at once that most of them cannot be answered in time"
    assert json.loads(result.stdout)["failed"] == {}
    assert json.loads(result.stdout)["actions"] == {"flag": 200}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no-such.jsonl", "--out", "x.jsonl"], "found nothing"),
        (["-", "--out", "no/such/folder/x.jsonl"], "folder that exists"),
        (["-", "--out", "-"], "expected a file"),
        (["-", "--out", "x.jsonl", "--stage", "middle"], "expected input or output"),
        (["-", "--out", "x.jsonl", "--role", "nobody"], "expected one of"),
        (["-", "--out", "x.jsonl", "--policy", "no-such"], "shipped"),
        (["-", "--out", "x.jsonl", "--engine", "spark"], "local or ray"),
        (["-", "--out", "x.jsonl", "--engine", "ray"], "got a pipe"),
        (["-", "--out", "x.jsonl", "--field", ""], "name of a field"),
        (["-", "--out", "x.jsonl", "--batch", "0"], "--batch"),
        (["-"], "--out"),
    ],
)
def test_wrong_usage_exits_with_2_and_writes_nothing(tmp_path, arguments, said):
    command = [sys.executable, "-c", "from guard.cli import main; main()", "scan", *arguments]
    result = subprocess.run(command, input=b"", capture_output=True, timeout=30, check=False, cwd=tmp_path)
    assert result.returncode == 2
    assert said in result.stderr.decode()
    assert b"Traceback" not in result.stderr
    assert not list(tmp_path.iterdir())


def test_without_its_package_an_engine_names_the_extra(tmp_path):
    code = "import sys; sys.modules['ray'] = None; sys.modules['pyarrow'] = None; from guard.cli import main; main()"
    (tmp_path / "in.jsonl").write_text('{"text": "a"}\n')
    for out, options, extra in (("x.jsonl", ["--engine", "ray"], "ray"), ("x.parquet", [], "data")):
        command = [sys.executable, "-c", code, "scan", str(tmp_path / "in.jsonl"), "--out", str(tmp_path / out), *options]
        result = subprocess.run(command, capture_output=True, timeout=30, check=False)
        assert result.returncode == 2
        assert f"pip install 'tenet-guard[{extra}]'" in result.stderr.decode()


def test_on_a_terminal_a_bar_shows_how_far_it_is(tmp_path, policy_file):
    source = records(tmp_path / "in.jsonl", 2000)
    shown, terminal = pty.openpty()
    arguments = [str(source), "--out", str(tmp_path / "out.jsonl"), "--policy", str(policy_file)]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen([*GUARD, "scan", *arguments], stdout=subprocess.PIPE, stderr=terminal, env=environment)
    os.close(terminal)
    seen = b"".join(everything(shown))
    stdout, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert b"records/s" in seen
    assert b"50.0% flagged" in seen
    assert b"100%" in seen
    assert stdout.startswith(b"2,000 records")


def everything(terminal: int) -> Iterator[bytes]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            seen = os.read(terminal, 65_536)
        except OSError:  # the other side was closed
            break
        if not seen:
            break
        yield seen
    os.close(terminal)
