import json

import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from planting import CHAT_ANSWER, CHAT_EVENT, COMPLETION_ANSWER

from guard.formats.base import Frame
from guard.formats.openai_chat import OpenAIChat
from guard.formats.openai_completions import OpenAICompletions
from guard.formats.sse import SseFraming
from guard.values import Role

CHAT = OpenAIChat()
COMPLETIONS = OpenAICompletions()


def asked(**more):
    return CHAT.read_request(json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], **more}).encode())


def frame(tree):
    data = json.dumps(tree)
    return Frame(f"data: {data}\n\n".encode(), data)


def event(**choice):
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, **choice}],
    }


def one(wire, tree):
    (part,) = wire.read_event(frame(tree))
    return part


def trees(stream):
    return [json.loads(given.data) for given in SseFraming(10**6).feed(stream) if given.data != "[DONE]"]


def calling(**call):
    return event(delta={"tool_calls": [{"index": 2, **call}]}, finish_reason=None)


def test_an_untouched_event_leaves_in_its_own_bytes():
    given = frame(event(delta={"content": "hi"}, finish_reason=None))
    (part,) = CHAT.read_event(given)
    assert CHAT.write_part(part, {}) == part.raw == given.raw
    assert part.bare
    assert not part.ends


@pytest.mark.parametrize("raw", [b": my secret\ndata: %s\n\n", b"event: my secret\ndata: %s\n\n"])
def test_words_beside_the_data_of_an_event_do_not_leave(raw):
    given = frame(event(delta={"content": "hi"}))
    (part,) = CHAT.read_event(Frame(raw % given.data.encode(), given.data))
    assert part.raw is None
    assert CHAT.write_part(part, {}) == b"data: " + json.dumps(json.loads(given.data), separators=(",", ":")).encode() + b"\n\n"


def test_an_event_is_split_by_choice_and_by_what_its_envelope_says():
    first, second = CHAT.read_event(frame(CHAT_EVENT))
    assert (first.choice, second.choice) == (0, 1)
    assert [delta.track for delta in second.deltas] == ["content"]
    assert second.ends
    assert first.raw is second.raw is None
    parts = CHAT.read_event(frame({**CHAT_EVENT, "service_tier": "two words", "usage": {"total_tokens": 3}}))
    assert [part.choice for part in parts] == [0, 1, None]
    assert [(delta.track, delta.text) for delta in parts[2].deltas] == [("service_tier", "two words")]
    assert [part.tree.get("usage") for part in parts] == [None, {"total_tokens": 3}, None]
    assert all("service_tier" not in part.tree for part in parts[:2])


def test_every_string_of_a_delta_has_a_track_of_its_own():
    first = CHAT.read_event(frame(CHAT_EVENT))[0]
    assert {delta.track: (delta.text, delta.role, delta.whole) for delta in first.deltas} == {
        "content": ("Hi", Role.ASSISTANT, False),
        "reasoning": ("They greet.", Role.ASSISTANT, False),
        "tool_calls/2/function/name": ("send", Role.TOOL_CALL, True),
        "tool_calls/2/function/arguments": ('{"to', Role.TOOL_CALL, True),
        "audio/transcript": ("Hi", Role.ASSISTANT, False),
    }
    assert not first.bare


def test_the_end_of_a_choice_and_what_belongs_to_none_are_seen():
    assert one(CHAT, event(delta={}, finish_reason="stop")).ends
    usage = one(CHAT, {"id": "x", "choices": [], "usage": {"total_tokens": 3}})
    assert (usage.choice, usage.deltas, usage.ends) == (None, (), False)
    assert usage.raw is not None
    error = one(CHAT, {"error": {"message": "no such model", "type": "x"}})
    assert [(delta.track, delta.text) for delta in error.deltas] == [("error/message", "no such model")]


