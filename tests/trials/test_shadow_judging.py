"""A policy in the shadow, through real sockets: it judges the same, never acts, and whatever ails it is nobody's answer."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers import Upstream, completion, served, stream_of
from watched_trials import POLICY, Told, canaried, guard_of, guarded, shadowed

from guard.policy.kinds import Kind
from guard.trials.background import Bounds
from guard.trials.differing import Compared
from guard.values import Action, Finding, Item, Needs, Runs, Stage, WholeReach

MAIL = "jane.doe@example.org"


def ask(url: str, text: str, *, stream: bool = False, **more: Any) -> httpx.Response:
    body = {"model": "m", "stream": stream, "messages": [{"role": "user", "content": text}], **more}
    return httpx.post(f"{url}/v1/chat/completions", json=body, timeout=15)


def said(answer: httpx.Response) -> tuple[int, str, bytes]:
    return answer.status_code, answer.headers["x-guard-action"], answer.content


def of(found: Sequence[Compared], stage: Stage) -> list[Compared]:
    return [each for each in found if each.stage is stage]


@pytest.mark.parametrize("stream", [False, True])
def test_what_the_shadow_would_do_is_told_and_not_done(stream: bool):
    words = ["a ", "kraken ", f"wrote to {MAIL}"]
    upstream = (
        Upstream(stream_of(words), content_type="text/event-stream")
        if stream
        else Upstream([json.dumps(completion("".join(words))).encode()])
    )
    without = guarded(upstream, guard_of("squid"))
    middleware = guarded(upstream, guard_of("squid"))
    told = shadowed(middleware, guard_of("kraken"))
    with served(without) as alone, served(middleware) as url:
        assert said(ask(url, "the kraken", stream=stream)) == said(ask(alone, "the kraken", stream=stream))
    found = told.await_some(2)
    [first], [second] = of(found, Stage.INPUT), of(found, Stage.OUTPUT)
    assert (first.base.action, first.shadow.action, first.shadow.rules) == (Action.ALLOW, Action.BLOCK, ("no-word",))
    assert (second.base.action, second.base.rules) == (Action.REDACT, ("hide-mail",))
    assert second.shadow.action is Action.BLOCK
    assert first.exchange == second.exchange
    assert not told.shed_all


def test_what_the_policy_in_force_blocks_is_shown_as_far_as_it_was_seen():
    upstream = Upstream(stream_of(["a squid ", "and then ", "a kraken"]), content_type="text/event-stream")
    middleware = guarded(upstream, guard_of("squid"))
    told = shadowed(middleware, guard_of("kraken"))
    with served(middleware) as url:
        ask(url, "hello", stream=True)
        ask(url, "a squid", stream=True)
    found = told.await_some(3)
    [answer] = of(found, Stage.OUTPUT)
    assert answer.base.action is Action.BLOCK
    assert (answer.shadow.action, answer.shadow.rules) in {(Action.ALLOW, ()), (Action.BLOCK, ("no-word",))}
    assert len(of(found, Stage.INPUT)) == 2


@given(pieces=st.lists(st.sampled_from(["the ", "kra", "ken ", f"{MAIL} ", "x" * 50, ". "]), min_size=1, max_size=12))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_policy_agrees_with_itself_however_an_answer_is_cut(both: tuple[Upstream, str, Told], pieces: list[str]):
    upstream, url, told = both
    upstream.chunks, before = stream_of(pieces), len(told.compared_all)
    ask(url, "hello", stream=True)
    for each in told.await_some(before + 2)[before:]:
        assert not each.differs, each


@pytest.fixture(scope="module")
def both():
    upstream = Upstream(content_type="text/event-stream")
    middleware = guarded(upstream, guard_of("kraken"))
    told = shadowed(middleware, guard_of("kraken"))
    with served(middleware) as url:
        yield upstream, url, told


class Broken:
    """A detector that is wrong in the way that it is told to."""

    version = "1"
    categories = ("custom/broken",)

    def __init__(self, name: str, runs: Runs, fault: Any) -> None:
        self.name = name
        self.needs = Needs(WholeReach(), runs=runs)
        self._fault = fault

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        self._fault()
        return [[] for _ in items]

    async def detect_async(self, items: Sequence[Item]) -> list[list[Finding]]:
        return self.detect(items)


def broken(runs: Runs, fault: Any) -> dict[str, Kind]:
    return {"broken": Kind("broken", "", lambda name, _: Broken(name, runs, fault), lambda _: Broken.categories, spans=False)}


WITH_BROKEN = POLICY.format(name="candidate", word="kraken").replace(
    "rules:", "  odd: {use: broken}\ndefaults: {timeout: 0.3}\nrules:"
) + ("  - {id: odd, detect: odd, category: custom/broken, action: block}\n")


def raises() -> None:
    raise ZeroDivisionError("a secret text")


@pytest.mark.parametrize("runs", [Runs.INLINE, Runs.THREAD])
@pytest.mark.parametrize("stream", [False, True])
def test_a_broken_detector_of_the_shadow_is_told_and_reaches_no_client(runs: Runs, stream: bool, caplog):
    chunks = stream_of(["fine"]) if stream else [json.dumps(completion("fine")).encode()]
    upstream = Upstream(chunks, content_type="text/event-stream" if stream else "application/json")
    middleware = guarded(upstream, guard_of("squid"))
    told = shadowed(middleware, guard_of("", more=broken(runs, raises), policy=WITH_BROKEN))
    with served(middleware) as url:
        answers = [ask(url, f"hello {number}", stream=stream) for number in range(3)]
    assert {(each.status_code, each.headers["x-guard-action"]) for each in answers} == {(200, "allow")}
    assert {each.shadow.failed for each in told.await_some(6)} == {("odd",)}
    assert not any(each.differs for each in told.compared_all)
    assert "secret" not in caplog.text


@pytest.mark.parametrize("runs", [Runs.INLINE, Runs.THREAD])
def test_a_shadow_that_hangs_is_shed_and_delays_nobody(runs: Runs):
    go_on = threading.Event()
    middleware = guarded(Upstream([json.dumps(completion("fine")).encode()]), guard_of("squid"))
    candidate = guard_of("", more=broken(runs, lambda: go_on.wait(15)), policy=WITH_BROKEN)
    told = shadowed(middleware, candidate, bounds=Bounds(jobs=4, at_once=2))
    with served(middleware) as url, httpx.Client(base_url=url, timeout=5) as client:
        for number in range(30):
            body = {"model": "m", "messages": [{"role": "user", "content": f"hello {number}"}]}
            assert client.post("/v1/chat/completions", json=body).headers["x-guard-action"] == "allow"
        assert told.shed_all.total() > 0
        assert told.shed_all.total() + len(told.compared_all) <= 60
        assert {shadow for shadow, _ in told.shed_all} == {candidate.policy.digest}
        go_on.set()
    middleware.trials.shadow.stop()


def test_what_is_too_large_for_the_shadow_is_shed_and_served():
    middleware = guarded(Upstream([json.dumps(completion("fine")).encode()]), guard_of("squid"))
    told = shadowed(middleware, guard_of("kraken"), bounds=Bounds(size=1_000))
    with served(middleware) as url:
        assert ask(url, "x" * 2_000).status_code == 200
        assert ask(url, "short").status_code == 200
    assert told.await_some(1)
    assert told.shed_all.total() >= 1


@pytest.mark.anyio
async def test_under_load_every_message_is_compared_or_shed_and_every_answer_is_as_without():
    answer = json.dumps(completion(f"write to {MAIL}")).encode()
    middleware = guarded(Upstream([answer]), guard_of("squid"))
    told = shadowed(middleware, guard_of("kraken"), bounds=Bounds(jobs=6, at_once=2))
    with served(middleware) as url:
        async with httpx.AsyncClient(base_url=url, timeout=15) as client:

            async def one(number: int) -> str:
                words = ("squid", "kraken", "hello")[number % 3]
                body = {"model": "m", "messages": [{"role": "user", "content": f"the {words}"}]}
                return str((await client.post("/v1/chat/completions", json=body)).headers["x-guard-action"])

            actions = await asyncio.gather(*(one(number) for number in range(240)))
    assert actions == ["block", "redact", "redact"] * 80
    told.await_some(400 - told.shed_all.total())  # 240 inputs, and an answer to each of the 160 that are let through
    assert len(told.compared_all) + told.shed_all.total() == 400
    assert all(each.base.policy != each.shadow.policy for each in told.compared_all)


def test_only_its_share_is_shown_to_a_shadow():
    middleware = guarded(Upstream([json.dumps(completion("fine")).encode()]), guard_of("squid"))
    told = shadowed(middleware, guard_of("kraken"), percent=50)
    with served(middleware) as url:
        for number in range(40):
            for _ in range(2):
                ask(url, "hello", user=f"person {number}")
    inputs = of(told.await_some(2), Stage.INPUT)
    assert 5 * 2 <= len(inputs) <= 35 * 2


def test_a_client_that_goes_leaves_nothing_to_compare_and_the_next_is_served():
    begun, go_on = threading.Event(), threading.Event()

    async def hold(index: int) -> None:
        if index == 2:
            begun.set()
            await asyncio.to_thread(go_on.wait, 10)

    upstream = Upstream(stream_of(["one ", "two ", "three"]), content_type="text/event-stream", before_chunk=hold)
    middleware = guarded(upstream, guard_of("squid"))
    told = shadowed(middleware, guard_of("kraken"))
    with served(middleware) as url:
        with httpx.Client(base_url=url) as client:
            body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hello"}]}
            with client.stream("POST", "/v1/chat/completions", json=body) as answer:
                next(answer.iter_bytes())
                assert begun.wait(10)
        assert upstream.cancelled.wait(10)
        go_on.set()
        assert "three" in ask(url, "hello", stream=True).text
    found = told.await_some(3)
    assert [each.stage for each in found].count(Stage.OUTPUT) == 1


def test_a_canary_decides_about_its_share_and_a_person_stays_with_their_policy():
    middleware = guarded(Upstream([json.dumps(completion("fine")).encode()]), guard_of("squid"))
    candidate = guard_of("kraken", name="candidate")
    canaried(middleware, candidate, 50)
    digests = {"allow": middleware.guard.policy.digest, "block": candidate.policy.digest}
    with served(middleware) as url:
        seen = []
        for number in range(40):
            answers = [ask(url, "the kraken", user=f"person {number}") for _ in range(2)]
            assert all(each.headers["x-guard-policy"] == digests[each.headers["x-guard-action"]] for each in answers)
            assert len({each.headers["x-guard-action"] for each in answers}) == 1
            seen.append(answers[0].headers["x-guard-action"])
        assert 5 <= seen.count("block") <= 35
        middleware.trials.canary = None
        assert ask(url, "the kraken", user=f"person {seen.index('block')}").headers["x-guard-action"] == "allow"


def test_a_stream_is_decided_by_its_canary_to_its_end():
    upstream = Upstream(stream_of(["a ", "kraken ", "sings"]), content_type="text/event-stream")
    middleware = guarded(upstream, guard_of("squid"))
    candidate = guard_of("kraken", name="candidate")
    canaried(middleware, candidate, 100)
    told = shadowed(middleware, guard_of("squid", name="beside"))
    with served(middleware) as url:
        answer = ask(url, "hello", stream=True)
    assert "sings" not in answer.text
    assert "content_filter" in answer.text
    [output] = of(told.await_some(2), Stage.OUTPUT)
    assert (output.base.policy, output.base.action) == (candidate.policy.digest, Action.BLOCK)
