"""A streamed answer in OpenAI's chat format on its way through the relay, by bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk
from oracle import Marks, Words, expected, policy_of

from guard.formats.openai_chat import OpenAIChat
from guard.policy.model import Policy, Redactor
from guard.relay import Relay
from guard.streaming import ChoiceJudge
from guard.values import Action, WholeReach, WindowReach

TOYS = st.lists(
    st.one_of(
        st.builds(Words, st.just("words"), st.sampled_from([("ab",), ("a.b", "cc"), ("b c",)])),
        st.builds(Marks, st.just("windows"), st.sampled_from("abc"), st.builds(WindowReach, st.just(3), st.just(9), st.just(2))),
        st.builds(Marks, st.just("wholes"), st.sampled_from(["ca", "bb"]), st.just(WholeReach()), st.booleans()),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda toy: toy.name,
)
ACTIONS = st.lists(st.sampled_from([Action.FLAG, Action.REDACT, Action.BLOCK]), min_size=3, max_size=3)


def chunk(choices: list[dict], **more: object) -> dict:
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, **more}


def piece(text: str, index: int = 0, finish: str | None = None, field: str = "content") -> dict:
    delta = {field: text} if text else {}
    return chunk([{"index": index, "delta": delta, "finish_reason": finish}])


def sse(events: Iterable[dict]) -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"


class Client:
    """Sends bytes through a relay, cut and answered at random, and reads what comes out as OpenAI's SDK does."""

    def __init__(self, policy: Policy, toys: list, seed: int = 0, body: dict | None = None) -> None:
        self.toys = {toy.name: toy for toy in toys}
        wire = OpenAIChat()
        request = wire.read_request(
            json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}], **(body or {})}).encode()
        )
        self.relay = Relay(policy, wire, request, lambda choice: ChoiceJudge(policy, policy.rules, self.toys, choice=choice))
        self.random = Random(seed)
        self.raw = b""

    def read(self, data: bytes, cuts: Iterable[int] = ()) -> Client:
        edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(data)}), len(data)]
        for start, end in pairwise(edges):
            self.relay.feed(data[start:end])
            self.raw += self.relay.take()
            self.step(self.random.randint(0, 2))
        self.relay.end()
        self.step(1_000)
        assert self.relay.finished
        return self

    def step(self, answers: int) -> None:
        self.waiting = [*getattr(self, "waiting", []), *self.relay.windows()]
        while answers and self.waiting:
            choice, window = self.waiting.pop(self.random.randrange(len(self.waiting)))
            self.relay.answer(choice, window, self.toys[window.detector].detect([window.item])[0])
            self.raw += self.relay.take()
            self.waiting += self.relay.windows()
            answers -= 1
        self.raw += self.relay.take()

    @property
    def events(self) -> list[dict]:
        lines = [line[6:] for line in self.raw.decode().split("\n") if line.startswith("data: ")]
        return [json.loads(line) for line in lines if line != "[DONE]"]

    def text(self, index: int = 0, field: str = "content") -> str:
        choices = [choice for event in self.events for choice in event.get("choices", []) if choice["index"] == index]
        return "".join(choice["delta"].get(field) or "" for choice in choices)

    def finish(self, index: int = 0) -> list[str]:
        choices = [choice for event in self.events for choice in event.get("choices", []) if choice["index"] == index]
        return [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]


def deltas(text: str, random: Random) -> list[dict]:
    events = [chunk([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])]
    while text:
        size = random.randint(1, len(text))
        events.append(piece(text[:size]))
        text = text[size:]
    return [*events, piece("", finish="stop")]


