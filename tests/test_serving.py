"""`guard serve` as a process: it tells what it loads, and takes a new policy without dropping an exchange."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
from servers import Upstream, completion, guard_serving, line_with, served

POLICY = """
version: 1
name: reloaded
detectors:
  words: {{use: patterns, words: [{word}], category: custom/word}}
rules:
  - {{id: word, detect: words, category: custom/word, action: block}}
"""


def serving(policy: Path, upstream: str, *more: str) -> AbstractContextManager[tuple[str, subprocess.Popen[str]]]:
    return guard_serving("--policy", str(policy), "--upstream", upstream, *more)


def request(text: str) -> dict[str, object]:
    return {"model": "m", "messages": [{"role": "user", "content": text}]}


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
def test_a_new_policy_takes_over_without_dropping_an_exchange(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY.format(word="alpha"))
    upstream = Upstream([json.dumps(completion("fine")).encode()])
    with served(upstream) as behind, serving(path, behind) as (url, process), httpx.Client(base_url=url) as client:

        def asked(text: str) -> str:
            answer = client.post("/v1/chat/completions", json=request(text))
            assert answer.status_code == 200
            return answer.headers["x-guard-action"]

        assert (asked("alpha"), asked("beta")) == ("block", "allow")
        begun, stop, seen = threading.Event(), threading.Event(), set()

        def load() -> None:
            with httpx.Client(base_url=url) as other:
                while not stop.is_set():
                    try:
                        seen.add(other.post("/v1/chat/completions", json=request("gamma")).status_code)
                    except httpx.HTTPError as error:
                        seen.add(repr(error))
                    begun.set()

        busy = threading.Thread(target=load)
        busy.start()
        assert begun.wait(10)
        path.write_text(POLICY.format(word="beta"))
        os.kill(process.pid, signal.SIGHUP)
        line_with(process, "is in force")
        assert (asked("alpha"), asked("beta")) == ("allow", "block")
        path.write_text("rules: [")
        os.kill(process.pid, signal.SIGHUP)
        assert str(path) in line_with(process, "policy.yaml:")
        assert (asked("alpha"), asked("beta")) == ("allow", "block")
        stop.set()
        busy.join(10)
        assert seen == {200}


def test_it_says_what_it_loads_and_when_it_is_ready(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY.format(word="alpha").replace("rules:", "  harm: {use: embedded}\nrules:"))
    with serving(path, "http://127.0.0.1:9") as (url, process):
        assert "harm (embedded)" in line_with(process, "loading the detector")
        line_with(process, "ready after")
        assert httpx.get(f"{url}/readyz").status_code == 200


def test_a_change_of_a_file_takes_effect_if_its_tests_pass_and_the_api_says_why_not(tmp_path):
    path, tests = tmp_path / "policy.yaml", tmp_path / "policy_test.yaml"
    path.write_text(POLICY.format(word="alpha"))
    tests.write_text("tests:\n  - {name: alpha or beta, input: alpha beta, expect: {action: block}}\n")
    upstream = Upstream([json.dumps(completion("fine")).encode()])
    with (
        served(upstream) as behind,
        serving(path, behind, "--watch-policy") as (url, process),
        httpx.Client(base_url=url) as client,
    ):

        def asked(text: str) -> str:
            return client.post("/v1/chat/completions", json=request(text)).headers["x-guard-action"]

        path.write_text(POLICY.format(word="beta"))
        line_with(process, "is in force")
        assert (asked("alpha"), asked("beta")) == ("allow", "block")
        path.write_text(POLICY.format(word="gamma"))
        assert "1 of its tests failed" in line_with(process, "of its tests failed")
        assert (asked("beta"), asked("gamma")) == ("block", "allow")
        assert client.get("/readyz").json()["newer_policy"] == "refused"
        refused = client.post("/guard/policy/reload", timeout=20)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "policy_refused")
        assert "policy_test.yaml:2: action: expected block, got allow" in refused.json()["error"]["message"]
        path.write_text(POLICY.format(word="alpha"))
        line_with(process, "is in force")
        assert client.post("/guard/policy/reload", timeout=20).status_code == 200
        assert "newer_policy" not in client.get("/readyz").json()
