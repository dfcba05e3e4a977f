"""A guard that serves with a store: what it keeps, across restarts, and what it does when it cannot."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from kept_exchanges import guard_with
from sqlalchemy import Connection
from test_store_writing import QUICK, store_at

from guard.app import GuardApp
from guard.store import connecting, open_store
from guard.store.overview import gaps
from guard.store.store import Store
from guard.store.writing import Sink
from guard.values import Stage

GUARD = str(Path(sys.executable).with_name("guard"))
MAIL = "jane.doe@example.org"


@contextmanager
def serving(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [GUARD, "serve", "--demo", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
            assert address
            yield process, address[0]
        finally:
            process.kill()


def ask(address: str, text: str, *, stream: bool = False) -> httpx.Response:
    body = {"model": "demo", "stream": stream, "messages": [{"role": "user", "content": text}]}
    return httpx.post(f"{address}/v1/chat/completions", json=body, timeout=15)


def key_of(url: str) -> str:
    store = open_store(url)
    try:
        return store.keys.create("", ["viewer"]).text
    finally:
        store.close()


def test_an_exchange_is_found_again_after_a_restart_and_a_kill_is_noticed(url: str):
    headers = {"x-guard-key": key_of(url)}
    with serving("--store", url) as (process, address):
        ids = [ask(address, f"Repeat: write to {MAIL}", stream=stream).headers["x-guard-exchange"] for stream in (False, True)]
        said = [httpx.get(f"{address}/guard/exchanges/{name}", headers=headers).json() for name in ids]
        assert {tuple(each["decisions"]) for each in said} == {("input", "output")}
        process.send_signal(signal.SIGTERM)
        process.wait(15)
    with serving("--store", url) as (process, address):
        assert [httpx.get(f"{address}/guard/exchanges/{name}", headers=headers).json() for name in ids] == said
        assert httpx.get(f"{address}/guard/exchanges/ex_none", headers=headers).status_code == 404
        assert httpx.get(f"{address}/guard/exchanges/%00'--", headers=headers).status_code == 404
        process.kill()
        process.wait(15)
    store = open_store(url)
    for name in ids:
        found = store.exchanges.find("", name)
        assert found is not None
        assert (found.status, found.model, found.route) == (200, "demo", "/v1/chat/completions")
        assert found.duration >= found.judging > 0
        texts = store.exchanges.texts("", name)
        assert texts[Stage.INPUT].texts[0].text == "Repeat: write to [EMAIL]"
        assert texts[Stage.OUTPUT].texts[0].text == "write to [EMAIL]"
    assert gaps(store.engine) == []
    store.writer.put(Nothing(), None)
    store.writer.flush()
    assert [gap["kind"] for gap in gaps(store.engine)] == ["crash"]
    store.close()


def test_a_store_that_cannot_be_used_stops_the_server_before_it_serves(tmp_path: Path):
    (tmp_path / "letter.txt").write_text("Dear Jane, " * 500)
    command = [GUARD, "serve", "--demo", "--port", "0", "--store", str(tmp_path / "letter.txt")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 2
    assert "is not a SQLite database" in result.stderr
    assert "Traceback" not in result.stderr


ANSWER = {"id": "x", "object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}}]}


async def upstream(scope: Any, receive: Any, send: Any) -> None:
    request = json.loads((await receive())["body"])
    if not request.get("stream"):
        body = json.dumps(ANSWER).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": body})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    for delta, end in (({"content": "hello"}, None), ({}, "stop")):
        event = {"id": "x", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": end}]}
        await send({"type": "http.response.body", "body": b"data: " + json.dumps(event).encode() + b"\n\n", "more_body": True})
    await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})


def post(store: Store, settings: str, *, stream: bool = False, times: int = 1) -> list[httpx.Response]:
    guard, recorder = guard_with(store, settings)
    app = GuardApp(guard, upstream, recorder.recent, store)
    body = {"model": "m", "stream": stream, "messages": [{"role": "user", "content": "hello"}]}

    async def run() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://guard") as client:
            return [await client.post("/v1/chat/completions", json=body) for _ in range(times)]

    return asyncio.run(run())


@pytest.mark.parametrize("stream", [False, True])
def test_with_commit_an_answer_comes_when_its_record_is_on_the_disk(url: str, stream: bool):
    store = store_at(url)
    [answer] = post(store, "store: {durability: commit}", stream=stream)
    reader = open_store(url)
    found = reader.exchanges.decisions("", answer.headers["x-guard-exchange"])
    assert found is not None
    assert set(found) == {"input", "output"}
    reader.close()
    store.close()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@pytest.mark.parametrize("durability", ["async", "commit"])
@pytest.mark.parametrize("on_failure", ["shed", "block"])
def test_without_a_store_that_answers_the_policy_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_failure: str, durability: str
):
    monkeypatch.setattr(connecting, "SQLITE_WAIT", 0.05)
    store = store_at(str(tmp_path / "store.db"), QUICK)
    settings = f"store: {{durability: {durability}, on_failure: {on_failure}}}"
    assert post(store, settings)[0].status_code == 200
    store.writer.flush()
    with locked(tmp_path / "store.db"):
        with pytest.raises(Exception, match="locked"):
            store.writer.write_sync(Nothing(), None)
        answers = post(store, settings, times=2)
        assert [answer.status_code for answer in answers] == [503 if on_failure == "block" else 200] * 2
        if on_failure == "block":
            assert answers[0].json()["error"]["code"] == "store_unavailable"
            assert answers[0].headers["x-guard-action"] == "block"
    store.writer.flush()
    assert post(store, settings)[0].status_code == 200
    store.close()


class Nothing(Sink[None]):
    def write(self, connection: Connection, payloads: Sequence[None]) -> Sequence[None]:
        return payloads


def test_a_stream_that_cannot_be_recorded_to_its_end_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connecting, "SQLITE_WAIT", 0.05)
    store = store_at(str(tmp_path / "store.db"), QUICK)
    guard, recorder = guard_with(store, "store: {durability: commit, on_failure: block}")
    app = GuardApp(guard, upstream, recorder.recent, store)
    sent: list[Any] = []
    lock = locked(tmp_path / "store.db")
    body = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "hello"}]}).encode()

    requests = [{"type": "http.request", "body": body}]

    async def receive() -> Any:
        if requests:
            return requests.pop()
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)
        if message["type"] == "http.response.start":
            lock.__enter__()

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/chat/completions",
        "headers": [(b"content-type", b"application/json")],
    }
    asyncio.run(app(scope, receive, send))
    lock.__exit__(None, None, None)
    assert sent[0]["status"] == 200
    assert b"store_unavailable" in sent[-1]["body"]
    assert not sent[-1].get("more_body")
    assert b"[DONE]" not in sent[-1]["body"]
    store.close()


def guard_store(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [GUARD, "store", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=30, check=False, env={**os.environ, "COLUMNS": "200", **environment}
    )


def test_the_commands_do_what_their_page_says(tmp_path: Path):
    store = str(tmp_path / "store.db")
    assert guard_store("info", "--store", store).returncode == 2
    assert "is of version" in guard_store("migrate", "--store", store).stdout
    assert guard_store("prune", "--store", store, "--older-than", "30d").stdout.strip() == "0 rows removed"
    assert guard_store("prune", "--store", store, "--older-than", "tomorrow").returncode == 2
    backup = str(tmp_path / "backup.zip")
    assert guard_store("backup", backup, TENET_STORE=store).returncode == 0
    again = guard_store("backup", backup, TENET_STORE=store)
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    restored = guard_store("restore", backup, "--store", str(tmp_path / "new.db"), "--json")
    assert json.loads(restored.stdout)["meta"] == 2
    assert guard_store("rotate", "--store", store).returncode == 2
    key = guard_store("key").stdout.strip()
    rotated = guard_store("rotate", "--store", store, "--json", TENET_STORE_KEY=key)
    assert rotated.returncode == 0, rotated.stderr
    assert guard_store("rotate", "--store", store).returncode == 2
    assert json.loads(guard_store("info", "--store", store, "--json").stdout)["gaps"] == []
