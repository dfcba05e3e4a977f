"""The runtime around a detector: batches, cache, joined questions, limits, retries, breaker, load shedding."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from runtime.models import Model, Service, length_score

from guard.errors import DetectorError, Overloaded, Transient
from guard.runtime.cache import VerdictCache
from guard.runtime.served import Served
from guard.runtime.settings import RuntimeSettings
from guard.runtime.trace import Outcome, tracing
from guard.values import Caller, Detector, Exchange, Item, Location, Role, Stage

pytestmark = pytest.mark.anyio


def served(detector: Detector, *, cache: VerdictCache | None = None, timeout: float = 5.0, **settings: float) -> Served:
    return Served(detector, RuntimeSettings(**settings), timeout=timeout, cache=cache, identity="it")  # type: ignore[arg-type]


async def scores(detector: Served, *texts: str) -> list[float]:
    return [findings[0].score for findings in await detector.detect_async([Item(text) for text in texts])]


async def until(condition) -> None:
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came true")


async def test_questions_that_come_while_the_model_works_go_together_into_the_next_call():
    model = Model()
    detector = served(model)
    model.gate.clear()
    first = asyncio.create_task(scores(detector, "a"))
    await until(model.entered.is_set)
    others = [asyncio.create_task(scores(detector, "b" * size)) for size in range(1, 9)]
    await asyncio.sleep(0)
    model.gate.set()
    assert await first == [0.01]
    assert [await other for other in others] == [[size / 100] for size in range(1, 9)]
    assert [len(call) for call in model.calls] == [1, 8]


async def test_a_call_takes_no_more_items_than_the_model_may():
    model = Model(batch=3)
    detector = served(model)
    assert await scores(detector, *("x" * size for size in range(10))) == [size / 100 for size in range(10)]
    assert max(map(len, model.calls)) == 3


async def test_long_texts_do_not_pad_short_ones():
    model = Model()
    detector = served(model)
    model.gate.clear()
    first = asyncio.create_task(scores(detector, "first"))
    await until(model.entered.is_set)
    rest = asyncio.create_task(scores(detector, "short", "l" * 5000, "brief", "m" * 6000))
    await asyncio.sleep(0)
    model.gate.set()
    await asyncio.gather(first, rest)
    assert sorted(map(sorted, model.calls[1:])) == [["brief", "short"], ["l" * 5000, "m" * 6000]]


async def test_a_lone_call_waits_for_company_as_long_as_it_is_told_to():
    model = Model()
    detector = served(model, wait=0.05)
    found = await asyncio.gather(*(scores(detector, "x" * size) for size in range(1, 6)))
    assert found == [[size / 100] for size in range(1, 6)]
    assert [len(call) for call in model.calls] == [5]


async def test_a_verdict_is_remembered_and_put_where_the_item_is():
    model = Model()
    detector = served(model, cache=VerdictCache())
    await scores(detector, "hello")
    [[again]] = await detector.detect_async([Item("hello", Stage.INPUT, Role.USER, Location("/messages/7"))])
    assert (again.score, again.location) == (0.05, Location("/messages/7"))
    assert len(model.calls) == 1
    assert detector.counts.cached == 1


async def test_whose_words_they_are_and_the_context_make_another_question():
    model = Model()
    detector = served(model, cache=VerdictCache())
    for item in (Item("hello"), Item("hello", role=Role.ASSISTANT), Item("hello", Stage.OUTPUT), Item("hello", judged_from=2)):
        await detector.detect_async([item])
    assert len(model.calls) == 4


async def test_one_tenants_verdict_is_not_anothers_where_the_exchange_is_seen():
    model = Model()
    model._needs = model.needs.__class__(reach=model.needs.reach, sees="exchange")
    detector = served(model, cache=VerdictCache())
    for tenant in ("a", "b", "a"):
        await detector.detect_async([Item("hello", exchange=Exchange("1", caller=Caller(tenant)))])
    assert len(model.calls) == 2


async def test_equal_questions_in_flight_are_asked_once():
    model = Model()
    detector = served(model, cache=VerdictCache())
    model.gate.clear()
    waiting = [asyncio.create_task(scores(detector, "the same")) for _ in range(20)]
    await until(model.entered.is_set)
    model.gate.set()
    assert [await each for each in waiting] == [[0.08]] * 20
    assert model.calls == [["the same"]]
    assert detector.counts.joined == 19


async def test_who_leaves_does_not_take_the_verdict_from_who_stays():
    model = Model()
    detector = served(model, cache=VerdictCache())
    model.gate.clear()
    leaving = asyncio.create_task(scores(detector, "the same"))
    await until(model.entered.is_set)
    staying = asyncio.create_task(scores(detector, "the same"))
    await asyncio.sleep(0)
    leaving.cancel()
    model.gate.set()
    assert await staying == [0.08]
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_what_nobody_waits_for_any_more_is_not_computed():
    model = Model()
    detector = served(model)
    model.gate.clear()
    first = asyncio.create_task(scores(detector, "first"))
    await until(model.entered.is_set)
    gone = asyncio.create_task(scores(detector, "gone"))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    model.gate.set()
    await first
    await scores(detector, "last")
    assert model.calls == [["first"], ["last"]]


async def test_a_failure_is_not_remembered():
    failing = [True]

    def act(_items):
        if failing[0]:
            raise RuntimeError("it broke")

    detector = served(Model(act=act), cache=VerdictCache())
    with pytest.raises(RuntimeError):
        await scores(detector, "hello")
    failing[0] = False
    assert await scores(detector, "hello") == [0.05]


async def test_a_text_that_breaks_the_model_fails_alone():
    def act(items):
        if any(item.text == "poison" for item in items):
            raise RuntimeError("it broke")

    model = Model(act=act)
    detector = served(model)
    model.gate.clear()
    first = asyncio.create_task(scores(detector, "first"))
    await until(model.entered.is_set)
    others = [asyncio.create_task(scores(detector, text)) for text in ("well", "poison", "good")]
    await asyncio.sleep(0)
    model.gate.set()
    await first
    well, poison, good = await asyncio.gather(*others, return_exceptions=True)
    assert (well, good) == ([0.04], [0.04])
    assert isinstance(poison, RuntimeError)


async def test_answers_that_no_rule_can_read_are_a_failure():
    model = Model()
    model.detect = lambda items: [[]] * (len(items) + 1)  # type: ignore[method-assign]
    with pytest.raises(DetectorError, match="answers on 1 items, got 2"):
        await scores(served(model), "hello")


async def test_a_model_that_hangs_costs_its_time_limit_and_then_nothing():
    model = Model()
    detector = served(model, timeout=0.05, failures=3)
    model.gate.clear()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await scores(detector, "hello")
    assert detector.breaker == "half-open" or detector.breaker == "open"
    with pytest.raises(DetectorError, match="left alone"):
        await scores(detector, "another")
    model.gate.set()


async def test_too_many_waiting_are_refused_with_a_time_to_come_back():
    model = Model()
    detector = served(model, queue=2, timeout=5.0)
    model.gate.clear()
    running = asyncio.create_task(scores(detector, "first"))
    await until(model.entered.is_set)
    waiting = asyncio.create_task(scores(detector, "second", "third"))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as refused:
        await scores(detector, "fourth")
    assert refused.value.retry_after >= 1
    model.gate.set()
    assert await asyncio.gather(running, waiting) == [[0.05], [0.06, 0.05]]
    assert detector.counts.shed == 1


async def test_a_service_that_fails_for_a_moment_is_asked_again():
    service = Service(answers=[Transient("service", "503", retry_after=0.01)])
    assert await scores(served(service), "hello") == [0.05]
    assert service.calls == 2


async def test_a_service_that_says_no_is_not_asked_again():
    service = Service(answers=[DetectorError("service", "401")])
    with pytest.raises(DetectorError, match="401"):
        await scores(served(service), "hello")
    assert service.calls == 1


async def test_retries_end_with_the_time_limit():
    service = Service(answers=[Transient("service", "503", retry_after=60)])
    with pytest.raises(Transient):
        await scores(served(service, timeout=0.5), "hello")
    assert service.calls == 1


async def test_retries_have_a_budget():
    service = Service(answers=[Transient("service", "503", retry_after=0.0)] * 1000)
    detector = served(service, retries=5, failures=1000)
    for number in range(20):
        with pytest.raises(Transient):
            await scores(detector, "x" * number)
    assert service.calls <= 20 + 10 + 3


async def test_the_breaker_opens_after_failures_in_a_row_and_closes_after_one_success():
    service = Service(answers=[DetectorError("service", "500")] * 3)
    detector = served(service, failures=3, recovery=0.05)
    for number in range(3):
        with pytest.raises(DetectorError, match="500"):
            await scores(detector, "x" * number)
    with pytest.raises(DetectorError, match="left alone"):
        await scores(detector, "hello")
    assert service.calls == 3
    assert detector.breaker == "open"
    await until(lambda: detector.breaker == "half-open")
    assert await scores(detector, "a", "b") == [0.01, 0.01]
    assert detector.breaker == "closed"


async def test_a_slow_service_does_not_hold_up_the_others():
    service = Service(answers=[5.0], parallel=2)
    detector = served(service, timeout=5.0)
    slow = asyncio.create_task(scores(detector, "slow"))
    await until(lambda: service.calls == 1)
    assert await asyncio.wait_for(scores(detector, "quick"), 1) == [0.05]
    slow.cancel()


def test_it_serves_threads_without_an_event_loop_and_several_loops_alike():
    detector = served(Model(), cache=VerdictCache())

    def ask(number: int) -> float:
        text = "x" * (number % 50)
        found = detector.detect([Item(text)]) if number % 2 else asyncio.run(detector.detect_async([Item(text)]))
        return found[0][0].score - length_score(Item(text))

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(400))) == {0.0}


def test_the_trace_tells_what_ran_and_what_was_remembered():
    detector = served(Model(), cache=VerdictCache())
    with tracing() as trace:
        detector.detect([Item("hello")])
        detector.detect([Item("hello")])
    assert [step.outcome for step in trace.steps] == [Outcome.RAN, Outcome.REMEMBERED]


def test_threads_end_when_the_process_does_even_if_a_model_hangs():
    model = Model()
    model.gate.clear()
    detector = served(model, timeout=0.01)
    with pytest.raises(TimeoutError):
        detector.detect([Item("hello")])
    assert all(thread.daemon for thread in threading.enumerate() if thread.name.startswith("guard-"))
    model.gate.set()
