import json

import pytest

from guard.errors import BadMessage, PolicyError
from guard.formats import selectors
from guard.formats.base import Frame
from guard.formats.mapped import MappedFormat
from guard.policy.model import Mapped
from guard.values import Role

TGI = Mapped("/generate", ("inputs",), ("generated_text", "token.text", "[*].generated_text"))
TREE = {"a": {"b": [{"c": "x"}, {"c": "y"}]}, "odd key": "z", "n": 5}


def format_of(other="judge", **more):
    return MappedFormat(Mapped(TGI.path, TGI.input, TGI.output, other), **more)


def asked(wire):
    return wire.read_request(b'{"inputs": "hi"}')


def frame(tree, *, lines=False):
    data = json.dumps(tree)
    return Frame(f"{data}\n".encode() if lines else f"data: {data}\n\n".encode(), data)


def joined(document):
    return [text.joined for text in document.texts]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("a.b[0].c", [("/a/b/0/c", "x")]),
        ("$.a.b[*].c", [("/a/b/0/c", "x"), ("/a/b/1/c", "y")]),
        ('$["odd key"]', [("/odd key", "z")]),
        ("a.b[7].c", []),
        ("a.nothing", []),
        ("a[0]", []),
        ("$", [("", TREE)]),
    ],
)
def test_a_selector_names_places_in_json(source, found):
    assert list(selectors.select(TREE, selectors.parse(source))) == found


@pytest.mark.parametrize(
    ("source", "column"), [("a..b", 2), ("a[", 2), ("a b", 2), (".a", 1), ("a[-1]", 2), ("a[*]b", 5), ("a[1000]", 2)]
)
def test_a_selector_that_makes_no_sense_says_where(source, column):
    with pytest.raises(PolicyError) as caught:
        selectors.parse(source)
    assert caught.value.problems[0].column == column


@pytest.mark.parametrize("source", ["a", "a.b[*].c", "[2].x", '["odd key"]', "$"])
def test_the_document_built_for_a_selector_has_the_text_there(source):
    selector = selectors.parse(source)
    assert [value for _, value in selectors.select(selectors.build(selector, "text"), selector)] == ["text"]


def test_selected_texts_are_the_users_and_the_assistants_words():
    wire = format_of()
    request = wire.read_request(b'{"inputs": "hi", "model": "m", "stream": true, "parameters": {"stop": ["end"], "odd": 1}}')
    assert [(text.role, text.joined, text.pieces[0].key) for text in request.document.texts] == [
        (Role.USER, "hi", False),
        (Role.USER, "end", False),
        (Role.USER, "odd", True),
    ]
    assert (request.model, request.stream) == ("m", True)
    answer = wire.read_answer(b'[{"generated_text": "yes"}]', request)
    assert [(text.role, text.choice, text.joined) for text in answer.texts] == [(Role.ASSISTANT, None, "yes")]
    assert wire.rewrite(answer, {}) == b'[{"generated_text": "yes"}]'
    assert wire.rewrite(answer, {"/0/generated_text": "no"}) == b'[{"generated_text":"no"}]'


def test_other_strings_are_judged_dropped_or_passed_as_the_policy_says():
    body = b'{"inputs": "hi", "note": "two words", "model": "m", "list": ["x y"]}'
    judged, dropped, passed = (format_of(other).read_request(body).document for other in ("judge", "drop", "pass"))
    assert joined(judged) == ["hi", "note", "two words", "list", "x y"]
    assert joined(dropped) == ["hi", "note", "list"]
    assert json.loads(dropped.raw) == {"inputs": "hi", "model": "m", "list": [""]}
    assert joined(passed) == ["hi"]
    assert passed.raw == body


def test_an_answer_without_the_selected_text_is_judged_whole_even_if_other_strings_pass():
    wire = format_of("pass")
    assert joined(wire.read_answer(b'{"error": "my secret"}', asked(wire))) == ["my secret"]


def test_a_request_in_which_no_selector_finds_anything_is_refused():
    with pytest.raises(BadMessage, match="expected one of inputs"):
        format_of("pass").read_request(b'{"input": "hi"}')


def test_a_selected_object_is_judged_below():
    wire = MappedFormat(Mapped("/x", ("input",), ("output",), "pass"))
    assert joined(wire.read_request(b'{"input": {"who": "ann", "list": ["a b"]}}').document) == ["who", "ann", "list", "a b"]


@pytest.mark.parametrize("lines", [False, True])
def test_events_are_judged_and_leave_in_their_own_framing(lines):
    wire = format_of(lines=lines)
    given = frame({"token": {"id": 5, "text": " hi", "special": False}, "details": None}, lines=lines)
    (part,) = wire.read_event(given)
    assert [(delta.track, delta.text) for delta in part.deltas] == [("token/text", " hi")]
    assert wire.write_part(part, {}) == given.raw
    changed = wire.write_part(part, {"/token/text": "[X]"})
    (again,) = wire.framing(1000).feed(changed)
    assert json.loads(again.data)["token"]["text"] == "[X]"
    refusal = wire.refuse_stream(asked(wire), part, 0, "No.", "message", started=False)
    assert json.loads(wire.framing(1000).feed(refusal)[0].data) == {"token": {"text": "No."}}
    assert json.loads(wire.framing(1000).feed(wire.stream_error("broke", code="x"))[0].data)["error"]["message"] == "broke"


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("other", ["judge", "drop"])
def test_unknown_keys_and_dropped_strings_do_not_leave_a_stream(other, lines):
    wire = format_of(other, lines=lines)
    (part,) = wire.read_event(frame({"token": {"text": "hi"}, "my secret": 1, "name": "two words"}, lines=lines))
    out = wire.write_part(part, {}).decode()
    assert "my secret" not in out
    assert ("two words" in out) == (other == "judge") == any(delta.text == "two words" for delta in part.deltas)
    assert len(wire.framing(1000).feed(out.encode())) == 1


def test_the_content_type_of_a_stream_says_how_it_is_framed():
    wire = format_of()
    assert wire.streamed_as("text/event-stream; charset=utf-8") is wire
    lines = wire.streamed_as("application/x-ndjson; charset=utf-8")
    assert lines.media_type == "application/x-ndjson"
    assert lines.heartbeat() == b""


def test_a_refusal_has_the_shape_of_the_answer():
    wire = format_of()
    assert wire.refuse(asked(wire), "No.", "message") == (200, b'{"generated_text":"No."}')
    assert wire.refuse(asked(wire), "No.", "field") == (200, b'{"generated_text":""}')
    assert wire.refuse(asked(wire), "No.", "error")[0] == 400
