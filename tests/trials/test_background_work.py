"""Work beside serving: bounded, refused where it is too much, and nobody's business where it hangs."""

from __future__ import annotations

import asyncio
import threading

from guard.trials.background import Background, Bounds


def test_what_is_too_much_is_refused_and_there_is_room_again_when_jobs_are_done():
    work = Background("tested", Bounds(jobs=3, size=100, at_once=1))
    go_on, done = threading.Event(), threading.Semaphore(0)

    async def job() -> None:
        await asyncio.to_thread(go_on.wait, 10)
        done.release()

    assert [work.offer(job, 10) for _ in range(5)] == [True, True, True, False, False]
    go_on.set()
    for _ in range(3):
        assert done.acquire(timeout=10)
    assert not work.offer(job, 101)
    assert work.offer(job, 100)
    assert done.acquire(timeout=10)
    work.stop()


def test_no_more_jobs_run_at_once_than_may():
    work = Background("tested", Bounds(at_once=2))
    running, most, ended = 0, 0, threading.Semaphore(0)

    async def job() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(5):
            await asyncio.sleep(0)
        running -= 1
        ended.release()

    for _ in range(50):
        assert work.offer(job)
    for _ in range(50):
        assert ended.acquire(timeout=10)
    assert most == 2
    work.stop()


def test_a_job_that_fails_leaves_the_others_alone():
    work, ended = Background("tested"), threading.Event()

    async def fails() -> None:
        raise ZeroDivisionError

    async def ends() -> None:
        ended.set()

    assert work.offer(fails)
    assert work.offer(ends)
    assert ended.wait(10)
    work.stop()


def test_a_job_that_blocks_its_loop_costs_nobody_else_anything():
    work = Background("tested", Bounds(jobs=4))
    begun, go_on = threading.Event(), threading.Event()

    async def blocks() -> None:
        begun.set()
        go_on.wait(10)

    async def never() -> None:
        raise AssertionError("it was let go")

    assert work.offer(blocks)
    assert begun.wait(10)
    assert [work.offer(never) for _ in range(6)] == [True] * 3 + [False] * 3
    work.stop()
    assert not work.offer(never)
    go_on.set()


def test_stopping_lets_go_of_what_runs():
    work, begun, cancelled = Background("tested"), threading.Event(), threading.Event()

    async def waits() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    assert work.offer(waits)
    assert begun.wait(10)
    work.stop()
    work.stop()
    assert cancelled.wait(10)