def test_log_probabilities_leave_only_with_the_text_that_they_spell():
    logprobs = {"content": [{"token": "hi", "logprob": -1.5, "bytes": None, "top_logprobs": []}]}
    part = one(CHAT, event(delta={"content": "hi"}, logprobs=logprobs))
    assert trees(CHAT.write_part(part, {}))[0]["choices"][0]["logprobs"] == logprobs
    assert trees(CHAT.write_part(part, {"/choices/0/delta/content": "h"}))[0]["choices"][0]["logprobs"] is None
    strange = one(CHAT, event(delta={"content": "ho"}, logprobs=logprobs))
    assert strange.raw is None
    assert trees(CHAT.write_part(strange, {}))[0]["choices"][0]["logprobs"] is None


def test_sound_does_not_leave_a_stream():
    part = one(CHAT, event(delta={"audio": {"id": "a", "data": "QUJD" * 100, "transcript": "hi"}}))
    assert b"QUJD" not in CHAT.write_part(part, {})
    assert [delta.track for delta in part.deltas] == ["audio/transcript"]


def test_a_call_whose_strings_were_taken_out_leaves_no_trace():
    part = one(CHAT, calling(id="call_1", type="function", function={"name": "send", "arguments": ""}))
    (pointer,) = [delta.pointer for delta in part.deltas]
    assert not part.bare
    assert trees(CHAT.write_part(part, {pointer: None}))[0]["choices"][0]["delta"] == {}
    more = one(CHAT, calling(function={"arguments": '{"a"'}))
    assert trees(CHAT.write_part(more, {more.deltas[0].pointer: None}))[0]["choices"][0]["delta"] == {}
    kept = trees(CHAT.write_part(more, {more.deltas[0].pointer: "{}"}))[0]["choices"][0]["delta"]
    assert kept == {"tool_calls": [{"index": 2, "function": {"arguments": "{}"}}]}


