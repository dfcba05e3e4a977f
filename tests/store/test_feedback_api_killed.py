"""A server that is killed in the midst of a flood of feedback: what it acknowledged is there afterwards, once."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from feedback_server import FEEDBACK, rows
from postgres_server import PostgresServer
from test_store_serving import GUARD, ask, serving

from guard.store import open_store, schema

POLICY = """
version: 1
name: tested
detectors: {words: {use: patterns, words: [kraken], category: custom/word}}
rules: [{id: no-kraken, detect: words, category: custom/word, action: block}]
"""
ENOUGH = 500
"""Acknowledged posts after which a server is killed."""


@pytest.fixture
def policy(tmp_path: Path) -> str:
    (tmp_path / "policy.yaml").write_text(POLICY)
    return str(tmp_path / "policy.yaml")


class Flood:
    """Posts with keys of their own, from many clients at once, until the servers are gone."""

    def __init__(self, posts: Sequence[tuple[str, dict[str, Any]]], enough: int) -> None:
        self.acknowledged: dict[str, dict[str, str]] = {}
        self.tried: dict[str, dict[str, Any]] = {}
        self._posts = posts
        self._enough = enough

    def run(self, victim: subprocess.Popen[str]) -> None:
        asyncio.run(self._run(victim))

    async def _run(self, victim: subprocess.Popen[str]) -> None:
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=None), timeout=10) as client:
            await asyncio.gather(*(self._client(client, victim, number) for number in range(32)))

    async def _client(self, client: httpx.AsyncClient, victim: subprocess.Popen[str], number: int) -> None:
        address, said = self._posts[number % len(self._posts)]
        for count in range(1_000):
            key = f"{number}.{count}"
            self.tried[key] = said
            try:
                answer = await client.post(address + FEEDBACK, json={**said, "idempotency_key": key})
            except httpx.TransportError:
                return
            assert answer.status_code == 202
            self.acknowledged[key] = answer.json()["kinds"]
            if len(self.acknowledged) >= self._enough:
                if victim.poll() is not None:
                    return
                victim.send_signal(signal.SIGKILL)


def say_again(address: str, flood: Flood, keys: Sequence[str]) -> dict[str, dict[str, str]]:
    with httpx.Client() as client:
        answers = {
            key: client.post(address + FEEDBACK, json={**flood.tried[key], "idempotency_key": key}, timeout=10) for key in keys
        }
    assert {answer.status_code for answer in answers.values()} <= {200, 202}
    return {key: answer.json()["kinds"] for key, answer in answers.items()}


def statement(address: str) -> dict[str, Any]:
    answer = ask(address, "Tell me about the sea.")
    token = answer.headers["x-guard-feedback-token"]
    return {"exchange": answer.headers["x-guard-exchange"], "token": token, "thumb": "up", "category": "hate", "comment": "Why?"}


def stored(url: str) -> dict[str, str]:
    """The kind of each row of feedback by id."""
    store = open_store(url)
    try:
        return {row.id: row.kind for row in rows(store, schema.feedback)}
    finally:
        store.close()


def test_what_was_acknowledged_before_a_kill_is_there_once(url: str, policy: str):
    options = ("--store", url, "--policy", policy)
    with serving(*options) as (process, address):
        flood = Flood([(address, statement(address))], ENOUGH)
        flood.run(process)
        process.wait(15)
    assert len(flood.acknowledged) >= ENOUGH
    before = stored(url)
    expected = {name: kind for kinds in flood.acknowledged.values() for kind, name in kinds.items()}
    assert len(expected) == 2 * len(flood.acknowledged)
    assert expected.items() <= before.items()
    in_doubt = flood.tried.keys() - flood.acknowledged.keys()
    with serving(*options) as (_, address):
        again = say_again(address, flood, [*sorted(in_doubt), *sorted(flood.acknowledged)[:50]])
    assert {key: again[key] for key in again if key in flood.acknowledged}.items() <= flood.acknowledged.items()
    assert len(stored(url)) == 2 * len(flood.tried)


def test_of_several_processes_on_postgresql_one_is_killed_and_nothing_is_lost(postgres: PostgresServer, policy: str):
    url = postgres.database("flooded")
    with ExitStack() as running:
        servers = [running.enter_context(serving("--store", url, "--policy", policy)) for _ in range(3)]
        said = [statement(address) for _, address in servers]
        everywhere = [(address, each) for _, address in servers for each in said]
        flood = Flood(everywhere, ENOUGH)
        victim, _ = servers[0]
        flood.run(victim)
        victim.wait(15)
        in_doubt = flood.tried.keys() - flood.acknowledged.keys()
        again = say_again(servers[1][1], flood, [*sorted(in_doubt), *sorted(flood.acknowledged)[:50]])
        assert {key: again[key] for key in again if key in flood.acknowledged}.items() <= flood.acknowledged.items()
    expected = {name: kind for kinds in {**flood.acknowledged, **again}.values() for kind, name in kinds.items()}
    assert stored(url) == expected
    assert len(expected) == 2 * len(flood.tried)


def test_a_token_is_good_after_a_restart(url: str, policy: str):
    options = ("--store", url, "--policy", policy)
    with serving(*options) as (_, address):
        said = statement(address)
    with serving(*options, "--feedback-rate", "token=1/h") as (_, address):
        assert httpx.post(address + FEEDBACK, json=said).status_code == 202
        assert httpx.post(address + FEEDBACK, json=said).status_code == 429


def test_options_that_cannot_be_are_refused_before_anything_is_served(tmp_path: Path):
    def refused(*options: str) -> str:
        command = [GUARD, "serve", "--demo", "--port", "0", *options]
        result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert result.returncode == 2, result.stdout
        assert not re.search("Traceback", result.stderr)
        return result.stderr

    store = ("--store", str(tmp_path / "store.db"))
    assert "--store" in refused("--feedback-rate", "off")
    assert "--store" in refused("--webhook", "https://example.org/hook")
    assert "--feedback-days" in refused("--feedback-days", "0", *store)
    assert "--feedback-rate" in refused("--feedback-rate", "fast", *store)
    assert "--webhook-secret-env" in refused("--webhook", "https://example.org/hook", *store)
    assert "expected https" in refused("--webhook", "http://example.org/hook", "--webhook-secret-env", "PATH", *store)
