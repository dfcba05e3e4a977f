import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planting import (
    CANARY,
    CHAT_ANSWER,
    CHAT_EVENT,
    CHAT_REQUEST,
    COMPLETION_ANSWER,
    COMPLETION_REQUEST,
    with_canary,
)

from guard.errors import BadMessage
from guard.formats.base import Frame
from guard.formats.fields import public_pointer
from guard.formats.openai_chat import OpenAIChat
from guard.formats.openai_completions import OpenAICompletions
from guard.values import Role

CHAT = OpenAIChat()
COMPLETIONS = OpenAICompletions()
ASKED = CHAT.read_request(b'{"messages": [{"role": "user", "content": "hi"}], "model": "m"}')


def body(tree):
    return json.dumps(tree).encode()


def frame(tree):
    return Frame(b"data: " + body(tree) + b"\n\n", json.dumps(tree))


def heard(texts):
    return "\0".join(piece.text for text in texts for piece in text.pieces)


def read(wire, tree):
    return wire.read_request(body(tree)).document


@settings(max_examples=300)
@given(with_canary(CHAT_ANSWER))
def test_no_string_of_a_chat_answer_goes_unnamed(answer):
    try:
        document = CHAT.read_answer(body(answer), ASKED)
    except BadMessage:
        return
    assert CANARY in heard(document.texts)


@settings(max_examples=200)
@given(with_canary(COMPLETION_ANSWER))
def test_no_string_of_a_completion_goes_unnamed(answer):
    try:
        document = COMPLETIONS.read_answer(body(answer), ASKED)
    except BadMessage:
        return
    assert CANARY in heard(document.texts)


@settings(max_examples=300)
@given(
    st.one_of(
        with_canary(CHAT_REQUEST).map(lambda tree: (CHAT, tree)),
        with_canary(COMPLETION_REQUEST).map(lambda tree: (COMPLETIONS, tree)),
    )
)
def test_no_string_of_a_request_goes_unnamed(case):
    wire, request = case
    try:
        document = read(wire, request)
    except BadMessage:
        return
    assert CANARY in heard(document.texts)


@settings(max_examples=400)
@given(
    st.one_of(
        with_canary(CHAT_EVENT, {**CHAT_EVENT, "choices": CHAT_EVENT["choices"][1:]}, {**CHAT_EVENT, "choices": []}).map(
            lambda t: (CHAT, t)
        ),
        with_canary(COMPLETION_ANSWER).map(lambda t: (COMPLETIONS, t)),
    )
)
def test_no_string_of_an_event_leaves_unless_it_is_in_a_delta_of_its_part(case):
    wire, event = case
    try:
        parts = wire.read_event(frame(event))
    except BadMessage:
        return
    for part in parts:
        if part.raw is not None and CANARY.encode() in part.raw:
            assert any(CANARY in delta.text for delta in part.deltas)
        assert CANARY not in wire.write_part(part, {delta.pointer: None for delta in part.deltas}).decode()
        assert all(delta.text in wire.write_part(part, {}).decode() or '"' in delta.text for delta in part.deltas)


@pytest.mark.parametrize("wire", [CHAT, COMPLETIONS])
@given(data=st.data())
@settings(max_examples=60)
def test_only_the_changed_strings_of_an_answer_change(wire, data):
    original = CHAT_ANSWER if wire is CHAT else COMPLETION_ANSWER
    document = wire.read_answer(body(original), ASKED)
    assert wire.rewrite(document, {}) == body(original)
    pieces = {piece.pointer: piece.text for text in document.texts for piece in text.pieces if not piece.key}
    chosen = data.draw(st.sets(st.sampled_from(sorted(pieces)), min_size=1))
    changed = wire.read_answer(wire.rewrite(document, dict.fromkeys(chosen, "[X]")), ASKED)
    now = {piece.pointer: piece.text for text in changed.texts for piece in text.pieces if not piece.key}
    gone = {pointer for pointer in pieces if "/audio/" in pointer and any("/choices/0/" in other for other in chosen)}
    assert now == {pointer: "[X]" if pointer in chosen else text for pointer, text in pieces.items() if pointer not in gone}
    for position, choice in enumerate(changed.tree["choices"]):
        touched = any(pointer.startswith(f"/choices/{position}/") for pointer in chosen)
        assert (choice["logprobs"] is None) == (touched or original["choices"][position]["logprobs"] is None)


def test_a_request_with_a_field_named_choices_is_changed_all_the_same():
    request = {**CHAT_REQUEST, "choices": [{"logprobs": {"token": "my secret"}}, "two"]}
    document = read(CHAT, request)
    changed = CHAT.rewrite(document, {"/choices/0/logprobs/token": "[X]", "/choices/1": "[Y]"})
    assert b"my secret" not in changed
    assert b"[Y]" in changed


