"""A PostgreSQL of the test's own: a cluster in a folder, on loopback, that can be killed and started again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest


class PostgresServer:
    """One cluster."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def create(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(self._folder, "postgres", "postgres")
        self._run("initdb", "--auth=trust", "--username=tenet", "--no-sync", "--encoding=UTF8", "-D", str(self._data))

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self._folder} -c max_connections=60"
        self._run("pg_ctl", "-D", str(self._data), "-w", "-t", "30", "-l", str(self._folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self._data), "-w", "-m", "fast", "stop")

    def kill(self) -> None:
        """Kill it as a power cut would: every process, at once."""
        leader = int((self._data / "postmaster.pid").read_text().split()[0])
        os.kill(leader, signal.SIGQUIT)  # immediate shutdown: no checkpoint, recovery at the next start
        self._run("pg_ctl", "-D", str(self._data), "-w", "-m", "immediate", "stop", check=False)

    def database(self, name: str) -> str:
        """Make a database; return its URL."""
        self._run(
            "psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "tenet", "-d", "postgres", "-qc", f"CREATE DATABASE {name}"
        )
        return f"postgresql+psycopg://tenet@127.0.0.1:{self.port}/{name}"

    def _run(self, program: str, *arguments: str, check: bool = True) -> None:
        command = [_found(program), *arguments]
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *command]
        subprocess.run(command, check=check, capture_output=True, timeout=60, cwd=self._folder)


def _found(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
        path = str(versions[-1]) if versions else None
    if path is None and not os.environ.get("TENET_CI"):
        pytest.skip("these tests need PostgreSQL (Debian: apt-get install postgresql)")
    assert path, "these tests need PostgreSQL (Debian: apt-get install postgresql)"
    return path
