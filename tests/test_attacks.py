"""Attempts to get a text past the guard, to stall it, or to make it answer by how the network cut things."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

import pytest
from servers import chunk, completion

from guard.asking import pump_sync
from guard.engine import Guard, new_exchange
from guard.formats.openai_chat import OpenAIChat
from guard.judging import Judgement
from guard.relay import Relay
from guard.streaming import ChoiceJudge
from guard.values import Action, Decision, Stage

KEY = "AKIA" + "QWERTYUIOPASDFGH"


def judged(guard: Guard, *parts: str) -> Judgement:
    content = [{"type": "text", "text": part} for part in parts]
    request = OpenAIChat().read_request(json.dumps({"messages": [{"role": "user", "content": content}]}).encode())
    return guard.judge_sync(request.document.texts, Stage.INPUT, new_exchange())


@pytest.mark.parametrize("parts", [("hello", KEY), (KEY[:9], KEY[9:]), (KEY, "hello")])
def test_no_cut_into_content_parts_hides_a_secret(guard, parts):
    said = judged(guard, *parts)
    assert said.decision.action is Action.REDACT
    redacted = "".join(said.changes.get(f"/messages/0/content/{index}/text", part) for index, part in enumerate(parts))
    assert not any(KEY[start : start + 4] in redacted for start in range(0, len(KEY), 4))


def test_a_word_is_found_beside_the_word_that_ends_the_part_before(guard):
    assert judged(guard, "this is", "forbidden").decision.rules == ("no-forbidden",)


def test_what_is_found_in_a_part_counts_once(guard):
    assert len(judged(guard, "see ", "jane.doe@example.org").decision.findings) == 1


def test_a_message_of_very_many_parts_takes_time_in_proportion_to_them(guard):
    def seconds(parts: int) -> float:
        began = time.process_time()
        judged(guard, *["jane@example.org "] * parts)
        return time.process_time() - began

    seconds(100)
    assert seconds(4_000) < 20 * seconds(500)


def relayed(guard: Guard, chunks: Sequence[bytes], *, n: int = 1, release: str = "") -> tuple[str, Decision]:
    """What a client gets of a streamed answer whose bytes come in these chunks."""
    wire = OpenAIChat()
    request = wire.read_request(json.dumps({"n": n, "messages": [{"role": "user", "content": "x"}], "stream": True}).encode())
    exchange = new_exchange()
    relay = Relay(
        guard.policy, wire, request, lambda choice: ChoiceJudge(
            guard.policy, guard.rules(Stage.OUTPUT, exchange), guard.detectors, choice=choice, exchange=exchange, release=release
        )
    )  # fmt: skip
    return b"".join(pump_sync(relay, iter(chunks), guard.detectors)).decode(), relay.decision


def text_of(stream: str, choice: int = 0) -> str:
    """The content of a choice, as a client puts it together."""
    events = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: {")]
    choices = [entry for event in events for entry in event.get("choices", ()) if entry["index"] == choice]
    return "".join(entry["delta"].get("content") or "" for entry in choices)


END = [chunk({}, "stop"), b"data: [DONE]\n\n"]


@pytest.mark.parametrize(
    "deltas",
    [
        [{"content": [{"type": "text", "text": KEY[:9]}, {"type": "text", "text": KEY[9:]}]}],
        [{"content": KEY[:9]}, {"content": [{"type": "text", "text": KEY[9:]}]}],
        [
            {"content": [{"type": "text", "text": KEY[:9]}]},
            {"content": [{"type": "thinking"}, {"type": "text", "text": KEY[9:]}]},
        ],
    ],
)
def test_no_cut_into_streamed_content_parts_hides_a_secret(guard, deltas):
    out, decision = relayed(guard, [*map(chunk, deltas), *END])
    assert decision.rules == ("hide-keys",)
    assert "[AWS-KEY]" in out
    assert KEY[:9] not in out
    assert KEY[9:] not in out


def test_token_ids_do_not_spell_a_text_that_is_held_or_redacted(guard):
    choice = {"index": 0, "delta": {"content": f"It is {KEY} "}, "finish_reason": None, "token_ids": [17, 170_017]}
    streamed, _ = relayed(guard, [b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n", *END])
    whole = completion(f"It is {KEY}.")
    whole["choices"][0]["token_ids"] = [17, 170_017]
    wire = OpenAIChat()
    document = wire.read_answer(
        json.dumps(whole).encode(), wire.read_request(b'{"messages": [{"role": "user", "content": "x"}]}')
    )
    changes = guard.judge_sync(document.texts, Stage.OUTPUT, new_exchange()).changes
    assert "170017" not in streamed + wire.rewrite(document, changes).decode()


def test_what_is_wrong_with_an_answer_is_told_without_its_words(guard):
    out, _ = relayed(guard, [b'data: {"forbidden": 1, "forbidden": 2}\n\n'])
    assert "duplicate key" in out
    assert "forbidden" not in out


@pytest.mark.parametrize("bad", [b'data: {"x\xff": 1}\n\n', b"data: {\n\n", b"data: " + b"x" * 2_000_000 + b"\n\n"])
def test_what_came_before_a_broken_event_leaves_however_the_network_cut_it(guard, bad):
    good = chunk({"content": "All is well. "})
    together, apart = relayed(guard, [good + bad]), relayed(guard, [good, bad])
    assert text_of(together[0]) == text_of(apart[0]) == "All is well. "
    assert together[0].count("upstream_error") == apart[0].count("upstream_error") == 1


@pytest.mark.parametrize("release", ["judged", "whole"])
def test_an_answer_full_of_redactions_takes_time_in_proportion_to_them(guard, release):
    def seconds(events: int) -> float:
        began = time.process_time()
        out, _ = relayed(guard, [*[chunk({"content": "jane@bc.org "})] * events, *END], release=release)
        assert text_of(out) == "[EMAIL] " * events
        return time.process_time() - began

    seconds(100)
    assert seconds(2_000) < 6 * seconds(500)


def test_an_answer_of_very_many_choices_is_given_up(guard):
    out, _ = relayed(guard, [chunk({"content": "x "}, index=index) for index in range(10_000)])
    assert "choices" in out.splitlines()[-2]
    assert out.count("data: ") < 500


def test_an_answer_that_would_have_to_be_held_without_end_is_given_up(guard, monkeypatch):
    monkeypatch.setattr("guard.relay.MOST_HELD", 10_000)
    pieces = [chunk({"content": "one word. "})] * 2_000
    assert text_of(relayed(guard, [*pieces, *END])[0]) == "one word. " * 2_000
    out, _ = relayed(guard, [*pieces, *END], release="whole")
    assert "would have to be held" in out
    assert "content_filter" not in out
