"""The middleware in Starlette, FastAPI and around a bare callable."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from fastapi import FastAPI
from servers import chunk, completion, served, stream_of
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

from guard.engine import Guard
from guard.middleware import GuardMiddleware

CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
background = []


async def chat(request: Request):
    body = await request.json()
    text = body["messages"][-1]["content"]
    if body.get("stream"):
        return StreamingResponse(iterate(stream_of([text[:5], text[5:]])), media_type="text/event-stream")
    return JSONResponse(completion(text), background=BackgroundTask(background.append, text))


async def iterate(chunks):
    for one in chunks:
        yield one


def starlette_app(policy_file):
    return Starlette(
        routes=[Route("/v1/chat/completions", chat, methods=["POST"]), Route("/plain", lambda _: PlainTextResponse("forbidden"))],
        middleware=[Middleware(GuardMiddleware, policy=policy_file)],
    )


def fastapi_app(policy_file):
    app = FastAPI()
    app.add_route("/v1/chat/completions", chat, methods=["POST"])
    app.add_route("/plain", lambda _: PlainTextResponse("forbidden"))
    app.add_middleware(GuardMiddleware, policy=policy_file)
    return app


def bare_app(policy_file):
    return GuardMiddleware(
        Starlette(
            routes=[
                Route("/v1/chat/completions", chat, methods=["POST"]),
                Route("/plain", lambda _: PlainTextResponse("forbidden")),
            ]
        ),
        policy=policy_file,
    )


@pytest.mark.parametrize("make", [starlette_app, fastapi_app, bare_app])
def test_a_guarded_route_is_judged_and_others_pass(make, policy_file):
    background.clear()
    with served(make(policy_file)) as address:
        post = lambda text, **more: httpx.post(  # noqa: E731
            f"{address}/v1/chat/completions", json={"messages": [{"role": "user", "content": text}], "model": "m", **more}
        )
        redacted = post("I am jane@example.org")
        blocked = post("the forbidden thing")
        streamed = post("a for bidden jane@example.org", stream=True)
        passed = httpx.get(f"{address}/plain")
    assert redacted.json()["choices"][0]["message"]["content"] == "I am [EMAIL]"
    assert redacted.headers["x-guard-action"] == "redact"
    assert blocked.json()["choices"][0]["finish_reason"] == "content_filter"
    assert "jane@" not in streamed.text
    assert streamed.text.endswith("data: [DONE]\n\n")
    assert passed.text == "forbidden"
    assert "x-guard-action" not in passed.headers
    assert background == ["I am [EMAIL]"]


def test_an_app_that_raises_is_not_hidden_by_the_guard(guard: Guard):
    async def broken(scope, receive, send):
        raise RuntimeError("the app's own mistake")

    async def use() -> None:
        transport = httpx.ASGITransport(GuardMiddleware(broken, guard=guard))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            await client.post("/v1/chat/completions", json=CHAT)

    with pytest.raises(RuntimeError, match="own mistake"):
        asyncio.run(use())


def test_a_blocked_stream_ends_the_apps_generator(guard: Guard):
    closed = asyncio.Event()

    async def endless():
        try:
            yield chunk({"content": "a forbidden word"})
            while True:
                await asyncio.sleep(0)
                yield chunk({"content": "more"})
        finally:
            closed.set()

    async def app(scope, receive, send):
        await StreamingResponse(endless(), media_type="text/event-stream")(scope, receive, send)

    async def use() -> list[bytes]:
        sent = []
        body = json.dumps({**CHAT, "stream": True}).encode()
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive():
            message = next(messages, None)
            if message is None:
                await asyncio.Event().wait()
            return message

        async def send(message):
            sent.append(message.get("body", b""))

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/chat/completions",
            "headers": [(b"content-type", b"application/json")],
            "asgi": {"version": "3.0", "spec_version": "2.4"},
        }
        await GuardMiddleware(app, guard=guard)(scope, receive, send)
        assert closed.is_set()
        return sent

    assert b"content_filter" in b"".join(asyncio.run(use()))


def test_with_speculation_the_upstream_starts_early_and_nothing_leaves_before_the_decision(tmp_path):
    path = tmp_path / "fast.yaml"
    path.write_text("""
version: 1
detectors: {words: {use: patterns, words: [forbidden], category: custom/word}}
rules: [{id: no, detect: words, category: custom/word, action: block}]
routes: {speculate: [POST /v1/chat/completions]}
""")
    started = []

    async def app(scope, receive, send):
        started.append(scope["path"])
        await JSONResponse(completion("Fine."))(scope, receive, send)

    async def use(text: str) -> httpx.Response:
        transport = httpx.ASGITransport(GuardMiddleware(app, policy=path))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.post("/v1/chat/completions", json={"model": "m", "messages": [{"role": "user", "content": text}]})

    assert asyncio.run(use("hello")).json()["choices"][0]["message"]["content"] == "Fine."
    assert asyncio.run(use("forbidden")).json()["choices"][0]["finish_reason"] == "content_filter"
    assert started[0] == "/v1/chat/completions"
