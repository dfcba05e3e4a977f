"""The demo's generator, driven as an ASGI application and checked against the types of OpenAI's client."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Completion, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from starlette.applications import Starlette

from guard.demo import demo_app
from guard.demo.generator import DemoGenerator, Sampling, Token
from guard.demo.language import LanguageModel
from guard.demo.release import release
from guard.demo.sampling import choose
from guard.demo.tokens import tokenize

BREAD = [{"role": "user", "content": "Tell me about bread."}]


@pytest.fixture(scope="module")
def app() -> Starlette:
    return demo_app()


def send(app: Starlette, path: str, body: Any = None) -> tuple[int, list[bytes]]:
    """Return the status and the body's pieces, each as the application sent it."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET" if body is None else "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    sent: list[dict[str, Any]] = []
    requests = iter([{"type": "http.request", "body": b"" if body is None else raw, "more_body": False}])

    async def receive() -> dict[str, Any]:
        message = next(requests, None)
        return message if message else await asyncio.Event().wait()  # type: ignore[return-value]

    async def collect(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, collect))  # type: ignore[arg-type]
    return sent[0]["status"], [message["body"] for message in sent[1:] if message.get("body")]


def chat(app: Starlette, messages: Sequence[Mapping[str, Any]] = BREAD, **options: Any) -> ChatCompletion:
    status, pieces = send(app, "/v1/chat/completions", {"messages": messages, **options})
    assert status == 200, pieces
    return ChatCompletion.model_validate_json(b"".join(pieces), strict=True)


def complete(app: Starlette, prompt: Any, **options: Any) -> Completion:
    status, pieces = send(app, "/v1/completions", {"prompt": prompt, **options})
    assert status == 200, pieces
    return Completion.model_validate_json(b"".join(pieces), strict=True)


def stream(app: Starlette, messages: Sequence[Mapping[str, Any]] = BREAD, **options: Any) -> list[ChatCompletionChunk]:
    status, pieces = send(app, "/v1/chat/completions", {"messages": messages, "stream": True, **options})
    assert status == 200
    assert pieces.pop() == b"data: [DONE]\n\n"
    return [ChatCompletionChunk.model_validate_json(piece.removeprefix(b"data: "), strict=True) for piece in pieces]


def repeat(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": f"Repeat: {text}"}]


def text_of(answer: ChatCompletion) -> str:
    content = answer.choices[0].message.content
    assert content is not None
    return content


def test_an_answer_is_about_what_was_asked(app: Starlette) -> None:
    assert "bread" in text_of(chat(app, temperature=0)).lower()
    assert "moon" in text_of(chat(app, [{"role": "user", "content": "what is the MOON made of"}], temperature=0)).lower()


def test_the_last_user_message_is_answered_whatever_its_shape(app: Starlette) -> None:
    parts = [
        {"type": "text", "text": "Repeat: one "},
        {"type": "image_url", "image_url": {"url": "x"}},
        {"type": "text", "text": "two"},
    ]
    messages: list[dict[str, Any]] = [
        *BREAD,
        {"role": "assistant", "content": None},
        {"role": "user", "content": parts},
        {"role": "system", "content": "be kind"},
    ]
    assert text_of(chat(app, messages)) == "one two"


@pytest.mark.parametrize("command", ["Repeat: ", "Repeat after me: ", "Say:", "  please say:\n", "REPEAT :"])
def test_a_text_is_repeated_word_for_word(app: Starlette, command: str) -> None:
    text = 'my key is AKIAIOSFODNN7EXAMPLE,\n\n"naïve" 😀 — mail a.b@example.org  now '
    assert text_of(chat(app, [{"role": "user", "content": command + text}])) == text
    assert complete(app, command + text).choices[0].text == text


def test_a_repeated_text_streams_token_by_token(app: Starlette) -> None:
    contents = [chunk.choices[0].delta.content for chunk in stream(app, repeat("call 555-0199 today"))]
    assert contents == ["", "call", " 555", "-", "019", "9", " today", None]


@given(st.text())
def test_tokens_lose_nothing(text: str) -> None:
    tokens = tokenize(text)
    assert "".join(tokens) == text
    assert "" not in tokens


def test_temperature_zero_gives_the_same_answer_every_time(app: Starlette) -> None:
    answers = [text_of(chat(app, temperature=0)) for _ in range(3)]
    assert len(set(answers)) == 1
    assert text_of(chat(app, temperature=0, seed=5)) == answers[0]


def test_a_seed_makes_an_answer_reproducible(app: Starlette) -> None:
    assert text_of(chat(app, temperature=1.5, seed=7)) == text_of(chat(app, temperature=1.5, seed=7))
    assert len({text_of(chat(app, temperature=1.5, seed=seed)) for seed in (-1, 0, 1, 2, 2**40)}) > 1
    assert len({text_of(chat(app, temperature=1.5)) for _ in range(5)}) > 1


def test_a_small_top_p_makes_answers_less_varied(app: Starlette) -> None:
    def different(top_p: float) -> int:
        return len({text_of(chat(app, temperature=2, top_p=top_p, seed=seed, max_tokens=20)) for seed in range(12)})

    assert different(0.01) == 1
    assert different(1.0) > 6


def test_streamed_and_whole_answers_are_the_same_text(app: Starlette) -> None:
    chunks = stream(app, seed=3, temperature=1)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == text_of(chat(app, seed=3, temperature=1))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks[-2:]] == [None, "stop"]
    assert len({chunk.id for chunk in chunks}) == 1


