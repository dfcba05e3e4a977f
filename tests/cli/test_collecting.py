"""The collector of a server has nothing to do: an exchange leaves no cycles behind."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Iterator
from typing import Any

import pytest

from guard.cli.collecting import settle
from guard.engine import Guard
from guard.middleware import GuardMiddleware

POLICY = """
version: 1
name: tested
detectors: {personal: {use: pii}, words: {use: patterns, words: [kraken], category: custom/word}}
rules:
  - {id: no-kraken, detect: words, category: custom/word, action: block}
  - {id: hide-mail, on: output, detect: personal, category: pii/email, action: redact}
"""
EXCHANGES = 100


@pytest.fixture
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def upstream(scope: Any, receive: Any, send: Any) -> None:
    body = json.loads((await receive())["body"])
    text = "Write to ann@example.org about it."
    if body.get("stream"):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for word in text.split(" "):
            chunk = {"choices": [{"index": 0, "delta": {"content": word + " "}}]}
            data = f"data: {json.dumps(chunk)}\n\n".encode()
            await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})
        return
    answer = json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": answer})


async def exchange(app: GuardMiddleware, prompt: str, *, stream: bool) -> bytes:
    said = {"model": "m", "stream": stream, "messages": [{"role": "user", "content": prompt}]}
    path = "/v1/chat/completions"
    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers}
    requests = iter([{"type": "http.request", "body": json.dumps(said).encode()}])
    answered = bytearray()

    async def receive() -> Any:
        message = next(requests, None)
        if message is None:
            await asyncio.Event().wait()
        return message

    async def send(message: Any) -> None:
        answered.extend(message.get("body", b""))

    await app(scope, receive, send)
    return bytes(answered)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("prompt", ["Tell me of rivers.", "Tell me of the kraken."])
def test_an_exchange_leaves_no_cycles(without_collector: None, tmp_path: Any, prompt: str, stream: bool):
    (tmp_path / "policy.yaml").write_text(POLICY)
    app = GuardMiddleware(upstream, guard=Guard(str(tmp_path / "policy.yaml")))

    async def many(count: int) -> None:
        for _ in range(count):
            answer = await exchange(app, prompt, stream=stream)
            assert b"choices" in answer and b"ann@example.org" not in answer

    async def left_by(count: int) -> int:
        await many(10)  # what is made once
        gc.collect()
        await many(count)
        return gc.collect()

    assert asyncio.run(left_by(EXCHANGES)) < EXCHANGES


def test_what_is_alive_is_left_out_of_later_collections():
    before = gc.get_threshold()
    try:
        settle()
        assert gc.get_freeze_count() > 10_000
        assert gc.get_threshold() > before
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