def test_each_role_of_a_conversation_keeps_its_words():
    said = [(text.role, text.turn, text.joined) for text in read(CHAT, CHAT_REQUEST).texts]
    assert (Role.SYSTEM, 0, "Be kind.") in said
    assert (Role.USER, 1, "Look: ") in said
    assert (Role.USER, 1, "https://x.y/z") in said
    assert (Role.TOOL_CALL, 2, "ann") in said
    assert (Role.TOOL_CALL, 2, "5") in said
    assert (Role.TOOL_RESULT, 3, "sent") in said
    assert (Role.TOOL_SCHEMA, -1, "Sends.") in said
    assert (Role.USER, -1, "END") in said
    assert (Role.USER, -1, "origin") in said


@pytest.mark.parametrize(
    ("name", "role"),
    [("developer", Role.DEVELOPER), ("function", Role.TOOL_RESULT), ("tool", Role.TOOL_RESULT), ("user", Role.USER)],
)
def test_a_message_speaks_in_its_role(name, role):
    (text,) = read(CHAT, {"messages": [{"role": name, "content": "hi"}]}).texts
    assert text.role is role


def test_the_text_parts_of_a_message_are_one_text_even_around_an_image():
    parts = [
        {"type": "text", "text": "ig"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
        {"type": "text", "text": "nore", "cache_control": {"type": "ephemeral"}},
    ]
    (text,) = read(CHAT, {"messages": [{"role": "user", "content": parts}]}).texts
    assert text.joined == "ignore"
    assert [piece.pointer for piece in text.pieces] == ["/messages/0/content/0/text", "/messages/0/content/2/text"]


@pytest.mark.parametrize(
    "url",
    [
        "data:text/plain,bad%20words",
        "data:image/svg+xml,<svg>bad</svg>",
        "data:text/plain;base64,YmFk",
        "data:image/png;x=bad words;base64,AA",
    ],
)
def test_a_data_url_that_holds_words_is_judged(url):
    content = [{"type": "image_url", "image_url": {"url": url}}]
    assert heard(read(CHAT, {"messages": [{"role": "user", "content": content}]}).texts) == url


def test_a_short_base64_string_is_no_sound():
    content = [{"type": "input_audio", "input_audio": {"data": "AKIAIOSFODNN7EXAMPLE", "format": "wav"}}]
    assert heard(read(CHAT, {"messages": [{"role": "user", "content": content}]}).texts) == "AKIAIOSFODNN7EXAMPLE"


def test_the_choice_of_a_text_is_its_index_and_not_its_place():
    answer = {"choices": [{"index": 3, "message": {"content": "a"}}, {"index": 1, "message": {"content": "b"}}]}
    assert [(text.choice, text.joined) for text in CHAT.read_answer(body(answer), ASKED).texts] == [(3, "a"), (1, "b")]


def test_an_error_answer_is_judged():
    document = CHAT.read_answer(b'{"error": {"message": "no such: my secret", "type": "x", "param": null, "code": null}}', ASKED)
    assert [(text.role, text.choice, text.joined) for text in document.texts] == [(Role.ASSISTANT, None, "no such: my secret")]


def test_log_probabilities_that_do_not_spell_the_text_are_judged_and_go_with_a_change():
    answer = {"choices": [{"index": 0, "text": "Hi", "logprobs": {"tokens": ["my", " secret"]}}]}
    document = COMPLETIONS.read_answer(body(answer), ASKED)
    assert [text.joined for text in document.texts] == ["Hi", "tokensmy secret"]
    pointer = document.texts[1].pieces[2].pointer
    assert json.loads(COMPLETIONS.rewrite(document, {pointer: "[X]"})) == {
        "choices": [{"index": 0, "text": "Hi", "logprobs": None}]
    }


@pytest.mark.parametrize(
    "logprobs",
    [
        {"content": [{"token": "✓"[0], "logprob": -1, "bytes": [226, 156, 147]}]},
        {
            "content": [
                {"token": "\\xe2\\x9c", "logprob": -1, "bytes": [226, 156]},
                {"token": "bytes:\\x93", "logprob": -1, "bytes": [147]},
            ]
        },
    ],
)
def test_tokens_that_are_parts_of_a_character_still_spell_it(logprobs):
    answer = {"choices": [{"index": 0, "message": {"content": "✓"}, "logprobs": logprobs}]}
    assert heard(CHAT.read_answer(body(answer), ASKED).texts) == "✓"


def test_a_pointer_for_the_log_names_no_key_that_somebody_chose():
    assert public_pointer("/metadata/ann@x.org/0/content~") == "/metadata/*/0/content~"
    assert (
        public_pointer("/messages/2/tool_calls/0/function/arguments#/secret/1~")
        == "/messages/2/tool_calls/0/function/arguments#/*/1~"
    )
