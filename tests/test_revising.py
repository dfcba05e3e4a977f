"""`action: revise`: answers and prompts rewritten by a principle, judged again, refused where that does not suffice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from servers import body_of, chunk, completion, served, stream_of

from guard.detectors.registry import kinds
from guard.engine import Guard, wrap
from guard.errors import Blocked, PolicyError
from guard.middleware import GuardMiddleware
from guard.policy.load import loads
from guard.ports import RecentDecisions
from guard.values import Action

POLICY = """version: 1
name: kind
principles:
  - {id: kind, text: Be kind., critique: Point out what is unkind., revision: Say it kindly.}
detectors:
  rude: {use: patterns, words: [stupid], category: custom/rude}
  banned: {use: patterns, words: [forbidden], category: custom/banned}
  people: {use: pii}
rules:
  - {id: kind, principle: kind, detect: rude, category: custom/rude, action: revise, message: 'No ({category}).', revise: %s}
  - {id: banned, detect: banned, category: custom/banned, action: block, message: That stays here.}
  - {id: people, on: output, detect: people, category: pii/email, action: redact}
"""
CRITIQUE = json.dumps({"violates": True, "critique": "It insults."})


def revision(text: str) -> str:
    return json.dumps({"revision": text})


@dataclass
class Model:
    """A chat model behind an address: answers with `answers`, one after the other; keeps what it was asked."""

    answers: list[Any]
    seen: list[dict[str, Any]] = field(default_factory=list)
    wait: Callable[[], Any] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = await body_of(scope, receive, send)
        if body is None:
            return
        self.seen.append(json.loads(body))
        answer = self.answers[min(len(self.seen), len(self.answers)) - 1]
        if self.wait is not None and len(self.seen) > 1:
            await self.wait()
        status, kind, chunks = (
            200,
            b"application/json",
            [json.dumps(completion(answer)).encode()] if isinstance(answer, str) else [],
        )
        if isinstance(answer, int):
            status, chunks = answer, [b'{"error": {"message": "stupid"}}']
        elif isinstance(answer, list):
            kind, chunks = b"text/event-stream", answer
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]})
        for each in chunks:
            await send({"type": "http.response.body", "body": each, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def ask(
    model: Model, revise: str = "upstream", prompt: str = "Tell me", stream: bool = False, more: str = ""
) -> tuple[httpx.Response, Any]:
    recorder = RecentDecisions()
    guarded = Guard(loads(POLICY % revise + more, kinds()), recorder=recorder)
    with served(GuardMiddleware(model, guard=guarded)) as url:
        body = {"model": "m", "messages": [{"role": "user", "content": prompt}], "stream": stream}
        answer = httpx.post(f"{url}/v1/chat/completions", json=body, headers={"authorization": "Bearer key"}, timeout=20)
    return answer, recorder.find(answer.headers["x-guard-exchange"])


def content(answer: httpx.Response) -> str:
    if answer.headers["content-type"].startswith("text/event-stream"):
        events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
        return "".join(event["choices"][0]["delta"].get("content") or "" for event in events if event["choices"])
    said: str = answer.json()["choices"][0]["message"]["content"]
    return said


def first(text: str, stream: bool) -> Any:
    return stream_of([text[:7], text[7:]]) if stream else text


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_answer_is_criticised_rewritten_and_judged_again(stream: bool) -> None:
    model = Model(
        [first("You are stupid, write to a.b@example.org", stream), CRITIQUE, revision("You err; write to a.b@example.org")]
    )
    answer, decisions = ask(model, stream=stream)
    assert content(answer) == "You err; write to [EMAIL]"
    if not stream:  # the headers of a stream leave with its first event
        assert answer.headers["x-guard-action"] == "revise"
        assert answer.headers["x-guard-revisions"] == "1"
        assert "revise;dur=" in answer.headers["server-timing"]
    decision = decisions["output"]
    assert (decision.action, decision.rules) == (Action.REVISE, ("kind", "people"))
    assert (decision.revision.rounds, decision.revision.asked, decision.revision.done) == (1, 2, True)
    asked = [body["messages"] for body in model.seen[1:]]
    assert "Point out what is unkind." in asked[0][0]["content"]
    assert "Say it kindly." in asked[1][0]["content"]
    assert "Tell me" in asked[0][1]["content"]
    assert "It insults." in asked[1][1]["content"]
    assert not any(body["stream"] for body in model.seen[1:])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_answer_that_stays_bad_is_refused_after_its_rounds(stream: bool) -> None:
    model = Model([first("You are stupid", stream), CRITIQUE, revision("still stupid"), CRITIQUE, revision("stupid again")])
    answer, decisions = ask(model, "{rounds: 2}", stream=stream)
    assert content(answer) == "No (custom/rude)."
    assert "stupid" not in answer.text
    assert (decisions["output"].action, decisions["output"].message) == (Action.BLOCK, "No (custom/rude).")
    assert (decisions["output"].revision.rounds, decisions["output"].revision.done) == (2, False)
    assert len(model.seen) == 5


def test_a_second_round_may_do_what_the_first_did_not() -> None:
    model = Model(["You are stupid", CRITIQUE, revision("still stupid"), CRITIQUE, revision("fine")])
    answer, decisions = ask(model)
    assert (content(answer), decisions["output"].revision.rounds) == ("fine", 2)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    "answers", [["no JSON"], [CRITIQUE, "no JSON"], [500], [CRITIQUE, revision("forbidden")], [CRITIQUE, revision("")]]
)
def test_whatever_goes_wrong_ends_in_the_refusal(stream: bool, answers: list[Any]) -> None:
    answer, decisions = ask(Model([first("You are stupid", stream), *answers]), stream=stream)
    assert content(answer) == "No (custom/rude)."
    assert decisions["output"].action is Action.BLOCK
    assert "stupid" not in answer.text


def test_rewriting_that_takes_too_long_ends_in_the_refusal() -> None:
    async def long() -> None:
        await asyncio.Event().wait()

    answer, decisions = ask(Model(["You are stupid", CRITIQUE], wait=long), "{timeout: 0.3}")
    assert content(answer) == "No (custom/rude)."
    assert decisions["output"].revision.done is False


def test_an_answer_that_needs_no_rewriting_is_left_as_it_is() -> None:
    answer, decisions = ask(Model(["All is well"]))
    assert (content(answer), decisions["output"].action) == ("All is well", Action.ALLOW)
    assert "x-guard-revisions" not in answer.headers


def test_a_blocked_answer_is_not_rewritten() -> None:
    model = Model(["stupid and forbidden"])
    answer, _ = ask(model)
    assert (content(answer), len(model.seen)) == ("That stays here.", 1)


def test_only_the_choices_that_have_to_be_are_rewritten_or_refused() -> None:
    both = completion("fine")
    both["choices"].append({**both["choices"][0], "index": 1, "message": {"role": "assistant", "content": "stupid"}})

    class Twice(Model):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            body = await body_of(scope, receive, send)
            if body is None:
                return
            self.seen.append(json.loads(body))
            answer = both if len(self.seen) == 1 else completion([CRITIQUE, revision("kind")][len(self.seen) - 2])
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
            await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    answer, _ = ask(Twice([]))
    assert [choice["message"]["content"] for choice in answer.json()["choices"]] == ["fine", "kind"]


def test_words_in_a_tool_call_are_refused_as_nobody_rewrites_them() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "say", "arguments": '{"words": "stupid"}'}}

    class Calls(Model):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if await body_of(scope, receive, send) is not None:
                self.seen.append({})
                await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
                await send({"type": "http.response.body", "body": json.dumps(completion(None, tool_calls=[call])).encode()})

    model = Calls([])
    answer, decisions = ask(model)
    assert "stupid" not in answer.text
    assert (decisions["output"].action, len(model.seen)) == (Action.BLOCK, 1)


def test_a_streamed_tool_call_is_refused_too() -> None:
    part = {"index": 0, "id": "c", "type": "function", "function": {"name": "say", "arguments": '{"words": "stupid"}'}}
    events = [chunk({"role": "assistant", "tool_calls": [part]}), chunk({}, "tool_calls"), b"data: [DONE]\n\n"]
    answer, decisions = ask(Model([events]), stream=True)
    assert "stupid" not in answer.text
    assert decisions["output"].action is Action.BLOCK


def test_a_prompt_is_rewritten_before_the_upstream_gets_it() -> None:
    model = Model([revision("please help me"), "Gladly"])
    answer, decisions = ask(model, prompt="stupid thing, help me")
    assert content(answer) == "Gladly"
    assert [message["content"] for message in model.seen[1]["messages"]] == ["please help me"]
    assert decisions["input"].revision.done
    assert answer.headers["x-guard-action"] == "revise"


def test_another_model_rewrites_where_the_policy_names_its_judge() -> None:
    judge = Model([CRITIQUE, revision("kindly put")])
    upstream = Model(["You are stupid"])
    with served(judge) as url:
        detector = f"  critic: {{use: llm-judge, url: '{url}', model: c, principle: x, category: custom/x}}\nrules:"
        guarded = Guard(loads((POLICY % "{by: critic}").replace("rules:", detector), kinds()))
        with served(GuardMiddleware(upstream, guard=guarded)) as address:
            body = {"model": "m", "messages": [{"role": "user", "content": "Tell me"}]}
            answer = httpx.post(f"{address}/v1/chat/completions", json=body, timeout=20)
    assert (content(answer), len(upstream.seen)) == ("kindly put", 1)
    assert [body["model"] for body in judge.seen] == ["c", "c"]


def test_a_wrapped_generator_is_refused_as_nobody_rewrites() -> None:
    loaded = loads(POLICY % "upstream", kinds())
    with pytest.raises(Blocked, match="can't be answered"):
        wrap(lambda prompt: f"stupid {prompt}", loaded)("hello")
    with pytest.raises(Blocked, match="can't be answered"):
        list(wrap(lambda prompt: iter(["stu", "pid ", prompt]), loaded)("hello"))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_the_upstream_is_told_the_constitution_where_the_policy_says_so(stream: bool) -> None:
    model = Model([first("fine", stream)])
    answer, _ = ask(model, stream=stream, more="constitution: system\n")
    assert content(answer) == "fine"
    system, user = model.seen[0]["messages"]
    assert (system["role"], user) == ("system", {"role": "user", "content": "Tell me"})
    assert "Be kind." in system["content"]


@pytest.mark.parametrize(
    ("revise", "path", "expected"),
    [
        ("nobody", "rules[0].revise", "`upstream`, or the name of a detector `use: llm-judge`"),
        ("people", "rules[0].revise", "`upstream`, or the name of a detector `use: llm-judge`"),
        ("{rounds: 6}", "rules[0].revise.rounds", "a whole number in [1, 5]"),
        ("{round: 2}", "rules[0].revise.round", "a known key"),
        ("{timeout: 0}", "rules[0].revise.timeout", "a number in [0.1, 600]"),
    ],
)
def test_a_mistake_in_revise_is_pointed_at(revise: str, path: str, expected: str) -> None:
    with pytest.raises(PolicyError) as caught:
        loads(POLICY % revise, kinds())
    assert [(problem.path.removesuffix(".by"), problem.expected) for problem in caught.value.problems] == [(path, expected)]
