"""A Redis of the test's own, on a socket in its folder."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """Run `redis-server`; gives its URL. `.ci/run` installs it."""
    program = shutil.which("redis-server")
    assert program, "these tests need redis-server (Debian: apt-get install redis-server)"
    socket = folder / "redis.sock"
    command = [program, "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert any("ready to accept connections" in line.lower() for line in process.stdout), "redis-server did not start"
        yield f"unix://{socket}"
    finally:
        process.terminate()
        process.communicate(timeout=10)