def test_max_tokens_ends_an_answer_for_its_length(app: Starlette) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        answer = chat(app, repeat("one two three four"), **{name: 2})
        assert (text_of(answer), answer.choices[0].finish_reason) == ("one two", "length")
    assert chat(app, repeat("one two"), max_tokens=2).choices[0].finish_reason == "stop"


@pytest.mark.parametrize("stop", ["-end-", ["never", "-end-"]])
def test_an_answer_ends_before_a_stop_sequence(app: Starlette, stop: str | list[str]) -> None:
    messages = repeat("a -en -end- of it")
    answer = chat(app, messages, stop=stop)
    assert (text_of(answer), answer.choices[0].finish_reason) == ("a -en ", "stop")
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream(app, messages, stop=stop)) == "a -en "


@given(st.lists(st.text("ab", min_size=1, max_size=4), max_size=12), st.lists(st.text("ab", min_size=1, max_size=4), max_size=3))
def test_what_is_released_is_the_text_before_the_first_stop(pieces: list[str], stops: list[str]) -> None:
    text = "".join(pieces)
    borders = [0, *itertools.accumulate(map(len, pieces))]
    tokens = [Token(piece, start) for piece, start in zip(pieces, borders, strict=False)]
    noticed = next((end for end in borders if any(stop in text[:end] for stop in stops)), None)
    expected = text if noticed is None else text[: min(text[:noticed].find(stop) for stop in stops if stop in text[:noticed])]
    assert "".join(token.text for step in release(tokens, stops, None) for token in step.tokens) == expected


def test_choices_are_drawn_each_for_itself_and_interleaved(app: Starlette) -> None:
    answer = chat(app, n=3, seed=1, temperature=1.5)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in answer.choices}) > 1
    chunks = stream(app, n=3, seed=1, temperature=1.5)
    for choice in answer.choices:
        own = [chunk.choices[0] for chunk in chunks if chunk.choices[0].index == choice.index]
        assert "".join(piece.delta.content or "" for piece in own) == choice.message.content
    assert [chunk.choices[0].index for chunk in chunks[:6]] == [0, 1, 2, 0, 1, 2]


def test_usage_counts_the_tokens_of_prompt_and_answers(app: Starlette) -> None:
    messages = [{"role": "system", "content": "Be kind."}, *repeat("one two three")]
    usage = chat(app, messages, n=2).usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (3 + 5, 6, 14)


def test_a_stream_tells_usage_only_when_asked(app: Starlette) -> None:
    asked = stream(app, repeat("one two three"), stream_options={"include_usage": True})
    assert asked[-1].choices == []
    assert asked[-1].usage is not None
    assert asked[-1].usage.completion_tokens == 3
    assert all(chunk.usage is None for chunk in asked[:-1])
    assert all(chunk.usage is None and chunk.choices for chunk in stream(app, repeat("one two three")))


def test_logprobs_name_the_likeliest_tokens(app: Starlette) -> None:
    logprobs = chat(app, temperature=0, logprobs=True, top_logprobs=3).choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content
    for entry in logprobs.content:
        assert entry.token == entry.top_logprobs[0].token
        assert entry.logprob == pytest.approx(entry.top_logprobs[0].logprob)
        assert len(entry.top_logprobs) == 3
        assert sum(np.exp(other.logprob) for other in entry.top_logprobs) <= 1 + 1e-9
    streamed = [piece.choices[0].logprobs for piece in stream(app, temperature=0, logprobs=True, top_logprobs=3)]
    assert [entry for part in streamed if part for entry in part.content or []] == logprobs.content
    assert chat(app).choices[0].logprobs is None


