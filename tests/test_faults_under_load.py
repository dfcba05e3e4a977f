"""A remote detector that is slow, dead or lies, under load: clients get what `on_error` says, soon, and the breaker spares it."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from servers import Upstream, body_of, completion, served, stream_of

from guard.categories import OPENAI
from guard.engine import Guard
from guard.middleware import GuardMiddleware
from guard.runtime.served import Served

pytestmark = pytest.mark.anyio

POLICY = """
version: 1
name: remote
detectors:
  hosted:
    use: openai
    url: {url}
    key_env: TEST_MODERATION_KEY
    runtime: {{timeout: 0.4, failures: 3, recovery: 0.2, retries: 1, parallel: 8, cache: false}}
rules:
  - {{id: violence, detect: hosted, category: violence, action: block, on_error: {on_error}}}
"""
CLIENTS = 40
SCORES = {**dict.fromkeys(OPENAI, 0.0), "violence": 0.1}


class Moderation:
    """OpenAI's moderation endpoint, in good and in bad health."""

    def __init__(self) -> None:
        self.health = "well"
        self.calls = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = await body_of(scope, receive, send)
        if body is None:
            return
        self.calls += 1
        if self.health == "slow":
            await asyncio.sleep(1)
        if self.health == "dead":
            raise ConnectionResetError
        given = json.loads(body)["input"]
        texts = given if isinstance(given, list) else [given]
        result = {"flagged": False, "categories": dict.fromkeys(OPENAI, False), "category_scores": SCORES}
        answer: Any = {"id": "m", "model": "omni-moderation-latest", "results": [result for _ in texts]}
        if self.health == "lying":
            answer["results"] = [{**result, "category_scores": {**SCORES, "violence": 17}} for _ in texts]
        if self.health == "babbling":
            answer = ["nonsense"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


def guarded(tmp_path: Path, url: str, on_error: str = "block") -> Guard:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY.format(url=url, on_error=on_error))
    return Guard(path)


async def asked(client: httpx.AsyncClient, number: int, *, stream: bool = False) -> str:
    body = {"model": "m", "messages": [{"role": "user", "content": f"hello {number}"}], "stream": stream}
    answer = await client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200
    return answer.headers["x-guard-action"]


async def load(client: httpx.AsyncClient, start: int) -> set[str]:
    return set(await asyncio.gather(*(asked(client, start + number) for number in range(CLIENTS))))


@pytest.mark.parametrize("health", ["slow", "dead", "lying", "babbling"])
@pytest.mark.parametrize("on_error", ["block", "allow"])
async def test_clients_get_what_on_error_says_and_the_breaker_opens_and_closes(tmp_path, monkeypatch, health, on_error):
    monkeypatch.setenv("TEST_MODERATION_KEY", "key")
    moderation = Moderation()
    upstream = Upstream([json.dumps(completion("fine")).encode()])
    with served(moderation) as url:
        guard = guarded(tmp_path, url, on_error)
        hosted = guard.detectors["hosted"]
        assert isinstance(hosted, Served)
        with served(GuardMiddleware(upstream, guard=guard)) as front:
            async with httpx.AsyncClient(base_url=front, timeout=10) as client:
                assert await load(client, 0) == {"allow"}
                moderation.health = health
                began = time.monotonic()
                assert await load(client, 100) == {on_error}
                assert time.monotonic() - began < 8
                while hosted.breaker == "closed":
                    assert await asked(client, 200) == on_error
                calls = moderation.calls
                assert await load(client, 300) == {on_error}
                assert moderation.calls - calls <= 8
                moderation.health = "well"
                async with asyncio.timeout(8):
                    while hosted.breaker != "closed":
                        await asked(client, 400)
                        await asyncio.sleep(0.01)
                assert await load(client, 500) == {"allow"}


async def test_a_stream_whose_detector_dies_ends_as_on_error_says(tmp_path, monkeypatch):
    monkeypatch.setenv("TEST_MODERATION_KEY", "key")
    moderation = Moderation()
    sentences = [f"This is sentence number {number} of a long and harmless answer. " for number in range(20)]

    async def before(index: int) -> None:
        if index == 10:
            moderation.health = "dead"

    upstream = Upstream(stream_of(sentences), content_type="text/event-stream", before_chunk=before)
    with served(moderation) as url, served(GuardMiddleware(upstream, guard=guarded(tmp_path, url))) as front:
        async with httpx.AsyncClient(base_url=front, timeout=10) as client:
            body = {"model": "m", "messages": [{"role": "user", "content": "hello"}], "stream": True}
            answer = await client.post("/v1/chat/completions", json=body)
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    assert events[-1]["choices"][0]["finish_reason"] == "content_filter"
    assert answer.text.rstrip().endswith("data: [DONE]")
