"""Which HTTP client should carry the streaming proxy? A bare relay on each, in front of one upstream, in one run.

`python -m benchmarks.http_clients` makes a virtual environment for the candidates under the system's temporary folder, prints a
table of ratios to httpx, and writes it to `benchmarks/results/http_clients.{json,md}`. Every client is measured in two rounds of
short loads, one load at a time; about two minutes in all.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.clients import CLIENTS
from benchmarks.load import Load, chat_request, load
from benchmarks.processes import ROOT, free_port, serving, uvicorn
from benchmarks.results import environment, table, write
from benchmarks.upstream import upstream

BASELINE = "httpx"
CHUNKS = 100
ROUNDS = 2

_NO_CLIENT = "nothing"
_SERVER = ("uvicorn", "uvloop", "httptools", "msgspec")


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found out about one client.

    Attributes:
        whole: 8 connections, answers of 1 KB.
        stream: 1 connection, answers of 100 chunks, which the upstream writes one by one.
        streams: The same on 8 connections.
        memory: Resident megabytes of the relay after these loads.
        packages: Distributions that the client needs, itself included.
        hang_up: Milliseconds from a cancellation until the upstream sees it, or `never`.
    """

    client: str
    version: str
    whole: Load
    stream: Load
    streams: Load
    memory: int
    packages: int
    hang_up: str


def main() -> None:
    """Measure every client and write the table."""
    python = _environment()
    with upstream(chunks=CHUNKS) as url:
        direct = load(f"{url}/v1/chat/completions", chat_request(), seconds=2)
        rounds = [{client: _measure(python, url, client) for client in CLIENTS} for _ in range(ROUNDS)]
    found = [_best(python, client, [measured[client] for measured in rounds]) for client in CLIENTS]
    base = next(one for one in found if one.client == BASELINE)
    columns = ["client", "version", "exchanges/s", f"ratio to {BASELINE}", "p99 ms", "100-chunk stream, ms", "ratio",
               "streams/s, 8 conn.", "ratio", "RSS MB", "packages", "cancel seen, ms"]  # fmt: skip
    rows = [_row(one, base) for one in sorted(found, key=lambda one: -one.whole.per_second)]
    notes = f"Asked directly, the upstream answered {direct.per_second:,.0f} exchanges/s. {environment()}"
    write(
        "http_clients",
        {"direct": asdict(direct), "clients": [asdict(one) for one in found]},
        f"{table(columns, rows)}\n{notes}\n",
    )


class _Round(NamedTuple):
    whole: Load
    stream: Load
    streams: Load
    memory: int


def _measure(python: str, upstream_url: str, client: str) -> _Round:
    port = free_port()
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    variables = {**os.environ, "UPSTREAM": upstream_url, "CLIENT": client}
    with serving(uvicorn(python, "benchmarks.relays:relay", port), port, env=variables) as process:
        load(url, chat_request(), seconds=1)
        whole = load(url, chat_request(), seconds=2)
        stream = load(url, chat_request(stream=True), connections=1, seconds=1)
        streams = load(url, chat_request(stream=True), seconds=2)
        memory = int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text())[0]) // 1024
    return _Round(whole, stream, streams, memory)


def _best(python: str, client: str, rounds: list[_Round]) -> Measured:
    """Take the best of the rounds: what disturbs a measurement only ever makes it slower."""
    version, packages = _packages(python, client) if client != _NO_CLIENT else ("", 0)
    return Measured(
        client=client,
        version=version,
        whole=max((one.whole for one in rounds), key=lambda one: one.per_second),
        stream=min((one.stream for one in rounds), key=lambda one: one.p50),
        streams=max((one.streams for one in rounds), key=lambda one: one.per_second),
        memory=max(one.memory for one in rounds),
        packages=packages,
        hang_up=_hang_up(python, client) if client != _NO_CLIENT else "",
    )


def _row(one: Measured, base: Measured) -> list[str]:
    return [
        "(answered from memory)" if one.client == _NO_CLIENT else one.client,
        one.version,
        f"{one.whole.per_second:,.0f}" + (f" ({one.whole.failed} failed)" if one.whole.failed else ""),
        f"{one.whole.per_second / base.whole.per_second:.2f}",
        f"{one.whole.p99:.2f}",
        f"{one.stream.p50:.2f}",
        f"{one.stream.p50 / base.stream.p50:.2f}",
        f"{one.streams.per_second:,.0f}" + (f" ({one.streams.failed} failed)" if one.streams.failed else ""),
        f"{one.streams.per_second / base.streams.per_second:.2f}",
        str(one.memory),
        str(one.packages),
        one.hang_up,
    ]


def _environment() -> str:
    """Return the Python of a virtual environment that holds every candidate; it is kept for the next run."""
    folder = Path(tempfile.gettempdir()) / "http_clients" / "venv"
    python = str(folder / "bin" / "python")
    if not Path(python).exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    candidates = [name for name in CLIENTS if name != _NO_CLIENT]
    subprocess.run([python, "-m", "pip", "install", "-q", *_SERVER, *candidates], check=True, stderr=subprocess.DEVNULL)
    return python


def _packages(python: str, client: str) -> tuple[str, int]:
    command = [python, "-m", "pip", "install", "-q", "--dry-run", "--ignore-installed", "--report", "-", client]
    output = subprocess.run(command, check=True, capture_output=True).stdout
    installs = msgspec.json.decode(output)["install"]
    version = next(one["metadata"]["version"] for one in installs if one["metadata"]["name"].lower() == client)
    return version, len(installs)


def _hang_up(python: str, client: str) -> str:
    command = [python, "-m", "benchmarks.hang_up", client]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return output.split()[-1]


if __name__ == "__main__":
    main()