@settings(max_examples=300, deadline=None)
@given(
    text=st.text("abc. ", max_size=30),
    toys=TOYS,
    actions=ACTIONS,
    cuts=st.lists(st.integers(0, 3_000), max_size=12),
    seed=st.integers(0, 99),
)
def test_every_cut_of_text_and_bytes_gives_the_client_what_the_model_allows(text, toys, actions, cuts, seed):
    policy = policy_of([(toy.name, action) for toy, action in zip(toys, actions, strict=False)])
    client = Client(policy, toys, seed).read(sse(deltas(text, Random(seed))), cuts)
    limit, redacted, rules, action = expected(policy, text, toys)
    wanted, done = "", 0
    for start, end in merged(redacted):
        wanted, done = wanted + text[done:start] + "[LABEL]", end
    wanted += text[done:limit]
    shown = client.text().replace("[WORD]", "[LABEL]").replace("[SIGN]", "[LABEL]")
    blocked = action is Action.BLOCK
    assert shown == wanted or (blocked and not wanted and shown == policy.message)
    assert client.relay.decision.action is action
    assert set(client.relay.decision.rules) == rules
    assert client.finish() == (["content_filter"] if blocked else ["stop"])
    assert client.raw.endswith(b"data: [DONE]\n\n")
    for event in client.events:
        ChatCompletionChunk.model_validate(event)


def merged(spans: list) -> list[tuple[int, int]]:
    result: list[tuple[int, int]] = []
    for start, end in spans:
        if result and start < result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return result


@given(text=st.text("xyz. ", max_size=30), seed=st.integers(0, 99))
def test_a_stream_in_which_nothing_fires_leaves_byte_for_byte(text, seed):
    toys = [Marks("windows", "q", WindowReach(3, 9, 2))]
    client = Client(policy_of([("windows", Action.FLAG)]), toys, seed)
    data = sse(deltas(text, Random(seed)))
    assert client.read(data, [seed, 3 * seed]).raw == data


def test_choices_are_judged_each_for_itself_and_the_others_go_on():
    toys = [Words("words", ("bad",))]
    events = [
        piece("good ", 0),
        piece("a ba", 1),
        piece("more ", 0),
        piece("d one", 1),
        piece("end", 0),
        piece("", 0, "stop"),
        piece("", 1, "stop"),
    ]
    client = Client(policy_of([("words", Action.BLOCK)]), toys, body={"n": 2}).read(sse(events))
    assert client.text(0) == "good more end"
    assert client.text(1) == "a "
    assert (client.finish(0), client.finish(1)) == (["stop"], ["content_filter"])


