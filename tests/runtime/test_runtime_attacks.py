"""What a detector, a machine short of threads, a fork or a client may do to the runtime, and what must still hold."""

from __future__ import annotations

import asyncio
import concurrent.futures
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from runtime.models import Model, Service

from guard.asking import pump
from guard.errors import DetectorError
from guard.policy.model import Policy, Rule
from guard.runtime.cache import VerdictCache
from guard.runtime.lanes import Lane
from guard.runtime.served import Served
from guard.runtime.settings import RuntimeSettings
from guard.streaming import ChoiceJudge
from guard.text_stream import TextStream
from guard.values import Action, Detector, Finding, Item, Span, Stage

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]


def served(detector: Detector, *, timeout: float = 5.0, cached: bool = True, **settings: float) -> Served:
    cache = VerdictCache() if cached else None
    return Served(detector, RuntimeSettings(**settings), timeout=timeout, cache=cache, identity="it")  # type: ignore[arg-type]


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came true")


@pytest.mark.parametrize(
    "raised",
    [
        SystemExit(3),
        KeyboardInterrupt(),
        GeneratorExit(),
        StopIteration(),
        asyncio.CancelledError(),
        concurrent.futures.CancelledError(),
    ],
    ids=lambda raised: type(raised).__name__,
)
async def test_whatever_a_model_raises_is_a_detectors_failure_and_counts(raised):
    def act(_items: Sequence[Item]) -> None:
        raise raised

    detector = served(Model(act=act), failures=1)
    with pytest.raises(DetectorError, match="gave no verdict"):
        await detector.detect_async([Item("a")])
    assert detector.breaker == "open"


@pytest.mark.parametrize("raised", [SystemExit(3), KeyboardInterrupt()], ids=["exit", "interrupt"])
async def test_a_service_that_wants_the_process_to_end_leaves_the_loop_of_the_others_running(raised):
    class Ending(Service):
        async def detect_async(self, items: Sequence[Item]) -> list[list[Finding]]:
            raise raised

    with pytest.raises(DetectorError, match="gave no verdict"):
        await served(Ending()).detect_async([Item("a")])
    [[finding]] = await served(Service(), timeout=1.0).detect_async([Item("a")])
    assert finding.score == 0.01


async def test_a_service_that_does_not_answer_whole_batches_is_left_alone_too():
    service = Service(answers=[60.0] * 9)
    service.batch = 4
    detector = served(service, timeout=0.05, failures=2)
    for number in range(2):
        with pytest.raises(TimeoutError):
            await detector.detect_async([Item(f"{number} {each}") for each in range(4)])
    await until(lambda: detector.breaker == "open")
    assert service.calls == 2


async def test_half_a_surrogate_pair_is_judged_and_remembered_like_any_text():
    model = Model()
    detector = served(model)
    for text in ("\ud800", "\udc00", "?", "\\ud800"):
        for _ in range(2):
            [[finding]] = await detector.detect_async([Item(text)])
            assert finding.score == len(text) / 100
    assert detector.counts.cached == 4
    assert len(model.calls) == 4


