"""Serve by several processes: one socket that they share, a parent that starts them, hands on signals and replaces who dies.

Each worker is the same command once more, told by the environment which socket to serve. The first one brings the store up to
date and makes its first key before the others start, so that no two do either.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from guard.cli.listening import listen
from guard.errors import TenetError

_VARIABLE = "TENET_WORKER"
_SAME = "from guard.cli import main; main()"
_PROMPT_SECONDS = 5.0
"""A worker that dies sooner than this after its start counts as one that cannot start."""
_MOST_FAILURES = 5
_DRAIN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Worker:
    """What a process knows of being a worker.

    Attributes:
        listening: The socket that it shares with the others.
        speaks: Whether it is the one that says what is served.
    """

    listening: socket.socket
    speaks: bool
    ready: int

    def tell_ready(self) -> None:
        """Tell the parent that it serves."""
        os.write(self.ready, b"!")
        os.close(self.ready)


def this_worker() -> Worker | None:
    """Return what this process is told of being a worker; None where it is none."""
    told = os.environ.pop(_VARIABLE, "")
    if not told:
        return None
    listening, ready, speaks = (int(number) for number in told.split(","))
    return Worker(socket.socket(fileno=listening), bool(speaks), ready)


def supervise(count: int, host: str, port: int, command: Sequence[str] | None = None) -> int:
    """Run `count` workers until this process is told to end; return its exit status.

    Args:
        command: What a worker runs; this very command, where not said.

    Raises:
        TenetError: Where it cannot listen, or workers die one after the other as they start.
    """
    with listen(host, port) as listening:
        return _Crew(count, listening, command or [sys.executable, "-c", _SAME, *sys.argv[1:]]).run()


class _Crew:
    """The workers of one parent."""

    def __init__(self, count: int, listening: socket.socket, command: Sequence[str]) -> None:
        self._count = count
        self._listening = listening
        self._command = command
        self._workers: dict[subprocess.Popen[bytes], float] = {}
        self._ending = 0
        self._failures = 0

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        signal.signal(signal.SIGHUP, self._hand_on)
        first = self._start(speaks=True)
        status = self._await(first)
        if status is not None:
            return status  # it has said why
        while not self._ending:
            while len(self._workers) < self._count and not self._ending:
                self._await(self._start(speaks=False))
            self._look_after()
        return self._drain()

    def _start(self, *, speaks: bool) -> subprocess.Popen[bytes]:
        heard, said = os.pipe()
        fds = (self._listening.fileno(), said)
        told = f"{fds[0]},{said},{int(speaks)}"
        worker = subprocess.Popen(  # noqa: S603 - this very command
            self._command, env={**os.environ, _VARIABLE: told}, pass_fds=fds, process_group=0
        )
        os.close(said)
        self._workers[worker] = time.monotonic()
        self._heard = heard
        return worker

    def _await(self, worker: subprocess.Popen[bytes]) -> int | None:
        """Return None when a worker serves, or its exit status where it ends before."""
        try:
            while not self._ending:
                if select.select([self._heard], [], [], 0.2)[0]:
                    if os.read(self._heard, 1):
                        return None
                    return self._gone(worker)
            return None
        finally:
            os.close(self._heard)

    def _look_after(self) -> None:
        """Wait a moment, and take out who has died."""
        time.sleep(0.1)
        for worker in [each for each in self._workers if each.poll() is not None]:
            print(
                f"worker {worker.pid} ended with status {worker.returncode}; another one takes its place",
                file=sys.stderr,
                flush=True,
            )
            self._gone(worker)

    def _gone(self, worker: subprocess.Popen[bytes]) -> int:
        lived = time.monotonic() - self._workers.pop(worker)
        status = worker.wait()
        self._failures = self._failures + 1 if lived < _PROMPT_SECONDS else 0
        if self._failures >= _MOST_FAILURES:
            self._drain()
            raise TenetError(f"{self._failures} workers ended as they started, the last with status {status}: nothing is served")
        return status

    def _end(self, number: int, _frame: object) -> None:
        self._ending = number

    def _hand_on(self, number: int, _frame: object) -> None:
        for worker in self._workers:
            worker.send_signal(number)

    def _drain(self) -> int:
        """Have all workers finish what they serve, and end."""
        for worker in self._workers:
            worker.send_signal(signal.SIGTERM)
        until = time.monotonic() + _DRAIN_SECONDS
        for worker in self._workers:
            try:
                worker.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        return 128 + self._ending if self._ending == signal.SIGTERM else 0