def test_a_part_that_does_not_end_its_choice_any_more_says_so():
    part = one(CHAT, {**event(delta={"content": "hi"}, finish_reason="stop"), "usage": {"total_tokens": 3}})
    unended = type(part)(part.choice, part.deltas, False, part.tree, None, part.bare)
    (tree,) = trees(CHAT.write_part(unended, {"/choices/0/delta/content": "h"}))
    assert tree["choices"][0]["finish_reason"] is None
    assert "usage" not in tree
    assert part.tree["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("wire", [CHAT, COMPLETIONS])
@pytest.mark.parametrize("mode", ["message", "field"])
def test_a_refused_answer_is_one_that_openais_client_reads(wire, mode):
    status, body = wire.refuse(asked(n=2), "I can't.", mode)
    kind = ChatCompletion if wire is CHAT else Completion
    answer = kind.model_validate_json(body)
    assert status == 200
    assert [choice.finish_reason for choice in answer.choices] == ["content_filter"] * 2
    said = [choice.message.content if wire is CHAT else choice.text for choice in answer.choices]
    assert said == ["I can't." if mode == "message" else None if wire is CHAT else ""] * 2
    if wire is CHAT:
        assert answer.choices[0].message.refusal == "I can't."
    assert answer.usage.total_tokens == 0


@pytest.mark.parametrize("wire", [CHAT, COMPLETIONS])
def test_a_refusal_by_error_is_openais_error_object(wire):
    status, body = wire.refuse(asked(), "I can't.", "error")
    assert status == 400
    error = {"message": "I can't.", "type": "invalid_request_error", "param": None, "code": "content_filter"}
    assert json.loads(body) == {"error": error}
    assert json.loads(wire.error("x", status=502, code="upstream_error"))["error"]["type"] == "server_error"


def test_only_the_refused_choices_of_an_answer_are_replaced():
    document = CHAT.read_answer(json.dumps(CHAT_ANSWER).encode(), asked(n=2))
    changes = {"/choices/0/message/content": "[X]"}
    answer = ChatCompletion.model_validate_json(CHAT.refuse_choices(document, changes, [1], "No.", "message"))
    first, second = answer.choices
    assert first.message.content == "[X]"
    assert (second.finish_reason, second.message.content, second.message.refusal) == ("content_filter", "No.", "No.")
    assert second.message.tool_calls is None
    assert answer.usage.total_tokens == 3


@pytest.mark.parametrize("mode", ["message", "field"])
@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("with_last", [False, True])
def test_a_refused_chat_stream_is_one_that_openais_client_reads(mode, started, with_last):
    request = asked(stream=True, stream_options={"include_usage": True})
    opening = event(delta={"role": "assistant", "content": "Well, " if started else ""}, finish_reason=None)
    last = one(CHAT, opening) if with_last or started else None
    stream = CHAT.refuse_stream(request, last, 0, "No.", mode, started=started)
    stream += CHAT.end_stream(request, last, usage=request.usage)
    chunks = [ChatCompletionChunk.model_validate(tree) for tree in trees(stream)]
    assert stream.endswith(b"data: [DONE]\n\n")
    assert len({chunk.id for chunk in chunks}) == 1
    assert [chunk.choices[0].finish_reason for chunk in chunks[:2]] == [None, "content_filter"]
    assert chunks[-1].choices == []
    assert (chunks[-1].usage is None) == (last is not None)
    state = ChatCompletionStreamState()
    for tree in ([opening] if last else []) + trees(stream):
        state.handle_chunk(ChatCompletionChunk.model_validate(tree))
    message = state.current_completion_snapshot.choices[0].message
    assert message.role == "assistant"
    assert message.refusal == "No."
    assert (message.content or "") == ("Well, " if started else "No." if mode == "message" else "")


def test_a_refusal_names_the_role_if_the_part_that_would_have_was_held():
    held = one(CHAT, event(delta={"role": "assistant", "content": "bad"}))
    first = trees(CHAT.refuse_stream(asked(), held, 0, "No.", "message", started=False))[0]
    assert first["choices"][0]["delta"]["role"] == "assistant"
    other = trees(CHAT.refuse_stream(asked(), held, 1, "No.", "message", started=True))[0]
    assert "role" not in other["choices"][0]["delta"]


@pytest.mark.parametrize(("started", "texts"), [(False, ["No."]), (True, [""])])
def test_a_refused_completion_stream_is_one_that_openais_client_reads(started, texts):
    stream = COMPLETIONS.refuse_stream(asked(), None, 1, "No.", "message", started=started)
    chunks = [Completion.model_validate(tree) for tree in trees(stream + COMPLETIONS.end_stream(asked(), None, usage=False))]
    assert [chunk.choices[0].text for chunk in chunks] == texts
    assert [chunk.choices[0].index for chunk in chunks] == [1] * len(texts)
    assert chunks[-1].choices[0].finish_reason == "content_filter"


def test_the_last_known_token_counts_end_a_refused_stream_and_words_among_them_do_not():
    counts = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    known = one(CHAT, {**event(delta={"content": "x"}), "usage": counts})
    assert trees(CHAT.end_stream(asked(), known, usage=True))[0]["usage"] == counts
    worded = CHAT.read_event(frame({**event(delta={}), "usage": {**counts, "my secret": 1, "cost": "two words"}}))[-1]
    assert trees(CHAT.end_stream(asked(), worded, usage=True))[0]["usage"] is None


def test_the_envelope_of_a_refusal_carries_no_words():
    part = one(CHAT, {**event(delta={}), "id": "x"})
    spoiled = type(part)(0, (), False, {**part.tree, "id": "my secret"}, None, False)
    assert b"my secret" not in CHAT.refuse_stream(asked(), spoiled, 0, "No.", "field", started=True)


def test_in_a_stream_an_error_is_an_event_of_its_own():
    (tree,) = trees(CHAT.stream_error("it broke", code="upstream_error"))
    assert tree == {"error": {"message": "it broke", "type": "server_error", "param": None, "code": "upstream_error"}}
    assert CHAT.refuse_stream(asked(), None, 0, "No.", "error", started=True) == CHAT.stream_error("No.", code="content_filter")
    assert SseFraming(100).feed(CHAT.heartbeat()) == [(b": keep-alive\n\n", None)]


def test_a_completion_event_is_read_by_its_text():
    choice = {"index": 1, "text": "hi", "logprobs": None, "finish_reason": None}
    part = one(COMPLETIONS, {**COMPLETION_ANSWER, "choices": [choice], "usage": None})
    assert [(delta.track, delta.text, delta.pointer) for delta in part.deltas] == [("text", "hi", "/choices/0/text")]
    assert (part.choice, part.bare, part.ends) == (1, True, False)
