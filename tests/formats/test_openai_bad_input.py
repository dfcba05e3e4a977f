import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from planting import CHAT_ANSWER, CHAT_EVENT, CHAT_REQUEST, COMPLETION_ANSWER, COMPLETION_REQUEST

from guard.errors import BadMessage
from guard.formats import moderations
from guard.formats.base import EndOfStream, Frame
from guard.formats.openai_chat import OpenAIChat
from guard.formats.openai_completions import OpenAICompletions

CHAT = OpenAIChat()
COMPLETIONS = OpenAICompletions()
HI = [{"role": "user", "content": "hi"}]
ASKED = CHAT.read_request(json.dumps({"messages": HI}).encode())


def saying(**message):
    return {"messages": [{"role": "user", "content": "hi", **message}]}


@pytest.mark.parametrize(
    ("request_tree", "says"),
    [
        ([], "the request: expected an object, got an empty list"),
        ("x", "the request: expected an object, got a string"),
        ({}, "messages: expected a list, got null"),
        ({"messages": []}, "messages: expected at least one message, got an empty list"),
        ({"messages": "hi"}, "messages: expected a list, got a string"),
        ({"messages": ["hi"]}, "messages[0]: expected an object, got a string"),
        ({"messages": [{"content": "hi"}]}, "messages[0].role: expected one of system, developer"),
        (saying(role="narrator"), 'got "narrator"'),
        (saying(role=["user"]), "messages[0].role: expected one of"),
        (saying(content=5), "messages[0].content: expected a string or a list of parts, got a number"),
        (saying(content=None), "messages[0].content: expected a string or a list of parts, got null"),
        (saying(content=["hi"]), "messages[0].content[0]: expected an object, got a string"),
        (saying(content=[{"text": "hi"}]), "messages[0].content[0].type: expected a string, got null"),
        (saying(content=[{"type": "text", "text": ["hi"]}]), "messages[0].content[0].text: expected a string, got a list"),
        (saying(tool_calls="x"), "messages[0].tool_calls: expected a list, got a string"),
        ({"messages": HI, "stream": "yes"}, "stream: expected true or false, got a string"),
        ({"messages": HI, "stream": 1}, "stream: expected true or false, got a number"),
        ({"messages": HI, "n": 0}, "n: expected a whole number from 1 to 128"),
        ({"messages": HI, "n": True}, "n: expected a whole number from 1 to 128, got true"),
        ({"messages": HI, "n": 1.5}, "n: expected a whole number from 1 to 128"),
        ({"messages": HI, "model": 5}, "model: expected a string, got a number"),
        ({"messages": HI, "stream_options": True}, "stream_options: expected an object, got true"),
        ({"messages": HI, "stream_options": {"include_usage": "x"}}, "stream_options.include_usage: expected true or false"),
        ({"messages": HI, "stream": True, "modalities": ["text", "audio"]}, "sound cannot be judged while it streams"),
    ],
)
def test_a_malformed_chat_request_is_told_where_and_what(request_tree, says):
    with pytest.raises(BadMessage) as caught:
        CHAT.read_request(json.dumps(request_tree).encode())
    assert caught.value.status == 400
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ([1, 2], "token ids, which cannot be judged"),
        ([[1, 2]], "token ids, which cannot be judged"),
        (5, "prompt: expected a string or a list of strings, got a number"),
        ([], "got an empty list"),
        (["a", None], "prompt[1]: expected a string, got null"),
    ],
)
def test_a_prompt_that_is_no_text_is_refused(prompt, says):
    with pytest.raises(BadMessage) as caught:
        COMPLETIONS.read_request(json.dumps({"prompt": prompt}).encode())
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("wire", "event"),
    [
        (CHAT, []),
        (CHAT, {"choices": {}}),
        (CHAT, {"choices": ["x"]}),
        (CHAT, {"choices": [{"delta": "x"}]}),
        (CHAT, {"choices": [{"index": "0", "delta": {}}]}),
        (CHAT, {"choices": [{"index": -1, "delta": {}}]}),
        (CHAT, {"choices": [{"index": 0, "delta": {"tool_calls": {"a": 1}}}]}),
        (CHAT, {"choices": [{"index": 0, "delta": {"tool_calls": ["x"]}}]}),
        (CHAT, {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": "x"}]}}]}),
        (CHAT, {"choices": [{"index": 0, "delta": {"tool_calls": [{"function": "x"}]}}]}),
        (CHAT, {"choices": [{"index": 0, "delta": {"tool_calls": [{"function": {"arguments": {"a": 1}}}]}}]}),
        (COMPLETIONS, {"choices": "x"}),
    ],
)
def test_an_event_of_another_shape_is_refused(wire, event):
    with pytest.raises(BadMessage):
        wire.read_event(Frame(b"", json.dumps(event)))


@pytest.mark.parametrize("data", ["", "{", "[DONE] and more", '{"a": 1, "a": 2}', "hello"])
def test_an_event_that_is_no_json_is_refused(data):
    with pytest.raises(BadMessage):
        CHAT.read_event(Frame(b"", data))


def test_the_end_mark_is_written_plainly_and_comments_give_nothing():
    assert CHAT.read_event(Frame(b": secret\ndata:  [DONE] \n\n", " [DONE] ")) == EndOfStream(b"data: [DONE]\n\n")
    assert CHAT.read_event(Frame(b": secret\n\n", None)) == ()


_WORDS = (
    "choices index delta message content tool_calls function arguments name role logprobs tokens token bytes top_logprobs "
    "audio data messages type text image_url url input_audio prompt error usage finish_reason model stream n modalities x"
)
WORDS = st.sampled_from(_WORDS.split())
TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 300)
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "hi", "user", "text", "[1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=15,
)


