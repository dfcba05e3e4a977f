"""Is feedback that was acknowledged still there after `kill -9`, and there once?

`python -m benchmarks.killed [--store URL] [--workers N] [--rate N] [--seconds N]` posts feedback to `guard serve`, kills
it (of several workers, one) with SIGKILL halfway, starts it again, posts on, and compares what was acknowledged with the store.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp

from benchmarks.overhead import POLICY
from benchmarks.processes import free_port, serving
from benchmarks.results import environment
from benchmarks.upstream import upstream
from guard.store import open_store, schema
from guard.store.connecting import reading

CLIENTS = 64
PATIENCE = 5.0
"""Seconds after which a client says the same again, with the same idempotency key."""


class Flood:
    """Posts at a rate; what was not acknowledged is said again until it is, as a client with a queue of its own does."""

    def __init__(self, address: str, token: str, exchange: str) -> None:
        self.acknowledged: dict[str, str] = {}
        self.statuses: Counter[int] = Counter()
        self.latencies: list[float] = []
        self._address = address
        self._said = {"exchange": exchange, "token": token, "thumb": "up"}

    async def run(self, rate: float, seconds: float, halfway: Any) -> None:
        """Post `rate` times a second for some seconds, and call `halfway` in the middle."""
        due: asyncio.Queue[str | None] = asyncio.Queue()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE)) as session:
            clients = [asyncio.create_task(self._client(session, due)) for _ in range(CLIENTS)]
            began, sent, killed = time.perf_counter(), 0, None
            while (passed := time.perf_counter() - began) < seconds:
                while sent < rate * passed:
                    due.put_nowait(f"post-{sent}")
                    sent += 1
                if killed is None and passed > seconds / 2:
                    killed = asyncio.create_task(asyncio.to_thread(halfway))
                await asyncio.sleep(0.002)
            for _ in clients:
                due.put_nowait(None)
            await asyncio.gather(*clients)
            if killed is not None:
                await killed

    async def _client(self, session: aiohttp.ClientSession, due: asyncio.Queue[str | None]) -> None:
        while (key := await due.get()) is not None:
            began = time.perf_counter()
            while not await self._post(session, key):
                await asyncio.sleep(0.05)
            self.latencies.append(time.perf_counter() - began)

    async def _post(self, session: aiohttp.ClientSession, key: str) -> bool:
        try:
            async with session.post(f"{self._address}/guard/feedback", json={**self._said, "idempotency_key": key}) as answer:
                self.statuses[answer.status] += 1
                if answer.status not in (200, 202):
                    return False
                (self.acknowledged[key],) = (await answer.json())["kinds"].values()
                return True
        except (aiohttp.ClientError, TimeoutError):
            self.statuses[0] += 1
            return False


class Server:
    """A guard that is killed and started again on the same port."""

    def __init__(self, command: list[str], port: int) -> None:
        self._command, self._port = command, port
        self._running: Any = None
        self._process = 0

    def start(self) -> None:
        """Start it."""
        self._running = serving(self._command, self._port, env=_environment())
        self._process = self._running.__enter__()

    def stop(self) -> None:
        """End it in peace."""
        self._running.__exit__(None, None, None)

    def kill(self) -> None:
        """Kill one of its workers, or itself where it has none, and start it again."""
        workers = subprocess.run(["pgrep", "-P", str(self._process)], capture_output=True, text=True, check=False).stdout.split()
        os.kill(int(workers[0]) if workers else self._process, signal.SIGKILL)
        if not workers:
            self.stop()
            self.start()


def main() -> None:
    """Do it, print what came of it, and end with 1 where something was lost or is there twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", default="", help="URL of a store that is empty; a SQLite file of its own where not said")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--rate", type=float, default=1_000, help="posts a second")
    parser.add_argument("--seconds", type=float, default=10.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, upstream(chunks=1) as url:
        store = asked.store or f"{folder}/store.db"
        port = free_port()
        command = [
            sys.executable,
            "-c",
            "from guard.cli.main import main; main()",
            "serve",
            "--policy",
            POLICY,
            "--upstream",
            url,
        ]
        command += ["--port", str(port), "--store", store, "--feedback-rate", "off", "--workers", str(asked.workers)]
        with _running(Server(command, port)) as server:
            exchange, token = asyncio.run(_exchange(f"http://127.0.0.1:{port}"))
            flood = Flood(f"http://127.0.0.1:{port}", token, exchange)
            asyncio.run(flood.run(asked.rate, asked.seconds, server.kill))
        lost, rows = _compared(store, flood.acknowledged)
    latencies = sorted(flood.latencies)
    print(
        f"{len(flood.acknowledged):,} posts acknowledged at {asked.rate:,.0f} a second, {lost} lost, {rows:,} rows; "
        f"answers {dict(flood.statuses)} (0: no answer); p50 {1000 * latencies[len(latencies) // 2]:.1f} ms, "
        f"longest {latencies[-1]:.1f} s\n{environment()}"
    )
    sys.exit(lost > 0 or rows != len(flood.acknowledged))


@contextmanager
def _running(server: Server) -> Iterator[Server]:
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("TENET_")}


async def _exchange(address: str) -> tuple[str, str]:
    said = {"model": "m", "messages": [{"role": "user", "content": "Tell me of rivers."}]}
    async with aiohttp.ClientSession() as session, session.post(f"{address}/v1/chat/completions", json=said) as answer:
        return answer.headers["x-guard-exchange"], answer.headers["x-guard-feedback-token"]


def _compared(url: str, acknowledged: dict[str, str]) -> tuple[int, int]:
    """Return how many acknowledged posts the store lacks, and how many rows it has."""
    from sqlalchemy import func, select

    store = open_store(url)
    try:
        with reading(store.engine) as connection:
            there = set(connection.execute(select(schema.feedback.c.id)).scalars())
            rows = connection.execute(select(func.count()).select_from(schema.feedback)).scalar_one()
    finally:
        store.close()
    return len(set(acknowledged.values()) - there), rows


if __name__ == "__main__":
    main()
