"""Images, sounds and files are named wherever a format carries them, and decode strictly."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import BadMessage
from guard.formats import multipart, registry
from guard.formats.base import Document, EndOfStream, Frame
from guard.formats.mapped import MappedFormat
from guard.formats.openai_chat import OpenAIChat
from guard.formats.openai_images import OpenAIImages
from guard.formats.openai_uploads import OpenAIUploads
from guard.media import Media, data_url
from guard.policy.model import Mapped, Routes
from guard.values import Role

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
B64 = base64.b64encode(PNG).decode()
URL = f"data:image/png;base64,{B64}"
SOUND = base64.b64encode(b"RIFF" + bytes(400)).decode()


def asked(*parts: Any, role: str = "user") -> Document:
    message = {"role": role, "content": list(parts), **({"tool_call_id": "c"} if role == "tool" else {})}
    body = {"model": "m", "messages": [{"role": "system", "content": "Be kind."}, message]}
    return OpenAIChat().read_request(json.dumps(body).encode()).document


def named(document: Document) -> list[tuple[str, str, bool]]:
    return [(medium.pointer, medium.type, medium.remote) for medium in document.media]


AT = "/messages/1/content/0"


@pytest.mark.parametrize(
    ("part", "pointer", "kind", "remote"),
    [
        ({"type": "image_url", "image_url": {"url": URL}}, "/image_url/url", "image/png", False),
        ({"type": "image_url", "image_url": URL}, "/image_url", "image/png", False),
        ({"type": "image_url", "image_url": {"url": "https://x.y/a.png"}}, "/image_url/url", "image/*", True),
        ({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}, "/image_url/url", "image/*", True),
        ({"type": "image_url", "image_url": {"url": "data:text/html;base64,QUJD"}}, "/image_url/url", "image/*", False),
        ({"type": "image_url", "image_url": {"url": B64}}, "/image_url/url", "image/*", False),
        ({"type": "input_image", "image_url": URL}, "/image_url", "image/png", False),
        ({"type": "input_image", "file_id": "file-abc"}, "/file_id", "application/octet-stream", True),
        ({"type": "image", "image": URL}, "/image", "image/png", False),
        ({"type": "input_audio", "input_audio": {"data": SOUND, "format": "wav"}}, "/input_audio/data", "audio/*", False),
        ({"type": "audio_url", "audio_url": {"url": "https://x.y/a.mp3"}}, "/audio_url/url", "audio/*", True),
        ({"type": "video_url", "video_url": {"url": "https://x.y/a.mp4"}}, "/video_url/url", "video/*", True),
        ({"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QUJD"}}, "/file/file_data",
         "application/pdf", False),
        ({"type": "file", "file": {"file_data": URL.replace("image/png", "application/pdf")}}, "/file/file_data",
         "image/png", False),
        ({"type": "file", "file": {"file_id": "file-abc"}}, "/file/file_id", "application/octet-stream", True),
        ({"type": "text", "text": "no image"}, None, None, None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("role", ["user", "tool"])
def test_each_part_that_carries_something_is_named(part, pointer, kind, remote, role):
    document = asked(part, role=role)
    assert named(document) == ([] if pointer is None else [(AT + pointer, kind, remote)])
    for medium in document.media:
        assert medium.role is (Role.USER if role == "user" else Role.TOOL_RESULT)
        assert medium.turn == 1


@pytest.mark.parametrize("url", ["https://x.y/?q=my+secret", "data:image/png;base64,not base64 but words", "some words"])
def test_what_could_hold_words_is_judged_as_a_text_too(url):
    document = asked({"type": "image_url", "image_url": {"url": url}})
    assert url in [text.joined for text in document.texts]
    assert len(document.media) == 1


def test_an_inlined_image_is_no_text():
    document = asked({"type": "text", "text": "Look:"}, {"type": "image_url", "image_url": {"url": URL}})
    assert [text.joined for text in document.texts] == ["Be kind.", "Look:"]
    assert document.media[0].data() == PNG


@pytest.mark.parametrize(
    ("source", "data"),
    [
        (URL, PNG),
        (B64, PNG),
        (URL.replace("data:", "DATA:").replace("base64", "Base64"), PNG),
        ("data:image/png;charset=utf-8;base64," + B64, PNG),
        ("data:;base64," + B64, PNG),
        ("  " + URL + "\n", PNG),
        (URL.rstrip("="), PNG),
        (B64.replace("+", "-").replace("/", "_"), PNG),
        ("\r\n".join(B64[at : at + 76] for at in range(0, len(B64), 76)), PNG),
        ("data:image/png,%89PNG%0D%0A", b"\x89PNG\r\n"),
        ("data:image/png;base64,@@@@", b""),
        ("data:image/png;base64,QUJ", b"AB"),
        ("data:image/png;base64,QUJDR", b""),
        ("data:image/png;base64,QUJD=QUJD", b""),
        ("data:image/png;base64,QUI=QUJD", b""),
        ("data:image/png;base64," + B64[:40] + "!" + B64[40:], b""),
        ("", b""),
        ("\u00e4\u00f6", b""),
    ],
)
def test_a_string_decodes_strictly_or_to_nothing(source, data):
    assert Media("/a", Role.USER, "image", source).data() == data


@given(st.binary(max_size=200))
def test_whatever_was_encoded_is_decoded(data):
    assert Media("/a", Role.USER, "image", data_url(data, "image/png")).data() == data


@given(st.text(max_size=60))
def test_no_string_makes_decoding_fail(text):
    medium = Media("/a", Role.USER, "file", text)
    assert isinstance(medium.data(), bytes)
    assert medium.type
    assert isinstance(Media("/a", Role.USER, "image", "data:" + text).data(), bytes)


def test_an_answers_images_and_sounds_are_named_with_their_choice():
    message = {
        "role": "assistant",
        "content": "Here.",
        "images": [
            {"type": "image_url", "image_url": {"url": URL}},
            {"type": "image_url", "image_url": {"url": "https://x.y/z"}},
        ],
        "audio": {"id": "a", "data": SOUND, "transcript": "Here.", "expires_at": 1},
    }
    body = json.dumps({"choices": [{"index": 3, "message": message, "finish_reason": "stop"}]}).encode()
    wire = OpenAIChat()
    document = wire.read_answer(body, wire.read_request(b'{"messages":[{"role":"user","content":"x"}]}'))
    assert [(medium.kind, medium.choice, medium.remote) for medium in document.media] == [
        ("image", 3, False),
        ("image", 3, True),
        ("audio", 3, False),
    ]
    assert {medium.role for medium in document.media} == {Role.ASSISTANT}


def test_an_event_of_a_stream_names_its_images_and_has_no_delta_for_them():
    delta = {"role": "assistant", "content": "", "images": [{"type": "image_url", "image_url": {"url": URL}}]}
    data = json.dumps({"choices": [{"index": 1, "delta": delta}]})
    [part] = OpenAIChat().read_event(Frame(b"data: " + data.encode() + b"\n\n", data))
    assert [(medium.pointer, medium.choice) for medium in part.media] == [("/choices/0/delta/images/0/image_url/url", 1)]
    assert all(URL not in delta.text for delta in part.deltas)


GENERATED = {"created": 1, "data": [{"b64_json": B64, "revised_prompt": "A cat."}, {"url": "https://x.y/z.png"}]}


def test_generated_images_are_named_and_their_prompts_are_texts():
    wire = OpenAIImages()
    request = wire.read_request(json.dumps({"model": "i", "prompt": "A cat", "n": 2, "size": "1024x1024"}).encode())
    assert "A cat" in [text.joined for text in request.document.texts]
    assert request.model == "i"
    document = wire.read_answer(json.dumps(GENERATED).encode(), request)
    assert named(document) == [("/data/0/b64_json", "image/*", False), ("/data/1/url", "image/*", True)]
    assert document.media[0].data() == PNG
    assert [text.joined for text in document.texts] == ["A cat.", "https://x.y/z.png"]


def test_words_in_place_of_base64_are_judged_as_words():
    wire = OpenAIImages()
    body = json.dumps({"data": [{"b64_json": "these are words"}]}).encode()
    document = wire.read_answer(body, wire.read_request(b'{"prompt": "x"}'))
    assert [text.joined for text in document.texts] == ["these are words"]
    assert document.media[0].data() == b""


def test_an_event_of_a_streamed_image_is_named_and_keeps_its_bytes():
    data = json.dumps({"type": "image_generation.partial_image", "b64_json": B64, "partial_image_index": 0})
    frame = Frame(b"data: " + data.encode() + b"\n\n", data)
    wire = OpenAIImages()
    [part] = wire.read_event(frame)
    assert [medium.pointer for medium in part.media] == ["/b64_json"]
    assert wire.write_part(part, {}) == frame.raw
    assert isinstance(wire.read_event(Frame(b"data: [DONE]\n\n", "[DONE]")), EndOfStream)
    assert wire.read_event(Frame(b": hi\n\n", None)) == ()


@pytest.mark.parametrize("body", [b"{}", b'{"prompt": 5}', b'{"prompt": " "}', b"[]", b"x", b'{"prompt": "a", "stream": "yes"}'])
def test_a_request_for_images_without_a_prompt_is_refused(body):
    with pytest.raises(BadMessage):
        OpenAIImages().read_request(body)


def test_images_are_refused_by_an_error_in_every_mode():
    wire = OpenAIImages()
    request = wire.read_request(b'{"prompt": "a"}')
    for mode in ("message", "field", "error"):
        status, body = wire.refuse(request, "No.", mode)
        assert status == 400
        assert json.loads(body)["error"]["message"] == "No."


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/images/generations", OpenAIImages),
        ("/openai/deployments/d/images/generations", OpenAIImages),
        ("/v1/images/edits", OpenAIUploads),
        ("/v1/images/variations", OpenAIUploads),
    ],
)
def test_the_routes_of_images_are_guarded(path, kind):
    assert type(registry.for_route("POST", path, Routes())) is kind


TYPE = "multipart/form-data; boundary=XyZ"


def field(head: str, data: bytes) -> bytes:
    return b"--XyZ\r\nContent-Disposition: form-data; " + head.encode() + b"\r\n\r\n" + data + b"\r\n"


UPLOAD = (
    field('name="prompt"', "Paint it r\u00e4d".encode())
    + field('name="model"', b"i")
    + field('name="image[]"; filename="cat.png"\r\nContent-Type: image/png', PNG)
    + field('name="mask"; filename="m.png"\r\nContent-Type: image/png', b"\x89PNG mask")
    + b"--XyZ--\r\n"
)


def test_an_upload_is_read_and_written_again():
    wire = OpenAIUploads().received_as(TYPE)
    request = wire.read_request(UPLOAD)
    assert request.model == "i"
    assert [(text.pieces[0].pointer, text.joined) for text in request.document.texts] == [
        ("/0/prompt", "Paint it r\u00e4d"),
        ("/1/model", "i"),
        ("/2/image[]/filename", "cat.png"),
        ("/3/mask/filename", "m.png"),
    ]
    assert [(medium.pointer, medium.data()) for medium in request.document.media] == [
        ("/2/image[]", PNG),
        ("/3/mask", b"\x89PNG mask"),
    ]
    assert wire.rewrite(request.document, {}) == UPLOAD
    changed = wire.rewrite(request.document, {"/0/prompt": "Paint it [X]"})
    assert changed == UPLOAD.replace("Paint it r\u00e4d".encode(), b"Paint it [X]")


def test_an_edit_may_be_json_too():
    wire = OpenAIUploads().received_as("application/json")
    document = wire.read_request(json.dumps({"prompt": "x", "images": [{"image_url": URL}]}).encode()).document
    assert named(document) == [("/images/0/image_url", "image/png", False)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--XyZ--\r\n",
        b"preamble\r\n" + UPLOAD,
        UPLOAD + b"epilogue",
        UPLOAD[:-8],
        UPLOAD.replace(b"--XyZ\r\n", b"--XyZ \r\n", 1),
        UPLOAD.replace(b"\r\n", b"\n"),
        UPLOAD.replace(b"form-data; name=", b"attachment; name=", 1),
        UPLOAD.replace(b'filename="cat.png"', b"filename*=utf-8''cat.png"),
        UPLOAD.replace(b'name="prompt"', b'name="prompt"; name="model"'),
        UPLOAD.replace(b'name="prompt"', b'name="prompt"\r\nContent-Disposition: form-data; name="model"'),
        UPLOAD.replace(b'name="prompt"', b'name="prompt"\r\nContent-Transfer-Encoding: base64'),
        UPLOAD.replace(b'name="prompt"', b'name="prompt"\r\nContent-Type: text/plain; charset=utf-7'),
        UPLOAD.replace(b'name="prompt"', b'name="prompt"\r\n folded'),
        UPLOAD.replace("r\u00e4d".encode(), b"r\xe4d"),
        field('name="prompt"', b"x") + b"--XyZ--\r\n",
        field('name="stream"', b"perhaps") + UPLOAD,
        field('name="a"', b"x") * 65 + UPLOAD,
    ],
)
def test_an_upload_that_is_not_to_the_letter_is_refused(body):
    with pytest.raises(BadMessage):
        OpenAIUploads().received_as(TYPE).read_request(body)


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data",
        "multipart/mixed; boundary=a",
        f"{TYPE}; charset=utf-16",
        "multipart/form-data; boundary=",
        "text/plain",
    ],
)
def test_an_upload_of_another_type_is_refused(kind):
    with pytest.raises(BadMessage) as raised:
        OpenAIUploads().received_as(kind)
    assert raised.value.status == 415


@given(st.lists(st.tuples(st.sampled_from(["prompt", "image", "a"]), st.binary(max_size=40)), min_size=1, max_size=5))
def test_what_is_written_is_read_again(fields):
    if any(b"--XyZ" in data for _, data in fields):
        return
    body = b"".join(field(f'name="{name}"; filename="f"', data) for name, data in fields) + b"--XyZ--\r\n"
    read = multipart.read(body, b"XyZ")
    assert [(each.name, each.data) for each in read] == fields
    assert multipart.write(read, b"XyZ") == body


def test_no_change_may_write_a_boundary():
    fields = multipart.read(UPLOAD, b"XyZ")
    with pytest.raises(BadMessage):
        multipart.write([multipart.with_text(fields[0], "\r\n--XyZ\r\nmore")], b"XyZ")


ROUTE = Mapped("/paint", ("prompt",), (), media=("images[*]", "init", "$"))


def test_a_mapped_route_names_images_in_requests_and_answers():
    wire = MappedFormat(ROUTE)
    request = wire.read_request(json.dumps({"prompt": "A cat", "init": B64}).encode())
    assert [text.joined for text in request.document.texts] == ["A cat"]
    assert named(request.document) == [("/init", "image/*", False)]
    document = wire.read_answer(json.dumps({"images": [B64, URL, "https://x.y/z", "words here"]}).encode(), request)
    assert [medium.remote for medium in document.media] == [False, False, True, False]
    assert [text.joined for text in document.texts] == ["https://x.y/z", "words here"]
    data = json.dumps({"images": [B64]})
    [part] = wire.read_event(Frame(b"data: " + data.encode() + b"\n\n", data))
    assert [medium.pointer for medium in part.media] == ["/images/0"]
    assert part.deltas == ()


def test_a_body_that_is_an_image_is_one_where_the_policy_says_so():
    wire = MappedFormat(ROUTE)
    document = wire.read_media(PNG, "image/png")
    assert document is not None
    assert [(medium.pointer, medium.type, medium.data()) for medium in document.media] == [("", "image/png", PNG)]
    assert wire.read_media(PNG, "text/html") is None
    uploaded = wire.received_as("image/png").read_request(PNG).document
    assert uploaded.media[0].role is Role.USER
    assert uploaded.raw == PNG
    silent = MappedFormat(Mapped("/paint", ("prompt",), ("text",)))
    assert silent.read_media(PNG, "image/png") is None
    with pytest.raises(BadMessage):
        silent.received_as("image/png")


def test_other_formats_know_no_bodies_that_are_images():
    assert OpenAIChat().read_media(PNG, "image/png") is None
    assert OpenAIImages().read_media(PNG, "image/png") is None
