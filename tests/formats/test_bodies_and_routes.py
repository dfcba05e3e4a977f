import gzip
import json
import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import ModerationCreateResponse

from guard.categories import OPENAI
from guard.errors import BadMessage
from guard.formats import encoding, moderations, registry
from guard.policy.model import Mapped, Routes

ROUTES = Routes(mapped=(Mapped("/generate", ("inputs",), ("generated_text",)), Mapped("/models/*/ask", ("q",), ("a",))))


def name_of(method, path, routes=ROUTES):
    wire = registry.for_route(method, path, routes)
    return wire.name if wire else None


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", "/v1/chat/completions", "openai-chat"),
        ("POST", "/openai/v1/chat/completions", "openai-chat"),
        ("POST", "/openai/deployments/gpt/chat/completions", "openai-chat"),
        ("POST", "/v1/completions", "openai-completions"),
        ("POST", "/generate", "mapped:/generate"),
        ("POST", "/models/a/ask", "mapped:/models/*/ask"),
        ("POST", "/models/a/b/ask", None),
        ("GET", "/v1/chat/completions", None),
        ("POST", "/v1/chat/completions/x", None),
        ("POST", "/todo/completions", None),
        ("POST", "/v1/embeddings", None),
        ("POST", "/", None),
    ],
)
def test_a_route_has_the_format_that_its_end_names(method, path, name):
    assert name_of(method, path) == name


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions/",
        "//v1//chat///completions",
        "/V1/Chat/Completions",
        "/v1/x/../chat/completions",
        "/v1/./chat/completions",
        "/v1/chat%2Fcompletions",
        "/v1/chat%252Fcompletions",
        "/v1/%63hat/completions",
        "/v1\\chat\\completions",
        "/v1/chat;a=b/completions",
        "/v1/chat/completions?x=/v1/models",
        "/v1/models/..%2fchat/completions",
    ],
)
def test_an_odd_spelling_of_a_guarded_path_is_guarded_and_never_free(path):
    assert name_of("POST", path) == "openai-chat"
    assert name_of("post", path) == "openai-chat"
    assert not registry.is_free("POST", path, Routes(allow=("POST /v1/chat/completions", "POST /v1/models/*")))


@pytest.mark.parametrize(
    ("method", "path", "free"),
    [
        ("GET", "/v1/models", True),
        ("HEAD", "/v1/models", True),
        ("GET", "/v1/models/gpt-4o", True),
        ("GET", "/v1/models/GPT-4o", True),
        ("POST", "/v1/models", False),
        ("GET", "/v1/models/", False),
        ("GET", "//v1/models", False),
        ("GET", "/v1/models/a/b", False),
        ("GET", "/v1/models/..", False),
        ("GET", "/v1/models/../files", False),
        ("GET", "/v1/models/%2e%2e", False),
        ("GET", "/v1/models/a%2Fb", False),
        ("GET", "/V1/models", False),
        ("GET", "v1/models", False),
        ("GET", "/", False),
        ("GET", "", False),
    ],
)
def test_a_route_is_free_only_in_its_plain_spelling(method, path, free):
    assert registry.is_free(method, path, ROUTES) is free


def test_the_root_can_be_free():
    assert registry.is_free("GET", "/", Routes(allow=("GET /",)))


@given(st.text(alphabet="/v1chatompleins.%2fF\\;?#", max_size=40))
def test_no_path_breaks_the_table(path):
    if registry.for_route("POST", path, ROUTES) is not None:
        assert not registry.is_free("POST", path, ROUTES)


@pytest.mark.parametrize(
    "value", ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"', "application/json; x=y"]
)
def test_json_in_utf8_is_accepted(value):
    encoding.check_json_type(value)


@pytest.mark.parametrize(
    "value", ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "application/jsonx"]
)
def test_another_content_type_is_refused(value):
    with pytest.raises(BadMessage) as caught:
        encoding.check_json_type(value)
    assert caught.value.status == 415


@given(st.binary(max_size=3000), st.lists(st.integers(0, 60), max_size=5))
def test_a_body_in_gzip_is_decoded_whole_and_in_pieces(body, cuts):
    half = len(body) // 2
    for packed, name in ((gzip.compress(body), "GZIP"), (gzip.compress(body[:half]) + gzip.compress(body[half:]), "x-gzip")):
        assert encoding.decoded(packed, name, 3000) == body
        edges = [0, *sorted(cuts), len(packed)]
        inflater = encoding.Inflater(name, 3000)
        pieces = [inflater.feed(packed[start:end]) for start, end in pairwise(edges)]
        assert b"".join(pieces) + inflater.end() == body


