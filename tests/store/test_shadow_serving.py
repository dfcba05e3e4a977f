"""`guard serve --shadow` and `--canary` as processes, and the commands that look at what comes of them, promote and drop."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from servers import Upstream, await_that, completion, served
from test_workers import await_workers
from typer.testing import CliRunner

from guard.cli.main import app
from guard.errors import TenetError
from guard.policy.load import shipped

GUARD = str(Path(sys.executable).with_name("guard"))
POLICY = """
version: 1
name: {name}
{more}
detectors:
  words: {{use: patterns, words: [{word}], category: custom/word}}
rules:
  - {{id: no-word, detect: words, category: custom/word, action: block}}
"""
TESTS = "tests:\n  - {{name: the word, input: {word}, expect: {{action: block}}}}\n"


def write(folder: Path, name: str, word: str, more: str = "", *, tests: bool = False) -> str:
    path = folder / f"{name}.yaml"
    path.write_text(POLICY.format(name=name, word=word, more=more))
    if tests:
        (folder / f"{name}_test.yaml").write_text(TESTS.format(word=word))
    return str(path)


@contextmanager
def serving(url: str, policy: str, *more: str) -> Iterator[tuple[str, subprocess.Popen[str], list[str]]]:
    """A server in front of a real upstream; gives its address, its process, and what it says on standard error, as it comes."""
    upstream = Upstream([json.dumps(completion("fine")).encode()])
    with served(upstream) as behind:
        command = [GUARD, "serve", "--upstream", behind, "--port", "0", "--store", url, "--policy", policy, *more]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            said: list[str] = []
            reader = threading.Thread(target=lambda: said.extend(process.stderr or ()), daemon=True)
            reader.start()
            try:
                address = process.stdout.readline().split()[-1:]
                assert address, said
                yield address[0], process, said
            finally:
                process.terminate()
                process.wait(20)
                reader.join(10)


def ask(address: str, text: str, **more: Any) -> httpx.Response:
    body = {"model": "m", "messages": [{"role": "user", "content": text}], **more}
    return httpx.post(f"{address}/v1/chat/completions", json=body, timeout=15)


def run(url: str, *command: str, status: int = 0) -> str:
    """What a command of `guard policy shadow` says, run in this process."""
    result = CliRunner().invoke(app, ["policy", "shadow", *command, "--store", url])
    if status == 0:
        assert result.exit_code == 0, result.exception
        return result.stdout
    assert isinstance(result.exception, TenetError)
    return str(result.exception)


def shown(url: str, *more: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(url, "show", "--json", *more))
    return found


def figures(url: str) -> dict[str, Any]:
    [figures] = shown(url)["beside"].values()
    return figures  # type: ignore[no-any-return]


@pytest.mark.timeout(60)
def test_a_shadow_is_served_shown_and_dropped_and_no_restart_brings_it_back(url: str, tmp_path: Path):
    policy, candidate = write(tmp_path, "first", "squid"), write(tmp_path, "next", "kraken")
    with serving(url, policy, "--shadow", candidate) as (address, process, said):
        assert {ask(address, text).headers["x-guard-action"] for text in ("a kraken", "hello")} == {"allow"}
        assert ask(address, "a squid").headers["x-guard-action"] == "block"
        await_that(lambda: compared(url) == 5)
        found = figures(url)
        assert found["moves"] == {"allow → allow": 3, "allow → block": 1, "block → allow": 1}
        assert found["rules"]["no-word"] == {"before": 1, "after": 1, "change": found["rules"]["no-word"]["change"]}
        page = run(url, "show", "--show")
        assert "a kraken" in page
        assert "input: allow → block  +no-word" in page
        assert "a kraken" not in run(url, "show")
        assert "next beside first" in run(url, "list")
        run(url, "drop", "--reason", "too strict")
        await_that(lambda: any("is not tried as a shadow any more" in line for line in said), said)
    with serving(url, policy, "--shadow", candidate) as (address, process, said):
        ask(address, "a kraken")
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        await_that(lambda: any("was dropped and is not tried again" in line for line in said), said)
    assert shown(url)["trial"]["state"] == "dropped"
    assert compared(url) == 5
    assert "too strict" in run(url, "show")
    assert "expected a policy that is tried" in run(url, "drop", status=2)


def compared(url: str) -> int:
    return sum(each["agreement"]["messages"] for each in shown(url)["beside"].values())


@pytest.mark.timeout(60)
def test_counts_of_workers_add_up_and_all_of_them_begin_and_end(url: str, tmp_path: Path):
    policy, candidate = write(tmp_path, "first", "squid"), write(tmp_path, "next", "kraken")
    with serving(url, policy, "--workers", "3") as (address, process, said):
        await_workers(process.pid, 3)
        assert "is tried as a shadow" in run(url, "start", candidate)
        await_that(lambda: sum("is tried as a shadow on 100 %" in line for line in said) == 3, said)
        for number in range(30):
            ask(address, f"a kraken {number}")
        await_that(lambda: compared(url) == 60)
        assert figures(url)["moves"] == {"allow → allow": 30, "allow → block": 30}
        run(url, "drop")
        await_that(lambda: sum("is not tried as a shadow any more" in line for line in said) == 3, said)
    history = subprocess.run([GUARD, "policy", "history", "--store", url], capture_output=True, text=True, timeout=30, check=True)
    assert [line.split()[3] for line in history.stdout.splitlines()] == ["dropped", "shadow", "in-force"]
    audit = subprocess.run([GUARD, "audit", "verify", "--store", url], capture_output=True, text=True, timeout=30, check=False)
    assert audit.returncode == 0, audit.stdout


@pytest.mark.timeout(60)
def test_a_canary_acts_on_its_share_and_is_promoted_into_every_worker(url: str, tmp_path: Path):
    policy = write(tmp_path, "first", "squid", tests=True)
    candidate = write(tmp_path, "next", "kraken", tests=True)
    before, after = Path(policy).read_text(), Path(candidate).read_text()
    with serving(url, policy, "--workers", "2", "--canary", f"{candidate}@50") as (address, process, said):
        await_workers(process.pid, 2)
        await_that(lambda: sum("is tried as a canary on 50 %" in line for line in said) == 2, said)
        actions = [
            {ask(address, "the kraken", user=f"person {number}").headers["x-guard-action"] for _ in range(3)}
            for number in range(20)
        ]
        assert all(len(each) == 1 for each in actions), "a person stays with their policy, whichever worker serves"
        assert {"allow", "block"} == set.union(*actions)
        await_that(lambda: sum(map(sum_of, shown(url)["exchanges"].values())) == 60)
        arms = shown(url)["exchanges"]
        assert sorted(tuple(each) for each in arms.values()) == [("allow",), ("block",)]
        run(url, "promote")
        await_that(lambda: sum("is not tried as a canary any more" in line for line in said) == 2, said)
        digest = shown(url)["trial"]["digest"]
        for number in range(20):
            answer = ask(address, "the kraken", user=f"person {number}")
            assert (answer.headers["x-guard-action"], answer.headers["x-guard-policy"]) == ("block", digest)
    assert Path(policy).read_text() == after
    assert (tmp_path / "first_test.yaml").read_text() == TESTS.format(word="kraken")
    assert (tmp_path / "first.yaml.before").read_text() == before
    assert shown(url)["trial"]["state"] == "promoted"


def sum_of(actions: dict[str, int]) -> int:
    return sum(actions.values())


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.mark.timeout(60)
def test_nothing_is_promoted_that_is_not_what_was_tried_or_would_not_hold(sqlite: str, tmp_path: Path):
    policy, folder = write(tmp_path, "first", "squid"), tmp_path / "candidates"
    folder.mkdir()
    candidate = write(folder, "next", "kraken", tests=True)
    with serving(sqlite, policy, "--shadow", candidate):
        pass
    before = Path(policy).read_bytes()
    (folder / "next_test.yaml").write_text(TESTS.format(word="octopus"))
    assert "1 of its tests failed" in run(sqlite, "promote", status=2)
    (folder / "next_test.yaml").unlink()
    write(folder, "next", "octopus")
    assert "it has changed since" in run(sqlite, "promote", status=2)
    Path(candidate).unlink()
    assert "expected a policy file, found nothing there" in run(sqlite, "promote", status=2)
    write(folder, "next", "kraken")
    (tmp_path / "first_test.yaml").write_text(TESTS.format(word="squid"))
    assert "1 of its tests failed" in run(sqlite, "promote", status=2), "the tests of the one in force, where it has none"
    (tmp_path / "first_test.yaml").unlink()
    assert "found nothing there" in run(sqlite, "promote", "--into", str(tmp_path / "none.yaml"), status=2)
    assert "one that comes with Tenet" in run(sqlite, "promote", "--into", str(shipped()["strict"]), status=2)
    assert "very file that is served" in run(sqlite, "promote", "--into", candidate, status=2)
    assert Path(policy).read_bytes() == before
    assert sorted(each.name for each in tmp_path.glob("*.yaml*")) == ["first.yaml"]
    assert shown(sqlite)["trial"]["state"] == "running"


@pytest.mark.timeout(60)
def test_a_candidate_whose_bases_lie_elsewhere_is_not_put_where_they_are_not(sqlite: str, tmp_path: Path):
    policy, folder = write(tmp_path, "first", "squid"), tmp_path / "candidates"
    folder.mkdir()
    write(folder, "base", "kraken")
    candidate = folder / "next.yaml"
    candidate.write_text("version: 1\nname: next\nextends: ./base.yaml\n")
    with serving(sqlite, policy, "--shadow", str(candidate)):
        pass
    before = Path(policy).read_bytes()
    assert "what it names is not beside it" in run(sqlite, "promote", status=2)
    write(tmp_path, "base", "octopus")
    assert "expected the policy that was tried" in run(sqlite, "promote", status=2)
    assert Path(policy).read_bytes() == before
    write(tmp_path, "base", "kraken")
    run(sqlite, "promote")
    assert Path(policy).read_text() == candidate.read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shadow", "strict"], "--shadow: expected a store"),
        (["--canary", "strict", "--store", "STORE"], "--canary: expected POLICY@PERCENT"),
        (["--canary", "strict@0", "--store", "STORE"], "--canary: expected POLICY or POLICY@PERCENT"),
        (["--shadow", "no-such", "--store", "STORE"], "'no-such': expected a path, or a shipped policy"),
        (["--shadow", "strict", "--canary", "strict@5", "--store", "STORE"], "expected two policies, got the same one twice"),
        (["--shadow", "BROKEN", "--store", "STORE"], "broken.yaml:1:"),
        (["--shadow", "FAILING", "--store", "STORE"], "1 of its tests failed"),
    ],
)
def test_what_cannot_be_tried_stops_the_server_before_it_serves(tmp_path: Path, options: list[str], message: str):
    (tmp_path / "broken.yaml").write_text("rules: [")
    failing = write(tmp_path, "failing", "kraken")
    (tmp_path / "failing_test.yaml").write_text(TESTS.format(word="squid"))
    places = {"STORE": str(tmp_path / "store.db"), "BROKEN": str(tmp_path / "broken.yaml"), "FAILING": failing}
    command = [GUARD, "serve", "--demo", "--port", "0", *(places.get(option, option) for option in options)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.timeout(60)
def test_a_candidate_that_changed_after_it_was_started_is_not_tried_and_the_server_serves(sqlite: str, tmp_path: Path):
    policy, candidate = write(tmp_path, "first", "squid"), write(tmp_path, "next", "kraken")
    with serving(sqlite, policy):
        pass
    run(sqlite, "start", f"{candidate}@50", "--canary")
    write(tmp_path, "next", "octopus")
    with serving(sqlite, policy) as (address, _, said):
        assert ask(address, "an octopus").headers["x-guard-action"] == "allow"
        await_that(lambda: any("expected the policy that was put on trial" in line for line in said), said)
    assert "got none of the name 'nobody'" in run(sqlite, "start", candidate, "--beside", "nobody", status=2)


@pytest.mark.timeout(60)
def test_texts_are_kept_as_the_policy_in_force_says_whatever_the_shadow_says(sqlite: str, tmp_path: Path):
    policy = write(tmp_path, "first", "squid", "store: {text: none}")
    candidate = write(tmp_path, "next", "kraken", "store: {text: full}")
    with serving(sqlite, policy, "--shadow", candidate) as (address, _, said):
        ask(address, "the kraken zyzzyva")
        await_that(lambda: compared(sqlite) == 2)
        page = run(sqlite, "show", "--show")
    assert "(its text is not kept)" in page
    assert "zyzzyva" not in page + "".join(said)
    assert all(b"zyzzyva" not in path.read_bytes() for path in tmp_path.glob("store.db*"))