async def test_a_machine_that_has_no_thread_left_fails_at_once_and_only_for_as_long(monkeypatch):
    def refuse(_self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    detector = served(Model(batch=1), failures=10_000)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for size in (1, 900):  # many calls that fail one after the other nest no deeper than one
            with pytest.raises(RuntimeError, match="new thread"):
                await asyncio.wait_for(detector.detect_async([Item(f"{size} {number}") for number in range(size)]), 2)
    [[finding]] = await asyncio.wait_for(detector.detect_async([Item("a")]), 2)
    assert finding.score == 0.01


def test_two_calls_at_once_are_two_threads_even_if_one_was_idle():
    lane = Lane("two", 2)
    lane.submit(lambda: None).result(5)
    both = threading.Barrier(2)
    with lane._changed:  # so that the idle thread cannot take the first call before the second is there
        calls = [lane.submit(lambda: both.wait(2)) for _ in range(2)]
    assert sorted(call.result(5) for call in calls) == [0, 1]


_FORKED = """
import os, sys, threading
sys.path.insert(0, "tests")
from runtime.models import Model, Service
from runtime.test_runtime_attacks import served
from guard.values import Item

model, service = Model(), Service()
models, services = served(model, timeout=2.0), served(service, timeout=2.0)
services.detect([Item("a")])
model.gate.clear()
asking = threading.Thread(target=models.detect, args=([Item("a")],))
asking.start()
model.entered.wait(5)
child = os.fork()
if not child:
    model.gate.set()
    print(models.detect([Item("a")])[0][0].score, services.detect([Item("bb")])[0][0].score, flush=True)
    raise SystemExit
_, status = os.waitpid(child, 0)
model.gate.set()
asking.join(5)
print(status, services.detect([Item("ccc")])[0][0].score)
"""


def test_a_child_that_is_forked_in_the_middle_of_a_call_asks_anew_and_ends_at_once():
    ran = subprocess.run([sys.executable, "-c", _FORKED], capture_output=True, text=True, timeout=30, check=True, cwd=ROOT)
    assert ran.stdout.split() == ["0.01", "0.02", "0", "0.03"]
    assert ran.stderr == ""


@pytest.mark.parametrize(
    "finding",
    [
        Finding("model", "custom/length", float("nan")),
        Finding("model", "custom/length", 1.1),
        Finding("model", "custom/length", 0.5, Span(0.0, 0.5)),  # type: ignore[arg-type]
        Finding("model", "custom/length", 0.5, Span(0, 9)),
        Finding("another", "custom/length", 0.5),
        None,
    ],
)
async def test_a_finding_that_no_rule_can_read_is_a_failure(finding):
    class Lying(Model):
        def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
            return [[finding] for _ in items]

    with pytest.raises(Exception, match=r"no rule can read|NoneType"):
        await served(Lying()).detect_async([Item("abc")])


async def test_a_stream_that_cannot_take_a_verdict_ends_with_the_error_and_not_as_if_it_were_over(monkeypatch):
    def refuse(*_args: object) -> None:
        raise ZeroDivisionError

    async def pieces() -> AsyncIterator[str]:
        yield "Hello. "

    model = Model()
    policy = Policy("p", (Rule("r", frozenset({Stage.OUTPUT}), ("model",), ("*",), Action.BLOCK),), {})
    stream = TextStream(ChoiceJudge(policy, policy.rules, {"model": model}))
    monkeypatch.setattr(stream, "answer", refuse)
    with pytest.raises(ZeroDivisionError):
        _ = [piece async for piece in pump(stream, pieces(), {"model": model}, 5.0)]


_ENDING = """
import threading, time
from guard.runtime.lanes import lane

def call(seconds, word):
    time.sleep(seconds)
    print(word, flush=True)

busy, hung = lane("busy", 1), lane("hung", 1)
busy.submit(lambda: call(0.3, "ran"))
busy.submit(lambda: call(0, "came too late"))
hung.submit(threading.Event().wait)
"""


def test_a_process_ends_after_the_calls_that_run_but_waits_neither_for_others_nor_for_one_that_hangs():
    ran = subprocess.run([sys.executable, "-c", _ENDING], capture_output=True, text=True, timeout=10, check=True, cwd=ROOT)
    assert ran.stdout == "ran\n"
    assert ran.stderr == ""


async def test_what_a_question_of_very_many_items_costs_grows_with_their_number_only():
    looked = 0

    class Counted(str):
        __slots__ = ()

        def __len__(self) -> int:
            nonlocal looked
            looked += 1
            return super().__len__()

    def cost(number: int) -> float:
        nonlocal looked
        detector = served(Model(batch=4), cached=False, timeout=30.0)
        looked = 0
        detector.detect([Item(Counted("x" * (each % 50))) for each in range(number)])
        return looked / number

    assert cost(4000) < 2 * cost(1000)
