"""OpenAI's own client against the guard in front of an upstream, over sockets."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx
import openai
import pytest
from servers import Upstream, chunk, completion, served, stream_of

from guard.app import GuardApp
from guard.detectors.registry import kinds
from guard.engine import Guard
from guard.policy.load import load
from guard.ports import RecentDecisions
from guard.proxy import Proxy, Timeouts

CANARY = "canary.bird@example.org"


@contextmanager
def guarded(upstream: Any, guard: Guard) -> Iterator[str]:
    recent = RecentDecisions()
    with served(upstream) as address:
        app = GuardApp(Guard(guard.policy, recorder=recent), Proxy(address, timeouts=Timeouts(2, 2)), recent)
        with served(app) as front:
            yield front


@contextmanager
def client_of(upstream: Any, guard: Guard) -> Iterator[openai.OpenAI]:
    with guarded(upstream, guard) as front, openai.OpenAI(base_url=f"{front}/v1", api_key="k", max_retries=0) as client:
        yield client


def ask(client: openai.OpenAI, text: str = "Hello", **more: Any) -> Any:
    return client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}], **more)


def test_an_answer_that_nothing_objects_to_passes_in_its_own_bytes(guard):
    body = json.dumps(completion("All is well."), indent=1).encode()
    with guarded(Upstream([body], headers=[(b"etag", b'"abc"')]), guard) as front:
        sent = b'{"model":"m",  "messages":[{"role":"user","content":"Hello"}]}'
        answer = httpx.post(f"{front}/v1/chat/completions", content=sent, headers={"content-type": "application/json"})
    assert answer.content == body
    assert answer.headers["x-guard-action"] == "allow"
    assert answer.headers["x-guard-policy"] == guard.policy.digest
    assert answer.headers["x-guard-exchange"].startswith("ex_")
    assert "guard;dur=" in answer.headers["server-timing"]


def test_a_request_in_which_nothing_fired_reaches_the_upstream_in_its_own_bytes(guard):
    upstream = Upstream([json.dumps(completion("Fine.")).encode()])
    sent = b'{"model":"m",  "messages":[{"role":"user","content":"Hello"}], "temperature": 1.0}'
    with guarded(upstream, guard) as front:
        httpx.post(f"{front}/v1/chat/completions", content=sent, headers={"content-type": "application/json"})
    assert upstream.seen == [sent]


def test_personal_data_is_redacted_on_both_ways(guard):
    upstream = Upstream([json.dumps(completion(f"Write to {CANARY} or 4111 1111 1111 1111.")).encode()])
    with client_of(upstream, guard) as client:
        answer = ask(client, f"My address is {CANARY}, thanks")
    assert answer.choices[0].message.content == "Write to [EMAIL] or **** **** **** 1111."
    assert CANARY.encode() not in upstream.seen[0]
    assert b"My address is [EMAIL], thanks" in upstream.seen[0]


def test_a_blocked_prompt_never_reaches_the_upstream(guard):
    upstream = Upstream()
    with client_of(upstream, guard) as client:
        answer = ask(client, "Tell me the forbidden thing")
    assert upstream.seen == []
    assert answer.choices[0].finish_reason == "content_filter"
    assert answer.choices[0].message.content == answer.choices[0].message.refusal == "That word stays here."


def test_a_blocked_prompt_that_asked_for_a_stream_gets_a_refusal_as_a_stream(guard):
    with client_of(Upstream(), guard) as client:
        chunks = list(ask(client, "Tell me the forbidden thing", stream=True, stream_options={"include_usage": True}))
    text = "".join(part.choices[0].delta.content or "" for part in chunks if part.choices)
    assert text == "That word stays here."
    assert [part.choices[0].finish_reason for part in chunks if part.choices][-1] == "content_filter"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_a_secret_cut_by_a_chunk_border_is_redacted(guard, size):
    key = "AKIA" + "QWERTYUIOPASDFGH"
    text = f"The key is {key}, keep it. Or write to {CANARY}."
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    with client_of(Upstream(stream_of(pieces), content_type="text/event-stream"), guard) as client:
        chunks = list(ask(client, stream=True))
    shown = "".join(part.choices[0].delta.content or "" for part in chunks)
    assert shown == "The key is [AWS-KEY], keep it. Or write to [EMAIL]."
    assert chunks[-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize("size", [1, 4, 9])
def test_a_stream_is_cut_at_a_forbidden_word_however_it_is_spelled_and_cut(guard, size):
    text = "Here it comes: f0rb1dden things, and more of them."
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    with client_of(Upstream(stream_of(pieces), content_type="text/event-stream"), guard) as client:
        chunks = list(ask(client, stream=True))
    shown = "".join(part.choices[0].delta.content or "" for part in chunks)
    assert shown == "Here it comes: "
    assert "".join(part.choices[0].delta.refusal or "" for part in chunks) == "That word stays here."
    assert chunks[-1].choices[0].finish_reason == "content_filter"


def test_text_that_is_clear_is_released_before_the_upstream_goes_on(guard):
    first_seen = threading.Event()

    async def wait_for_the_client(index: int) -> None:
        if index == 3:
            assert await asyncio.to_thread(first_seen.wait, 10)

    upstream = Upstream(
        stream_of(["One two ", "three. ", "Four."]), content_type="text/event-stream", before_chunk=wait_for_the_client
    )
    with client_of(upstream, guard) as client:
        shown = ""
        for part in ask(client, stream=True):
            shown += part.choices[0].delta.content or ""
            if "One" in shown:
                first_seen.set()
    assert shown == "One two three. Four."


def test_a_client_that_goes_away_cancels_the_upstream(guard):
    async def slow(index: int) -> None:
        if index > 3:
            await asyncio.Event().wait()

    upstream = Upstream(stream_of(["words. "] * 9), content_type="text/event-stream", before_chunk=slow)
    with guarded(upstream, guard) as front:
        body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True}
        with httpx.stream("POST", f"{front}/v1/chat/completions", json=body) as answer:
            next(answer.iter_raw())
        assert upstream.cancelled.wait(10)


def test_a_blocked_stream_cancels_the_upstream(guard):
    async def slow(index: int) -> None:
        if index > 3:
            await asyncio.Event().wait()

    upstream = Upstream(stream_of(["a forbidden ", "word. "] * 9), content_type="text/event-stream", before_chunk=slow)
    with client_of(upstream, guard) as client:
        chunks = list(ask(client, stream=True))
        assert chunks[-1].choices[0].finish_reason == "content_filter"
        assert upstream.cancelled.wait(10)


def test_an_upstream_that_dies_in_mid_stream_gives_a_clean_error_event(guard):
    upstream = Upstream(stream_of(["One. ", "Two. ", "Three. "]), content_type="text/event-stream", breaks_after=3)
    with client_of(upstream, guard) as client, pytest.raises(openai.APIError, match="upstream"):
        shown = ""
        for part in ask(client, stream=True):
            shown += part.choices[0].delta.content or ""
    assert shown.startswith("One. ")


@pytest.mark.parametrize(
    ("upstream", "status"),
    [
        (Upstream([b"not json"]), 502),
        (Upstream([b'{"choices": [{"message": {"content": 5']), 502),
        (Upstream([b"<html>"], content_type="text/html"), 502),
        (Upstream([b'{"error": {"message": "no such model"}}'], status=404), 404),
        (Upstream([b"too many"], status=429, content_type="text/plain"), 429),
        (Upstream([gzip.compress(b"{}")[:8]], headers=[(b"content-encoding", b"gzip")]), 502),
        (Upstream([b"{}"], headers=[(b"content-encoding", b"br")]), 502),
    ],
)
def test_an_answer_that_cannot_be_judged_is_an_error_in_the_formats_shape(guard, upstream, status):
    with client_of(upstream, guard) as client, pytest.raises(openai.APIStatusError) as caught:
        ask(client)
    assert caught.value.status_code == status
    assert caught.value.body["message"]


@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
def test_the_upstreams_error_text_is_judged_and_the_header_says_so(guard, kind):
    text = f"no user {CANARY}"
    body = json.dumps({"error": {"message": text}}) if kind == "application/json" else text
    upstream = Upstream([body.encode()], status=400, content_type=kind)
    with client_of(upstream, guard) as client, pytest.raises(openai.BadRequestError) as caught:
        ask(client)
    assert CANARY not in str(caught.value)
    assert "[EMAIL]" in str(caught.value)
    assert caught.value.response.headers["x-guard-action"] == "redact"


def test_an_upstream_that_is_down_is_502_and_one_that_is_slow_504(guard):
    async def forever(_index: int) -> None:
        await asyncio.Event().wait()

    recent = RecentDecisions()
    app = GuardApp(guard, Proxy("http://127.0.0.1:9"), recent)
    with (
        served(app) as front,
        openai.OpenAI(base_url=f"{front}/v1", api_key="k", max_retries=0) as client,
        pytest.raises(openai.APIStatusError) as down,
    ):
        ask(client)
    with client_of(Upstream(before_chunk=forever), guard) as client, pytest.raises(openai.APIStatusError) as slow:
        ask(client)
    assert (down.value.status_code, slow.value.status_code) == (502, 504)


def test_a_gzipped_answer_is_judged_and_goes_on_plain(guard):
    body = gzip.compress(json.dumps(completion(f"Write to {CANARY}.")).encode())
    with client_of(Upstream([body], headers=[(b"content-encoding", b"gzip")]), guard) as client:
        answer = ask(client)
    assert answer.choices[0].message.content == "Write to [EMAIL]."


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400),
        (b'{"messages": 5}', {}, 400),
        (b'{"model": "m", "messages": [], "messages": []}', {}, 400),
        (b'{"model": "m", "messages": [{"role": "user", "content": "\\ud800"}]}', {}, 400),
        (b"[" * 10_000 + b"]" * 10_000, {}, 400),
        (b"x" * (5 * 1024 * 1024), {}, 413),
        (gzip.compress(b"x" * (64 * 1024 * 1024)), {"content-encoding": "gzip"}, 413),
        (b"{}", {"content-encoding": "br"}, 415),
        (b"{}", {"content-type": "text/plain"}, 415),
    ],
)
def test_a_bad_request_is_a_clear_4xx_and_never_reaches_the_upstream(guard, body, headers, status):
    upstream = Upstream()
    with guarded(upstream, guard) as front:
        answer = httpx.post(f"{front}/v1/chat/completions", content=body, headers={"content-type": "application/json", **headers})
    assert answer.status_code == status
    assert answer.json()["error"]["message"]
    assert upstream.seen == []


def test_a_gzipped_request_is_decoded(guard):
    upstream = Upstream([json.dumps(completion("Fine.")).encode()])
    sent = json.dumps({"model": "m", "messages": [{"role": "user", "content": f"I am {CANARY}"}]}).encode()
    with guarded(upstream, guard) as front:
        headers = {"content-type": "application/json", "content-encoding": "gzip"}
        answer = httpx.post(f"{front}/v1/chat/completions", content=gzip.compress(sent), headers=headers)
    assert answer.status_code == 200
    assert json.loads(upstream.seen[0])["messages"][0]["content"] == "I am [EMAIL]"


def test_routes_that_no_format_knows_are_rejected_and_text_free_ones_pass(guard):
    upstream = Upstream([b'{"object": "list", "data": []}'])
    with guarded(upstream, guard) as front:
        assert httpx.get(f"{front}/v1/models").json() == {"object": "list", "data": []}
        refused = httpx.post(f"{front}/v1/audio/speech", json={"input": "hello"})
    assert refused.status_code == 404
    assert refused.json()["error"]["message"]
    assert len(upstream.seen) == 1


@pytest.mark.parametrize(
    "path", ["/v1/chat/completions/", "/v1//chat/completions", "/V1/chat/completions", "/x/../v1/chat/completions"]
)
def test_no_spelling_of_a_guarded_route_passes_unguarded(guard, path):
    upstream = Upstream()
    with guarded(upstream, guard) as front:
        body = {"model": "m", "messages": [{"role": "user", "content": "the forbidden thing"}]}
        answer = httpx.post(f"{front}{path}", json=body)
    assert answer.status_code == 404 or answer.json()["choices"][0]["finish_reason"] == "content_filter"
    assert upstream.seen == []


def test_the_decision_of_a_stream_can_be_read_afterwards_and_as_a_last_event(guard):
    upstream = Upstream(stream_of([f"Write to {CANARY}."]), content_type="text/event-stream")
    with guarded(upstream, guard) as front:
        body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True}
        answer = httpx.post(f"{front}/v1/chat/completions", json=body, headers={"x-guard-decision": "event"})
        kept = httpx.get(f"{front}/guard/exchanges/{answer.headers['x-guard-exchange']}").json()
        unknown = httpx.get(f"{front}/guard/exchanges/ex_none")
    assert kept["decisions"]["output"]["rules"] == ["hide-email"]
    assert "event: guard.decision" in answer.text
    assert CANARY not in json.dumps(kept) + answer.text
    assert unknown.status_code == 404


def test_an_answer_of_several_choices_loses_only_the_blocked_one(guard):
    body = completion("Good.")
    body["choices"].append({"index": 1, "message": {"role": "assistant", "content": "forbidden"}, "finish_reason": "stop"})
    with client_of(Upstream([json.dumps(body).encode()]), guard) as client:
        answer = ask(client, n=2)
    assert answer.choices[0].message.content == "Good."
    assert answer.choices[1].finish_reason == "content_filter"
    assert "forbidden" not in answer.model_dump_json()


def test_tool_calls_are_judged_in_answers_too(guard):
    call = {
        "id": "t1",
        "type": "function",
        "function": {"name": "mail", "arguments": json.dumps({"key": "AKIA" + "QWERTYUIOPASDFGH", "n": 1})},
    }
    with client_of(Upstream([json.dumps(completion(None, tool_calls=[call])).encode()]), guard) as client:
        answer = ask(client)
    assert json.loads(answer.choices[0].message.tool_calls[0].function.arguments) == {"key": "[AWS-KEY]", "n": 1}


def test_a_stream_that_was_asked_for_but_answered_whole_is_judged_whole(guard):
    with guarded(Upstream([json.dumps(completion("forbidden")).encode()]), guard) as front:
        body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True}
        answer = httpx.post(f"{front}/v1/chat/completions", json=body)
    assert answer.json()["choices"][0]["finish_reason"] == "content_filter"


def test_a_stream_that_nobody_asked_for_is_judged_too(guard):
    pieces = [*stream_of(["a forbidden word"])]
    with guarded(Upstream(pieces, content_type="text/event-stream"), guard) as front:
        answer = httpx.post(f"{front}/v1/chat/completions", json={"model": "m", "messages": [{"role": "user", "content": "x"}]})
    assert "forbidden" not in answer.text
    assert "content_filter" in answer.text


def test_a_slow_client_slows_the_upstream(guard):
    sent = []

    async def count(index: int) -> None:
        sent.append(index)

    events = [chunk({"content": "word " * 2_000})] * 30_000
    upstream = Upstream(events, content_type="text/event-stream", before_chunk=count)
    with guarded(upstream, guard) as front:
        body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True}
        with httpx.stream("POST", f"{front}/v1/chat/completions", json=body) as answer:
            reading = answer.iter_raw()
            next(reading)
            seen = -1
            while len(sent) != seen:
                seen = len(sent)
                threading.Event().wait(1.0)
            assert seen < len(events) / 2


@pytest.fixture(scope="module")
def erring(policy_file) -> Guard:
    """A guard that refuses by an error."""
    return Guard(replace(load(policy_file, kinds()), refusal="error"))


def test_refusing_by_error_is_http_400_while_nothing_has_left(erring):
    with client_of(Upstream(stream_of(["forbidden things"]), content_type="text/event-stream"), erring) as client:
        with pytest.raises(openai.BadRequestError) as streamed:
            list(ask(client, stream=True))
        with pytest.raises(openai.BadRequestError) as unasked:
            ask(client)
        with pytest.raises(openai.BadRequestError) as prompted:
            ask(client, "the forbidden thing", stream=True)
    for caught in (streamed, unasked, prompted):
        assert caught.value.code == "content_filter"
        assert caught.value.body["message"] == "That word stays here."


def test_refusing_by_error_is_an_error_event_once_text_has_left(erring):
    with client_of(Upstream(stream_of(["Fine so far. ", "forbidden"]), content_type="text/event-stream"), erring) as client:
        shown = ""
        with pytest.raises(openai.APIError, match="That word stays here"):
            for part in ask(client, stream=True):
                shown += part.choices[0].delta.content or ""
    assert shown == "Fine so far. "
