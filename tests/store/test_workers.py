"""`guard serve --workers`: processes that share a port and a store."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from feedback_server import FEEDBACK, rows
from servers import await_that
from test_store_serving import GUARD, ask, serving

from guard.feedback.rates import rates
from guard.store import open_store, schema

POLICY = """
version: 1
name: tested
store: {durability: commit}
detectors: {words: {use: patterns, words: [kraken], category: custom/word}}
rules: [{id: no-kraken, detect: words, category: custom/word, action: block}]
"""


@pytest.fixture
def options(url: str, tmp_path: Path) -> list[str]:
    (tmp_path / "policy.yaml").write_text(POLICY)
    return ["--store", url, "--policy", str(tmp_path / "policy.yaml"), "--workers", "3"]


def workers_of(parent: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


def await_workers(parent: int, count: int, without: int = 0) -> list[int]:
    def all_there() -> list[int]:
        found = workers_of(parent)
        return found if len(found) == count and without not in found else []

    found: list[int] = await_that(all_there, f"{count} workers")
    return found


def feedback(address: str) -> dict[str, Any]:
    answer = ask(address, "Tell me of rivers.")
    return {
        "exchange": answer.headers["x-guard-exchange"],
        "token": answer.headers["x-guard-feedback-token"],
        "thumb": "up",
    }


def count_of(url: str, table: Any) -> int:
    store = open_store(url)
    try:
        return len(rows(store, table))
    finally:
        store.close()


@pytest.mark.timeout(120)
def test_a_token_of_one_worker_is_taken_by_the_others_and_a_dead_one_is_replaced(url: str, options: list[str]):
    given = 0
    with serving(*options) as (process, address):
        await_workers(process.pid, 3)
        for _ in range(12):  # each on a connection of its own: the system spreads them over the workers
            assert httpx.post(address + FEEDBACK, json=feedback(address), timeout=15).status_code == 202
            given += 1
        victim = workers_of(process.pid)[0]
        os.kill(victim, signal.SIGKILL)
        await_workers(process.pid, 3, without=victim)
        for _ in range(4):
            assert httpx.post(address + FEEDBACK, json=feedback(address), timeout=15).status_code == 202
            given += 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 128 + signal.SIGTERM
        assert workers_of(process.pid) == []
    assert count_of(url, schema.feedback) == given
    assert count_of(url, schema.exchanges) == given


@pytest.mark.timeout(60)
def test_the_first_key_is_made_and_shown_once(url: str, options: list[str]):
    with serving(*options) as (process, _):
        await_workers(process.pid, 3)
        process.send_signal(signal.SIGTERM)
        said = process.stdout.read()
        process.wait(20)
    store = open_store(url)
    try:
        assert len(store.keys.of("")) == 1
    finally:
        store.close()
    assert said.count("The first key of this store") == 1


@pytest.mark.timeout(60)
def test_what_cannot_be_served_is_told_once_by_the_first_worker(tmp_path: Path):
    command = [GUARD, "serve", "--demo", "--port", "0", "--workers", "4", "--policy", str(tmp_path / "none.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=40)
    assert done.returncode == 2
    assert done.stderr.count("none.yaml") == 1


def test_rates_are_shared_out_and_never_nothing():
    assert rates("token=30/min,source=off").shared(4).token.most == 8
    assert rates("token=30/min,source=off").shared(4).source.most == 0
    assert rates("token=1/min").shared(4).token.most == 1


@pytest.mark.timeout(60)
def test_the_history_of_policies_names_each_that_was_in_force(url: str, tmp_path: Path):
    policy = tmp_path / "policy.yaml"
    for word in ("kraken", "squid"):
        policy.write_text(POLICY.replace("kraken", word))
        with serving("--store", url, "--policy", str(policy)) as (process, _):
            process.send_signal(signal.SIGTERM)
            process.wait(20)
    command = [GUARD, "policy", "history", "--store", url]
    said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.splitlines()
    assert len(said) == 2
    newest, oldest = (line.split()[2] for line in said)
    assert f"after {oldest}" in said[0]
    shown = subprocess.run([*command, "--source", newest], capture_output=True, text=True, timeout=30, check=True).stdout
    assert "squid" in shown
    unknown = subprocess.run([*command, "--source", "0" * 16], capture_output=True, text=True, timeout=30)
    assert (unknown.returncode, "found none" in unknown.stderr) == (2, True)
