"""The engine and the runtime together: what is asked in which order, what is spared, and what clients see of overload."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from runtime.models import Model, Service
from servers import Upstream, completion, served, stream_of

from guard.detectors.registry import kinds
from guard.engine import Guard
from guard.errors import DetectorError, Transient
from guard.middleware import GuardMiddleware
from guard.policy.kinds import Kind
from guard.runtime.trace import complete
from guard.values import Action, Detector

pytestmark = pytest.mark.anyio

POLICY = """
version: 1
name: run
detectors:
  words: {use: patterns, words: [forbidden], category: custom/word}
  model: {use: given, runtime: {queue: 1, timeout: 5, failures: 2, recovery: 60, retries: 0}}
rules:
  - {id: word, detect: words, category: custom/word, action: block}
  - {id: length, detect: model, category: custom/length, threshold: 0.9, action: block}
"""


def guarded(tmp_path: Any, detector: Detector, policy: str = POLICY, **options: Any) -> Guard:
    path = tmp_path / "policy.yaml"
    path.write_text(policy)
    given = Kind("given", "", lambda _name, _options: detector, lambda _options: ("custom/length",))
    return Guard(path, kinds={**kinds(), "given": given}, **options)


async def test_a_block_by_a_quick_detector_spares_the_others_and_says_so(tmp_path):
    model = Model()
    guard = guarded(tmp_path, model)
    for decision in (await guard.check("forbidden"), guard.check_sync("forbidden")):
        assert (decision.action, decision.not_run, decision.findings[0].detector) == (Action.BLOCK, ("model",), "words")
    assert model.calls == []
    assert (await guard.check("fine")).not_run == ()
    assert len(model.calls) == 1


async def test_nothing_is_spared_where_everything_is_wanted(tmp_path):
    model = Model()
    guard = guarded(tmp_path, model)
    with complete():
        decision = await guard.check("forbidden")
    assert (decision.not_run, {finding.detector for finding in decision.findings}) == ((), {"words", "model"})


@pytest.mark.parametrize(
    "rule",
    [
        "{id: hide, detect: model, category: custom/length, threshold: 0.1, action: redact}",
        "{id: lift, detect: model, category: custom/length, action: allow, overrides: word}",
    ],
)
async def test_what_a_redaction_or_an_exception_needs_is_not_spared(tmp_path, rule):
    model = Model()
    await guarded(tmp_path, model, f"{POLICY}  - {rule}\n").check("forbidden")
    assert len(model.calls) == 1


async def test_choices_are_settled_one_by_one(tmp_path):
    model = Model()
    answer = completion("forbidden")
    answer["choices"].append({**completion("fine")["choices"][0], "index": 1})
    upstream = Upstream([json.dumps(answer).encode()])
    with served(GuardMiddleware(upstream, guard=guarded(tmp_path, model))) as url:
        async with httpx.AsyncClient(base_url=url) as client:
            await client.post("/v1/chat/completions", json=request("hello"))
    assert [sorted(call) for call in model.calls] == [["Good morning."], ["hello"], ["fine", "forbidden"]]


async def test_an_overloaded_guard_says_503_and_when_to_come_back(tmp_path):
    model = Model()
    guard = guarded(tmp_path, model)
    with served(GuardMiddleware(Upstream([json.dumps(completion("fine")).encode()]), guard=guard)) as url:
        async with httpx.AsyncClient(base_url=url) as client:
            model.gate.clear()
            first = asyncio.create_task(client.post("/v1/chat/completions", json=request("one")))
            await asyncio.to_thread(model.entered.wait, 5)
            second = asyncio.create_task(client.post("/v1/chat/completions", json=request("two")))
            while guard.detectors["model"].counts.asked < 2:  # type: ignore[attr-defined]
                await asyncio.sleep(0.001)
            third = await client.post("/v1/chat/completions", json=request("three"))
            model.gate.set()
            answers = [await first, await second]
    assert (third.status_code, int(third.headers["retry-after"]) >= 1) == (503, True)
    assert third.json()["error"]["code"] == "overloaded"
    assert [answer.status_code for answer in answers] == [200, 200]


async def test_a_detector_with_another_name_than_the_policy_gives_it_is_refused(tmp_path):
    with pytest.raises(DetectorError, match="named 'other'"):
        guarded(tmp_path, Model("other"))


async def test_a_dead_service_costs_clients_what_on_error_says_and_the_breaker_spares_it(tmp_path):
    service = Service("model", answers=[Transient("service", "no connection")] * 50)
    guard = guarded(tmp_path, service)
    for number in range(1, 11):
        assert (await guard.check("x" * number)).action is Action.BLOCK
    assert service.calls == 2
    assert guard.detectors["model"].breaker == "open"  # type: ignore[attr-defined]


@pytest.mark.parametrize(("on_error", "action"), [("allow", Action.ALLOW), ("flag", Action.FLAG), ("block", Action.BLOCK)])
async def test_a_failure_is_what_the_rule_makes_of_it(tmp_path, on_error, action):
    service = Service("model", answers=[RuntimeError("never shown: canary")])
    policy = POLICY.replace("threshold: 0.9, ", f"threshold: 0.9, on_error: {on_error}, ")
    decision = await guarded(tmp_path, service, policy).check("hello")
    assert (decision.action, decision.failed) == (action, ("model",))


@pytest.mark.parametrize("kind", ["model", "service"])
async def test_a_stream_is_judged_through_the_runtime(tmp_path, kind):
    detector = Model() if kind == "model" else Service("model")
    guard = guarded(tmp_path, detector)
    for text, finish in (("short", "stop"), ("l" * 95, "content_filter")):
        with served(GuardMiddleware(Upstream(stream_of(list(text)), content_type="text/event-stream"), guard=guard)) as url:
            async with httpx.AsyncClient(base_url=url) as client:
                answer = await client.post("/v1/chat/completions", json=request("hello", stream=True))
        assert f'"finish_reason":"{finish}"' in answer.text.replace(" ", "")
        assert (text in contents(answer.text)) is (finish == "stop")


def request(text: str, **more: Any) -> Mapping[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


def contents(stream: str) -> str:
    events = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: {")]
    return "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])