@st.composite
def altered(draw, *messages):
    """A message with a sub-tree replaced by any other."""
    tree = json.loads(json.dumps(draw(st.sampled_from(messages))))
    box = [tree]
    holder, place = box, 0
    while isinstance(holder[place], (dict, list)) and holder[place] and draw(st.integers(0, 5)):
        holder = holder[place]
        place = draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
    holder[place] = draw(TREES)
    return box[0]


@settings(max_examples=400)
@given(TREES | altered(CHAT_REQUEST, CHAT_ANSWER, CHAT_EVENT, COMPLETION_REQUEST, COMPLETION_ANSWER))
def test_any_json_is_read_or_refused_and_what_is_read_can_be_refused_and_rewritten(tree):
    body = json.dumps(tree).encode()
    for wire in (CHAT, COMPLETIONS):
        try:
            document = wire.read_request(body).document
            wire.rewrite(document, {piece.pointer: "X" for text in document.texts for piece in text.pieces if not piece.key})
        except BadMessage:
            pass
        try:
            document = wire.read_answer(body, ASKED)
            wire.rewrite(document, {piece.pointer: "X" for text in document.texts for piece in text.pieces if not piece.key})
            if any(text.choice is not None for text in document.texts):
                wire.refuse_choices(document, {}, [0], "no", "message")
        except BadMessage:
            pass
        try:
            parts = wire.read_event(Frame(b"data: " + body + b"\n\n", body.decode()))
        except BadMessage:
            continue
        for part in parts:
            assert wire.write_part(part, {delta.pointer: "X" for delta in part.deltas}).startswith(b"data: ")
            assert wire.write_part(part, {delta.pointer: None for delta in part.deltas}).startswith(b"data: ")
            assert b"content_filter" in wire.refuse_stream(ASKED, part, part.choice or 0, "no", "message", started=False)
            assert wire.end_stream(ASKED, part, usage=True).endswith(b"data: [DONE]\n\n")


@given(st.binary(max_size=80))
@example(b"{}")
def test_any_bytes_are_refused_clearly_or_hold_no_text(body):
    for reader in (CHAT.read_request, moderations.read_request):
        with pytest.raises(BadMessage):
            reader(body)
    try:
        assert COMPLETIONS.read_request(body).document.texts == ()
    except BadMessage as error:
        assert error.status == 400
