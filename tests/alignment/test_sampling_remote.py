"""Answers of a model behind an OpenAI-compatible server."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from servers import body_of, served

from alignment.models.generators import RemoteGenerator
from alignment.models.sampling import Progress, Sampling
from guard.errors import TenetError

PROMPTS = [[{"role": "user", "content": f"question {number}"}] for number in range(5)]


class Server:
    """A chat server that answers what it is told to; None ends the connection with 503."""

    def __init__(self, answer: Callable[[dict[str, Any]], str | int | None]) -> None:
        self.answer = answer
        self.seen: list[dict[str, Any]] = []
        self.headers: list[dict[bytes, bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = await body_of(scope, receive, send)
        if body is None:
            return
        asked = json.loads(body)
        self.seen.append(asked)
        self.headers.append(dict(scope["headers"]))
        said = self.answer(asked)
        status = said if isinstance(said, int) else 503 if said is None else 200
        choice = {"message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        answer = {"choices": [choice], "usage": {"completion_tokens": 3}} if status == 200 else {"error": "canary"}
        headers = [(b"content-type", b"application/json"), (b"retry-after", b"0")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


@contextmanager
def asking(answer: Callable[[dict[str, Any]], str | int | None], **options: Any) -> Iterator[tuple[RemoteGenerator, Server]]:
    server = Server(answer)
    with served(server) as url:
        yield RemoteGenerator(f"{url}/v1", "large", **options), server


def last(asked: dict[str, Any]) -> str:
    return str(asked["messages"][-1]["content"])


def test_answers_come_in_the_order_of_the_prompts() -> None:
    told: list[Progress] = []
    with asking(lambda asked: f"{last(asked)} {asked['seed']}") as (generator, server):
        found = generator.answers(
            PROMPTS, Sampling(answers=2, batch=3, max_new_tokens=7, temperature=0.5, stop=("x",)), told.append
        )
        again = generator.answers(PROMPTS, Sampling(answers=2, batch=3, max_new_tokens=7, temperature=0.5, stop=("x",)))
    assert [[text.rpartition(" ")[0] for text in texts] for texts in found] == [[f"question {n}"] * 2 for n in range(5)]
    assert found == again
    assert len({text for texts in found for text in texts}) == 10
    assert {(each["max_tokens"], each["temperature"], each["stop"][0], each["model"]) for each in server.seen} == {
        (7, 0.5, "x", "large")
    }
    assert told[-1].done == told[-1].wanted == 10
    assert told[-1].tokens == 30


def test_a_passing_failure_is_asked_again() -> None:
    lock, failed = threading.Lock(), set()

    def answer(asked: dict[str, Any]) -> str | None:
        with lock:
            first = last(asked) not in failed
            failed.add(last(asked))
        return None if first else "yes"

    with asking(answer) as (generator, server):
        assert generator.answers(PROMPTS, Sampling(batch=2)) == [["yes"]] * 5
    assert len(server.seen) == 10


def test_a_server_that_refuses_is_named_and_nothing_that_it_said() -> None:
    with asking(lambda _asked: 401) as (generator, _), pytest.raises(TenetError) as caught:
        generator.answers(PROMPTS, Sampling())
    assert "large at 127.0.0.1" in str(caught.value)
    assert "answered 401" in str(caught.value)
    assert "canary" not in str(caught.value)
    assert "question" not in str(caught.value)


def test_a_server_that_goes_on_failing_is_given_up() -> None:
    with asking(lambda _asked: None, tries=2) as (generator, server), pytest.raises(TenetError, match="in 2 tries"):
        generator.answers(PROMPTS[:1], Sampling())
    assert len(server.seen) == 2


def test_when_the_time_is_over_what_came_is_returned_and_it_is_said() -> None:
    wait = threading.Event()
    told: list[Progress] = []

    def answer(asked: dict[str, Any]) -> str:
        if "0" not in last(asked):
            wait.wait(5)
        return "yes"

    try:
        with asking(answer) as (generator, _):
            found = generator.answers(PROMPTS, Sampling(batch=1, seconds=0.5), told.append)
            wait.set()
    finally:
        wait.set()
    assert found == [["yes"], [], [], [], []]
    assert told[-1].out_of_time


def test_a_key_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRITIC_KEY", "secret-key")
    with asking(lambda _asked: "yes", key_env="CRITIC_KEY") as (generator, server):
        generator.answers(PROMPTS[:1], Sampling())
    assert server.headers[0][b"authorization"] == b"Bearer secret-key"
