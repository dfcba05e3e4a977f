"""Whom an exchange is about, and which conversation it belongs to."""

from __future__ import annotations

import json
from typing import Any

import pytest
from servers import Upstream, completion, served

from guard.attribution import Attribution, links
from guard.engine import Guard, new_exchange
from guard.errors import BadMessage
from guard.formats.openai_chat import OpenAIChat
from guard.formats.parties import conversation_of, subject_of
from guard.middleware import GuardMiddleware
from guard.values import Caller, Decision, Exchange, Stage

FORMAT = OpenAIChat(64)
SECRET = b"s" * 32
HELLO = {"role": "user", "content": "hello"}
ANSWER = {"role": "assistant", "content": "hi"}


def request(messages: list[dict[str, Any]], **fields: Any) -> Any:
    return FORMAT.read_request(json.dumps({"model": "m", "messages": messages, **fields}).encode())


def told(messages: list[dict[str, Any]], tenant: str = "", headers: dict[str, str] | None = None, **fields: Any) -> Exchange:
    exchange = new_exchange(caller=Caller(tenant), headers=headers or {})
    return Attribution(secret=SECRET).of(exchange, request(messages, **fields))


def test_every_turn_of_a_conversation_is_told_to_belong_to_it():
    first = told([HELLO])
    second = told([HELLO, ANSWER, {"role": "user", "content": "more"}])
    with_time = told([{"role": "system", "content": "It is noon."}, HELLO, ANSWER, {"role": "user", "content": "other"}])
    assert first.conversation
    assert first.conversation == second.conversation == with_time.conversation


def test_other_beginnings_subjects_and_tenants_are_other_conversations():
    parts = [{"role": "user", "content": [{"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}]}]
    others = [
        told([HELLO]),
        told([{"role": "user", "content": "hello "}]),
        told([ANSWER, HELLO]),
        told([HELLO], user="jane"),
        told([HELLO], user="john"),
        told([HELLO], tenant="acme"),
        Attribution(secret=b"t" * 32).of(new_exchange(), request([HELLO])),
    ]
    assert len({exchange.conversation for exchange in others}) == len(others)
    assert told(parts).conversation == told([HELLO]).conversation


def test_the_chain_tells_a_repeated_turn_from_an_edited_one():
    def last(messages: list[dict[str, Any]]) -> list[str]:
        return [link.value for link in links(SECRET, "", "", request(messages).document.texts)]

    asked, again = last([HELLO, ANSWER, HELLO]), last([HELLO, ANSWER, HELLO])
    edited = last([HELLO, ANSWER, {"role": "user", "content": "changed"}])
    assert asked == again
    assert asked[:2] == edited[:2]
    assert asked[2] != edited[2]
    assert len(set(asked)) == 3


def test_without_a_secret_only_named_conversations_are_told_apart():
    assert Attribution().of(new_exchange(), request([HELLO])).conversation == ""
    assert Attribution().of(new_exchange(headers={"x-guard-conversation": " c1 "}), request([HELLO])).conversation == "c1"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"conversation": "conv_1"}, "conv_1"),
        ({"conversation": {"id": "conv_2"}}, "conv_2"),
        ({"metadata": {"thread_id": "t"}}, "t"),
        ({"metadata": {"session_id": "s", "conversation_id": "c"}}, "c"),
        ({"conversation": None, "metadata": None}, ""),
        ({"conversation": {"id": 7}, "metadata": {"conversation_id": ["x"]}}, ""),
        ({"conversation": "  "}, ""),
    ],
)
def test_a_conversation_may_be_named_by_the_request(fields: dict[str, Any], expected: str):
    assert conversation_of(request([HELLO], **fields)) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"user": "jane"}, "jane"),
        ({"user": "jane", "safety_identifier": "s1"}, "s1"),
        ({"metadata": {"user_id": "u"}}, "u"),
        ({"user": 7}, ""),
        ({"user": {"name": "jane"}}, ""),
        ({"user": "Jörg 🐙"}, "Jörg 🐙"),
        ({}, ""),
    ],
)
def test_a_request_may_say_whom_it_is_for(fields: dict[str, Any], expected: str):
    assert subject_of(request([HELLO], **fields)) == expected


def test_where_a_header_is_trusted_the_request_cannot_claim_to_be_for_somebody():
    trusting = Attribution("x-user")
    asked = request([HELLO], user="claimed", safety_identifier="claimed")
    assert trusting.of(new_exchange(headers={"x-user": "jane"}), asked).caller.subject == "jane"
    assert trusting.of(new_exchange(), asked).caller.subject == ""
    twice = [(b"x-user", b"jane"), (b"X-User", b"claimed")]
    with pytest.raises(BadMessage, match="x-user"):
        trusting.of(new_exchange(headers={"x-user": "claimed"}), asked, twice)


def test_who_was_found_out_before_the_guard_stays(guard: Guard):
    known = new_exchange(caller=Caller("acme", "gk_1", "jane", ("caller",)))
    assert Attribution().of(known, request([HELLO], user="other")).caller == known.caller


class Recorder:
    def __init__(self) -> None:
        self.seen: list[Exchange] = []

    def record(self, exchange: Exchange, stage: Stage, decision: Decision) -> None:
        self.seen.append(exchange)


@pytest.mark.parametrize("stream", [False, True])
def test_the_caller_of_the_scope_reaches_the_recorder_for_both_stages(policy_file: Any, stream: bool):
    import httpx

    recorder = Recorder()
    upstream = Upstream([json.dumps(completion("fine")).encode()])
    guarded = GuardMiddleware(upstream, guard=Guard(policy_file, recorder=recorder), attribution=Attribution(secret=SECRET))

    async def authenticated(scope: Any, receive: Any, send: Any) -> None:
        await guarded({**scope, "guard.caller": Caller("acme", "gk_1", "", ("caller",))}, receive, send)

    with served(authenticated) as address:
        body = {"model": "m", "messages": [HELLO], "user": "jane", "stream": stream}
        assert httpx.post(f"{address}/v1/chat/completions", json=body).status_code == 200
    assert len(recorder.seen) == 2
    for exchange in recorder.seen:
        assert exchange.caller == Caller("acme", "gk_1", "jane", ("caller",))
        assert exchange.conversation == told([HELLO], tenant="acme", user="jane").conversation