def test_a_tool_call_leaves_only_when_it_is_complete_and_cleared():
    toys = [Words("words", ("bad",))]
    call = {"index": 0, "id": "t1", "type": "function", "function": {"name": "send", "arguments": ""}}
    parts = ['{"to": "x", "te', 'xt": "not b', 'ad at all", "n": 4111}']
    events = [
        piece("hello "),
        chunk([{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]),
        *(
            chunk([{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": part}}]}, "finish_reason": None}])
            for part in parts
        ),
        piece("", finish="tool_calls"),
    ]
    blocked = Client(policy_of([("words", Action.BLOCK)]), toys).read(sse(events))
    assert blocked.text() == "hello "
    assert "tool_calls" not in blocked.raw.decode().replace('"finish_reason": "tool_calls"', "")
    redacted = Client(policy_of([("words", Action.REDACT)]), toys).read(sse(events))
    calls = [call for event in redacted.events for choice in event["choices"] for call in choice["delta"].get("tool_calls") or []]
    arguments = "".join(call["function"].get("arguments") or "" for call in calls)
    assert json.loads(arguments) == {"to": "x", "text": "not [WORD] at all", "n": 4111}
    assert calls[0]["id"] == "t1"


def test_a_number_in_a_tool_call_that_is_redacted_becomes_a_string():
    toys = [Words("words", ("4111",))]
    call = {"index": 0, "id": "t1", "type": "function", "function": {"name": "pay", "arguments": '{"card": 4111}'}}
    events = [chunk([{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]), piece("", finish="tool_calls")]
    client = Client(policy_of([("words", Action.REDACT)]), toys).read(sse(events))
    [call] = [call for event in client.events for choice in event["choices"] for call in choice["delta"].get("tool_calls") or []]
    assert json.loads(call["function"]["arguments"]) == {"card": "[WORD]"}


def test_a_key_in_a_tool_call_that_would_have_to_be_redacted_blocks():
    toys = [Words("words", ("bad",))]
    call = {"index": 0, "id": "t1", "type": "function", "function": {"name": "pay", "arguments": '{"bad": 1}'}}
    events = [chunk([{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]), piece("", finish="tool_calls")]
    client = Client(policy_of([("words", Action.REDACT)]), toys).read(sse(events))
    assert "bad" not in client.raw.decode()
    assert client.finish() == ["content_filter"]


def test_an_upstream_that_dies_leaves_its_held_text_judged_and_an_error_event():
    toys = [Words("words", ("secret",))]
    client = Client(policy_of([("words", Action.BLOCK)]), toys)
    client.relay.feed(sse([piece("it is sec")])[: -len(b"data: [DONE]\n\n")])
    client.raw += client.relay.take()
    assert client.text() == "it is "
    client.relay.fail("the upstream broke off its stream", "upstream_error")
    client.raw += client.relay.take()
    assert client.text() == "it is sec"
    assert client.events[-1]["error"]["code"] == "upstream_error"
    assert client.relay.finished


@pytest.mark.parametrize("garbage", [b"data: {not json}\n\n", b'data: {"choices": 5}\n\n', b'data: {"a": 1, "a": 2}\n\n'])
def test_an_event_that_breaks_the_format_ends_the_stream_with_an_error(garbage):
    client = Client(policy_of([("words", Action.BLOCK)]), [Words("words", ("secret",))])
    client.relay.feed(sse([piece("fine. ")])[: -len(b"data: [DONE]\n\n")] + garbage)
    client.step(1)
    assert client.text() == "fine. "
    assert "error" in client.events[-1]


def test_refusing_by_error_ends_the_whole_stream():
    toys = [Words("words", ("bad",))]
    policy = Policy("toy", policy_of([("words", Action.BLOCK)]).rules, {}, refusal="error")
    client = Client(policy, toys)
    client.relay.feed(sse([piece("a bad one")]))
    client.step(1)
    assert client.relay.finished
    assert client.relay.rejection == policy.message
    assert client.events[-1]["error"]["code"] == "content_filter"


def test_usage_and_metadata_travel_after_the_text_they_follow():
    toys = [Marks("wholes", "q", WholeReach())]
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    events = [piece("some text"), piece("", finish="stop"), chunk([], usage=usage)]
    client = Client(policy_of([("wholes", Action.BLOCK)]), toys, body={"stream_options": {"include_usage": True}}).read(
        sse(events)
    )
    assert client.text() == "some text"
    assert client.events[-1]["usage"] == usage


def test_log_probabilities_of_redacted_text_are_gone():
    toys = [Words("words", ("bad",))]
    logprobs = {"content": [{"token": "a bad", "logprob": -0.1, "bytes": [97], "top_logprobs": []}], "refusal": None}
    events = [
        chunk([{"index": 0, "delta": {"content": "a bad"}, "logprobs": logprobs, "finish_reason": None}]),
        piece("", finish="stop"),
    ]
    client = Client(policy_of([("words", Action.REDACT)]), toys).read(sse(events))
    assert client.text() == "a [WORD]"
    assert "bad" not in client.raw.decode()
    assert Redactor().kind == "label"


def test_a_role_is_said_once_however_often_its_text_is_cut():
    toys = [Words("words", ("secret",))]
    event = chunk([{"index": 0, "delta": {"role": "assistant", "content": "it is sec"}, "finish_reason": None}])
    client = Client(policy_of([("words", Action.BLOCK)]), toys).read(sse([event, piece("ond"), piece("", finish="stop")]))
    roles = [choice["delta"].get("role") for event in client.events for choice in event["choices"]]
    assert [role for role in roles if role] == ["assistant"]
    assert client.text() == "it is second"


def test_a_decision_names_no_key_that_the_model_wrote():
    toys = [Words("words", ("4111",))]
    call = {"index": 0, "id": "t1", "type": "function", "function": {"name": "pay", "arguments": '{"canary": 4111}'}}
    events = [chunk([{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]), piece("", finish="tool_calls")]
    client = Client(policy_of([("words", Action.REDACT)]), toys).read(sse(events))
    assert client.relay.decision.findings
    assert "canary" not in json.dumps(client.relay.decision.as_dict())
