"""Attempts to get a text past the guard by what stands around it: paths, headers, statuses, and detectors that fail."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from servers import Upstream, completion, served, stream_of
from starlette.applications import Starlette
from starlette.routing import Mount

from guard.app import GuardApp
from guard.engine import Guard, new_exchange
from guard.errors import UpstreamError
from guard.formats.openai_chat import OpenAIChat
from guard.middleware import GuardMiddleware
from guard.ports import RecentDecisions
from guard.proxy import Proxy, Timeouts
from guard.values import Action, Finding, Item, Needs, Runs, Span, Stage, WindowReach

KEY = "AKIA" + "QWERTYUIOPASDFGH"
CANARY = "canary.bird@example.org"
ASKED = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}


@contextmanager
def guarded(upstream: Any, guard: Guard) -> Iterator[str]:
    with served(upstream) as address:
        app = GuardApp(guard, Proxy(address, timeouts=Timeouts(2, 2)), RecentDecisions())
        with served(app) as front:
            yield front


def post(front: str, **changed: Any) -> httpx.Response:
    return httpx.post(f"{front}/v1/chat/completions", json={**ASKED, **changed})


@pytest.mark.parametrize("root", ["/v1", "/openai/deployments/d"])
def test_an_app_mounted_below_a_part_of_the_route_is_guarded(guard, root):
    upstream = Upstream([json.dumps({"choices": []}).encode()])
    app = Starlette(routes=[Mount(root, app=GuardMiddleware(upstream, guard=guard))])
    with served(app) as front:
        answer = httpx.post(f"{front}{root}/completions", json={"model": "m", "prompt": "the forbidden thing"})
    assert upstream.seen == []
    assert answer.json()["choices"][0]["finish_reason"] == "content_filter"


@pytest.mark.parametrize("location", ["http://upstream.example/v1/chat/completions", "//upstream.example/x", "http://[x"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_redirect_does_not_lead_clients_past_the_guard(guard, location, stream):
    with guarded(Upstream([b""], status=307, headers=[(b"location", location.encode())]), guard) as front:
        answer = post(front, stream=stream)
    assert answer.status_code == 502
    assert "location" not in answer.headers


def test_a_redirect_to_another_path_of_the_same_server_passes(guard):
    with guarded(Upstream([b""], status=307, headers=[(b"location", b"/v1/chat/completions/")]), guard) as front:
        assert post(front).headers["location"] == "/v1/chat/completions/"


def test_an_answer_that_must_not_have_a_body_has_none(guard):
    sent = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b"the forbidden thing"})

    async def receive() -> Any:
        return {"type": "http.request", "body": json.dumps(ASKED).encode()}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": headers}
    asyncio.run(GuardMiddleware(app, guard=guard)(scope, receive, send))
    assert sent[0]["status"] == 204
    assert b"".join(message.get("body", b"") for message in sent) == b""


def test_an_upstream_cannot_speak_in_the_guards_name(guard):
    upstream = Upstream([json.dumps(completion("Fine.")).encode()], headers=[(b"x-guard-action", b"block"), (b"x-other", b"1")])
    with guarded(upstream, guard) as front:
        answer = post(front)
    assert answer.headers.get_list("x-guard-action") == ["allow"]
    assert answer.headers["x-other"] == "1"


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
def test_an_answer_in_another_charset_is_not_judged_as_if_it_were_utf_8(guard, kind):
    body = json.dumps(completion("a +AGY-orbidden thing")).encode() if kind == "application/json" else b"".join(stream_of(["a"]))
    with guarded(Upstream([body], content_type=f"{kind}; charset=utf-7"), guard) as front:
        answer = post(front, stream=kind != "application/json")
    assert answer.status_code == 502


def test_a_request_of_two_content_types_is_refused(guard):
    upstream = Upstream()
    headers = [("content-type", "application/json; charset=utf-7"), ("content-type", "application/json")]
    with guarded(upstream, guard) as front:
        answer = httpx.post(f"{front}/v1/chat/completions", content=json.dumps(ASKED), headers=headers)
    assert answer.status_code in (400, 415)
    assert upstream.seen == []


@pytest.mark.parametrize("path", ["@elsewhere.example/v1/chat/completions", ".elsewhere.example/v1/chat/completions"])
def test_no_path_makes_the_proxy_ask_another_host(path):
    proxy = Proxy("http://127.0.0.1:9")
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "headers": []}

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(_message: Any) -> None:
        pytest.fail("nothing can be answered")

    async def ask() -> None:
        try:
            await proxy(scope, receive, send)
        finally:
            await proxy.close()

    with pytest.raises(UpstreamError, match="begins with a slash"):
        asyncio.run(ask())


@dataclass
class Scripted:
    """A detector outside the project that answers what it is told to."""

    says: Any
    runs: Runs = Runs.INLINE
    name: str = "words"
    version: str = "1"
    categories: tuple[str, ...] = ("custom/word",)

    @property
    def needs(self) -> Needs:
        return Needs(reach=WindowReach(10, 40, 0), runs=self.runs)

    def detect(self, items: list[Item]) -> list[list[Finding]]:
        return [self.says(item) for item in items]

    async def detect_async(self, items: list[Item]) -> list[list[Finding]]:
        return self.detect(items)


def raises(_item: Item) -> list[Finding]:
    raise RuntimeError(CANARY)


BROKEN = {
    "raises": raises,
    "nan": lambda _item: [Finding("words", "custom/word", float("nan"))],
    "no score": lambda _item: [Finding("words", "custom/word", None)],
    "another's name": lambda _item: [Finding("somebody", "custom/word", 1.0)],
    "beyond the text": lambda item: [Finding("words", "custom/word", 0.1, Span(0, len(item.text) + 5))],
    "backwards": lambda _item: [Finding("words", "custom/word", 0.1, Span(3, 1))],
    "no finding": lambda _item: ["x"],
    "no list": lambda _item: None,
}


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("runs", [Runs.INLINE, Runs.ASYNC])
@pytest.mark.parametrize("stream", [False, True])
def test_a_detector_that_answers_nonsense_gave_no_verdict(policy_file, caplog, how, runs, stream):
    guard = Guard(policy_file)
    guard.detectors["words"] = Scripted(BROKEN[how], runs)
    wire = OpenAIChat()
    request = wire.read_request(json.dumps({**ASKED, "stream": True}).encode())
    relay = guard.relay(wire, request, new_exchange())

    async def source() -> AsyncIterator[bytes]:
        for event in stream_of(["Hello there, how are you doing? "] * 3):
            yield event

    async def released() -> bytes:
        return b"".join([piece async for piece in guard.pump(relay, source(), b"")])

    with caplog.at_level(logging.DEBUG):
        if stream:
            out = asyncio.run(released())
            decision = relay.decision
            assert b"Hello" not in out
            assert out.endswith(b"data: [DONE]\n\n")
        else:
            decision = asyncio.run(guard.judge(request.document.texts, Stage.INPUT, new_exchange())).decision
    assert decision.action is Action.BLOCK
    assert decision.failed == ("words",)
    assert CANARY not in caplog.text


def test_a_small_request_does_not_swell_into_an_endless_moderation(guard):
    with guarded(Upstream(), guard) as front:
        answer = httpx.post(f"{front}/v1/moderations", json={"input": ["a"] * 100_000})
    assert answer.status_code == 400
    assert "at most 2048" in answer.json()["error"]["message"]
