"""How much feedback does a server take in, and what does a store cost on the request path?

`python -m benchmarks.feedback [--seconds N]` prints posts a second, each acknowledged after its commit, by a key and by an
exchange's own token, and exchanges a second with the store off and on, in one run; it writes `benchmarks/results/feedback.md`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from http.client import HTTPConnection

import msgspec

from benchmarks.load import Load, chat_request, load
from benchmarks.overhead import POLICY
from benchmarks.processes import free_port, serving
from benchmarks.results import environment, table, write
from benchmarks.upstream import upstream
from guard.store import open_store

CONNECTIONS = 64
"""Clients that give feedback at the same time."""
WORDS = "The second sentence is not what the page says; it should have named the year."
_OFF, _ON, _COMMIT = "store off", "store on", "store on, every answer waits for its commit"
_COMMITTING = "extends: {policy}\nversion: 1\nname: committing\nstore: {{durability: commit}}\n"


def main() -> None:
    """Measure everything and write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each load")
    seconds = parser.parse_args().seconds
    with upstream(chunks=1) as url:
        posts = _posts(url, seconds)
        path = {name: _exchanges(name, url, seconds) for name in (_OFF, _ON, _COMMIT)}
    given = [
        [name, f"{seen.per_second:,.0f}", f"{seen.p50:.1f}", f"{seen.p99:.1f}", str(seen.failed)] for name, seen in posts.items()
    ]
    first = table([f"feedback, {CONNECTIONS} connections", "posts/s", "p50 ms", "p99 ms", "failed"], given)
    base = path[_OFF].per_second
    rows = [
        [name, f"{seen.per_second:,.0f}", f"{seen.p50:.2f}", f"{seen.p99:.2f}", f"{seen.per_second / base:.2f}", str(seen.failed)]
        for name, seen in path.items()
    ]
    second = table(["exchanges, 8 connections", "exchanges/s", "p50 ms", "p99 ms", "of store off", "failed"], rows)
    values = {part: {name: asdict(seen) for name, seen in found.items()} for part, found in (("posts", posts), ("path", path))}
    write("feedback", values, f"{first}\n{second}\n{environment()}\n")


def _posts(url: str, seconds: float) -> dict[str, Load]:
    with tempfile.TemporaryDirectory() as folder:
        store = f"{folder}/store.db"
        opened = open_store(store)
        key = opened.keys.create("", ["caller"]).text
        opened.close()
        with _server(url, POLICY, "--store", store) as port:
            exchange, token = _exchange(port)
            said = {"exchange": exchange, "thumb": "down", "comment": WORDS}
            where = f"http://127.0.0.1:{port}/guard/feedback"
            by_key = {"x-guard-key": key}
            with_token = msgspec.json.encode({**said, "token": token})
            load(where, with_token, connections=CONNECTIONS, seconds=1)
            return {
                "by a key": load(where, msgspec.json.encode(said), connections=CONNECTIONS, seconds=seconds, headers=by_key),
                "by the exchange's own token": load(where, with_token, connections=CONNECTIONS, seconds=seconds),
            }


def _exchanges(name: str, url: str, seconds: float) -> Load:
    with tempfile.TemporaryDirectory() as folder:
        policy = POLICY
        if name == _COMMIT:
            policy = f"{folder}/committing.yaml"
            with open(policy, "w", encoding="utf-8") as file:
                file.write(_COMMITTING.format(policy=POLICY))
        options = () if name == _OFF else ("--store", f"{folder}/store.db")
        with _server(url, policy, *options) as port:
            where = f"http://127.0.0.1:{port}/v1/chat/completions"
            load(where, chat_request(), seconds=1)
            return load(where, chat_request(), seconds=seconds)


@contextmanager
def _server(url: str, policy: str, *options: str) -> Iterator[int]:
    port = free_port()
    command = ["serve", "--policy", policy, "--upstream", url, "--port", str(port), *options]
    with serving([sys.executable, "-c", "from guard.cli.main import main; main()", *command], port, env=_environment()):
        yield port


def _environment() -> Mapping[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("TENET_")}


def _exchange(port: int) -> tuple[str, str]:
    """Return an exchange that has happened, and its token."""
    connection = HTTPConnection("127.0.0.1", port)
    connection.request("POST", "/v1/chat/completions", chat_request(), {"content-type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.headers["x-guard-exchange"], answer.headers["x-guard-feedback-token"]


if __name__ == "__main__":
    main()