def test_an_answer_may_come_deflated_and_a_request_may_not():
    packed = zlib.compress(b"{}")
    assert encoding.decoded(packed, "deflate", 10, encoding.ANSWER_ENCODINGS) == b"{}"
    with pytest.raises(BadMessage) as caught:
        encoding.decoded(packed, "deflate", 10)
    assert caught.value.status == 415


@pytest.mark.parametrize("name", ["br", "zstd", "gzip, gzip", "gzip, identity", "x"])
def test_another_encoding_is_refused(name):
    with pytest.raises(BadMessage) as caught:
        encoding.decoded(gzip.compress(b"{}"), name, 10)
    assert (caught.value.status, caught.value.code) == (415, "unsupported_encoding")


@pytest.mark.parametrize("body", [b"{}", gzip.compress(b"{}")[:-1], gzip.compress(b"{}")[:5], gzip.compress(b"{}") + b"x"])
def test_a_body_that_is_not_what_it_says_is_refused(body):
    with pytest.raises(BadMessage) as caught:
        encoding.decoded(body, "gzip", 100)
    assert (caught.value.status, caught.value.code) == (400, "invalid_encoding")


@pytest.mark.parametrize("name", ["", "identity"])
def test_a_body_beyond_the_limit_is_refused(name):
    assert encoding.decoded(b"x" * 10, name, 10) == b"x" * 10
    with pytest.raises(BadMessage) as caught:
        encoding.decoded(b"x" * 11, name, 10)
    assert caught.value.status == 413


@pytest.mark.parametrize("size", [10**6, 10**6 + 1, 5 * 10**8])
def test_a_bomb_is_refused_long_before_it_is_unpacked(size):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(b"0" * min(10**6, size - done)) for done in range(0, size, 10**6)) + packer.flush()
    if size == 10**6:
        assert len(encoding.decoded(bomb, "gzip", 10**6)) == size
        return
    with pytest.raises(BadMessage) as caught:
        encoding.decoded(bomb, "gzip", 10**6)
    assert caught.value.status == 413


@pytest.mark.parametrize(
    ("given_input", "texts"),
    [
        ("hi", ("hi",)),
        ("", ("",)),
        (["a", "b"], ("a", "b")),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], ("ab",)),
    ],
)
def test_each_form_of_a_moderations_input_is_read(given_input, texts):
    assert moderations.read_request(json.dumps({"input": given_input}).encode()).texts == texts


@pytest.mark.parametrize(
    ("given_input", "says"),
    [
        (None, "input: expected a string"),
        ([], "got an empty list"),
        (5, "got a number"),
        ([1, 2], "token ids"),
        ([{"type": "image_url", "image_url": {"url": "x"}}], "images are not judged in this version"),
        ([{"type": "odd"}], 'expected "text"'),
        (["a", {"type": "text", "text": "b"}], "input[0]: expected an object"),
        ([{"type": "text"}], "input[0].text: expected a string, got null"),
    ],
)
def test_an_input_that_cannot_be_judged_is_refused(given_input, says):
    with pytest.raises(BadMessage) as caught:
        moderations.read_request(json.dumps({"input": given_input}).encode())
    assert says in str(caught.value)


def test_the_answer_to_moderations_is_one_that_openais_client_reads():
    request = moderations.read_request(b'{"input": ["a", "b"], "model": "omni-moderation-latest"}')
    body = moderations.answer(request, [{"hate": 0.5, "profanity": 0.2}, {"violence": 0.4}], {"violence": 0.4, "profanity": 0.3})
    answer = ModerationCreateResponse.model_validate_json(body)
    first, second = answer.results
    assert answer.id.startswith("modr-")
    assert answer.model == "omni-moderation-latest"
    assert (first.flagged, first.categories.hate, first.category_scores.hate) == (True, True, 0.5)
    assert (second.flagged, second.categories.violence) == (True, True)
    plain = json.loads(body)["results"][0]
    assert plain["categories"].keys() == plain["category_scores"].keys() == {*OPENAI, "profanity"}
    assert plain["categories"]["profanity"] is False
    assert set(plain["category_applied_input_types"]) >= set(OPENAI)


def test_a_text_without_findings_is_not_flagged():
    result = json.loads(moderations.answer(moderations.ModerationRequest(("a",)), [{}], {"hate": 0.0}))["results"][0]
    assert result["flagged"] is False
    assert set(result["categories"]) == set(OPENAI)
