"""Start a server in a process of its own, and stop it again."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout, in which the servers are started."""


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def serving(command: Sequence[str], port: int, *, patience: float = 60.0, env: Mapping[str, str] | None = None) -> Iterator[int]:
    """Run `command`, which is to listen on `port`, until the block ends; yields its process id.

    Raises:
        RuntimeError: It ended, or did not listen within `patience` seconds; with the last lines that it wrote.
    """
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, env=env)
        try:
            if not _listens(process, port, patience):
                output.seek(0)
                raise RuntimeError(f"{' '.join(command)} did not start:\n{output.read().decode(errors='replace')[-2000:]}")
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def uvicorn(python: str, app: str, port: int) -> list[str]:
    """Return the command that serves `app`, a factory, with the fastest parser and loop, in one process, without a log."""
    options = ["--http", "httptools", "--loop", "uvloop", "--no-access-log", "--log-level", "warning", "--port", str(port)]
    return [python, "-m", "uvicorn", app, "--factory", *options]


def _listens(process: subprocess.Popen[bytes], port: int, patience: float) -> bool:
    give_up = time.monotonic() + patience
    while time.monotonic() < give_up and process.poll() is None:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.05)
    return False