def test_completions_continue_each_prompt(app: Starlette) -> None:
    answer = complete(app, ["The first lighthouses were", "Repeat: yes"], temperature=0, logprobs=1, max_tokens=6)
    assert answer.choices[0].text == " fires of wood on a hill"
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert answer.choices[1].text == "yes"
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.tokens == [" fires", " of", " wood", " on", " a", " hill"]
    assert logprobs.text_offset == [0, 6, 9, 14, 17, 19]


def test_completions_stream_too(app: Starlette) -> None:
    status, pieces = send(app, "/v1/completions", {"prompt": "Say: one two", "stream": True})
    assert (status, pieces.pop()) == (200, b"data: [DONE]\n\n")
    choices = [json.loads(piece.removeprefix(b"data: "))["choices"][0] for piece in pieces]
    assert [(choice["text"], choice["finish_reason"]) for choice in choices] == [("one", None), (" two", None), ("", "stop")]


def test_the_model_is_listed(app: Starlette) -> None:
    status, pieces = send(app, "/v1/models")
    assert status == 200
    assert [Model.model_validate(model).id for model in json.loads(b"".join(pieces))["data"]] == ["tenet-demo"]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff",
        b"[]",
        b"{}",
        b'{"messages": []}',
        b'{"messages": [{"role": "user", "content": 5}]}',
        b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"messages": [{"role": "user", "content": "hi"}], "temperature": 3}',
        b'{"messages": [{"role": "user", "content": "hi"}], "temperature": NaN}',
        b'{"messages": [{"role": "user", "content": "hi"}], "max_tokens": 0}',
        b'{"messages": [{"role": "user", "content": "hi"}], "n": 1000}',
        b'{"messages": [{"role": "user", "content": "hi"}], "stop": ""}',
        b'{"x": ' + b"[" * 100_000,
    ],
)
def test_a_bad_request_gets_an_openai_error(app: Starlette, body: bytes) -> None:
    status, pieces = send(app, "/v1/chat/completions", body)
    assert status == 400
    error = json.loads(b"".join(pieces))["error"]
    assert error["type"] == "invalid_request_error"
    assert error["message"]


def test_an_unknown_route_gets_an_openai_error(app: Starlette) -> None:
    status, pieces = send(app, "/v1/unknown")
    assert (status, json.loads(b"".join(pieces))["error"]["code"]) == (404, "not_found")


def test_probabilities_are_positive_and_sum_to_one() -> None:
    model = LanguageModel([[0, 1, 2, 1, 2, 3], [0, 2]], size=5, order=3)
    for context in ([], [0], [1, 2], [4, 4], [-2], [0, 1, 2, 1, 2]):
        probabilities = model.next(context)
        assert probabilities.min() > 0
        assert probabilities.sum() == pytest.approx(1)
    assert model.next([1]).argmax() == 2
    assert model.next([]).argmax() == 0


def test_a_language_model_follows_its_text_more_than_chance() -> None:
    def surprise(text: str) -> float:
        scored = list(generator.continuation(text, Sampling(temperature=0)))[:30]
        return float(np.mean([token.logprob for token in scored]))

    generator = DemoGenerator.shipped()
    assert surprise("Bread is made from") > np.log(1 / 20)


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=8), st.floats(0.1, 2), st.floats(0, 1), st.integers(0, 100))
def test_only_tokens_of_the_nucleus_are_drawn(weights: list[float], temperature: float, top_p: float, seed: int) -> None:
    probabilities = np.array(weights) / sum(weights)
    drawn = choose(probabilities, temperature, top_p, np.random.default_rng(seed))
    tempered = probabilities ** (1 / temperature)
    likelier = tempered[tempered > tempered[drawn]].sum() / tempered.sum()
    assert likelier <= top_p + 1e-9
    assert choose(probabilities, 0, 1, np.random.default_rng(seed)) == probabilities.argmax()


def test_draws_follow_the_probabilities() -> None:
    chance = np.random.default_rng(0)
    counts = np.bincount([choose(np.array([0.5, 0.2, 0.3]), 1, 1, chance) for _ in range(4000)], minlength=3)
    assert counts / 4000 == pytest.approx([0.5, 0.2, 0.3], abs=0.03)


def test_an_answer_is_drawn_no_further_than_it_is_read() -> None:
    def endless() -> Iterator[Token]:
        while True:
            yield Token("x", 0)

    assert next(release(endless(), ["y"], None)).tokens == (Token("x", 0),)
