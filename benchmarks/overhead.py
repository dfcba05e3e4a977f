"""What does the guard cost? An app with and without its middleware, a proxy with and without it, and LiteLLM's proxy, in one run.

`python -m benchmarks.overhead` prints each number with its ratio to a baseline of the same run, and writes
`benchmarks/results/overhead.{json,md}`. Every server is measured in two rounds, one load at a time; about two minutes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.first_token import first_tokens, pausing_upstream
from benchmarks.litellm_proxy import HEADERS, litellm_proxy
from benchmarks.load import Load, chat_request, load
from benchmarks.processes import free_port, serving, uvicorn
from benchmarks.results import environment, table, write
from benchmarks.upstream import upstream

POLICY = str(Path(__file__).parent / "policy.yaml")
"""Patterns, personal data and secrets; no classifier."""

CHUNKS = 100
FIRST_TOKENS = 300
ROUNDS = 2

_APP, _APP_GUARDED, _APP_DEFAULT = (
    "Starlette app",
    "Starlette app + GuardMiddleware",
    "Starlette app + GuardMiddleware, default policy",
)
_RELAY, _PROXY = "bare relay on aiohttp", "guard.proxy without the guard"
_SERVED, _SERVED_DEFAULT, _LITELLM = "guard serve", "guard serve, default policy", "LiteLLM's proxy + content filter"
_COMPARED = (
    (_APP, _APP),
    (_APP_GUARDED, _APP),
    (_APP_DEFAULT, _APP),
    (_RELAY, _RELAY),
    (_PROXY, _RELAY),
    (_SERVED, _RELAY),
    (_SERVED, _PROXY),
    (_SERVED, _LITELLM),
    (_SERVED_DEFAULT, _RELAY),
    (_LITELLM, _LITELLM),
)
"""What is measured, against which baseline."""


@dataclass(frozen=True, slots=True)
class Streamed:
    """Milliseconds of a streamed answer: until its first token, and until the end of one of `CHUNKS` chunks; medians."""

    first_token: float
    whole: float


def main() -> None:
    """Measure everything and write it down."""
    with upstream(chunks=CHUNKS) as url:
        rounds = [_whole_answers(url) for _ in range(ROUNDS)]
        streams = _streams(url)
    best = {name: max((one[name] for one in rounds), key=lambda seen: seen.per_second) for name in rounds[0]}
    rows = [_row(name, best[name], base, best[base]) for name, base in _COMPARED]
    exchanges = table(["8 connections, 1 KB", "exchanges/s", "p50 ms", "p99 ms", "baseline", "ratio"], rows)
    streamed = table(["streamed", "first token, ms", "added", f"{CHUNKS} chunks, ms", "ratio"], _stream_rows(streams))
    values = {
        "exchanges": {name: asdict(seen) for name, seen in best.items()},
        "streams": {name: asdict(seen) for name, seen in streams.items()},
    }
    write("overhead", values, f"{exchanges}\n{streamed}\n{environment()}\n")


def _whole_answers(url: str) -> dict[str, Load]:
    found = {}
    for name in dict.fromkeys(name for name, _ in _COMPARED):
        with _server(name, url) as served:
            headers = HEADERS if name == _LITELLM else None
            load(served, chat_request(), seconds=1, headers=headers)
            found[name] = load(served, chat_request(), seconds=3, headers=headers)
    return found


def _streams(url: str) -> dict[str, Streamed]:
    names = (_PROXY, _SERVED)
    with pausing_upstream() as pausing, ExitStack() as running:
        firsts = first_tokens([running.enter_context(_server(name, pausing)) for name in names], FIRST_TOKENS)
    found = {}
    for name, first in zip(names, firsts, strict=True):
        with _server(name, url) as served:
            seen = [load(served, chat_request(stream=True), connections=1, seconds=2) for _ in range(ROUNDS)]
        found[name] = Streamed(first, min(one.p50 for one in seen))
    return found


@contextmanager
def _server(name: str, upstream_url: str) -> Iterator[str]:
    """Run what `name` stands for in front of the upstream; yields the URL to ask."""
    if name == _LITELLM:
        with litellm_proxy(upstream_url) as url:
            yield f"{url}/v1/chat/completions"
        return
    port = free_port()
    command, variables = _command(name, upstream_url, port)
    with serving(command, port, env={**os.environ, **variables}):
        yield f"http://127.0.0.1:{port}/v1/chat/completions"


def _command(name: str, upstream_url: str, port: int) -> tuple[list[str], Mapping[str, str]]:
    if name in (_SERVED, _SERVED_DEFAULT):
        policy = "default" if name == _SERVED_DEFAULT else POLICY
        options = ["serve", "--policy", policy, "--upstream", upstream_url, "--port", str(port)]
        return [sys.executable, "-c", "from guard.cli.main import main; main()", *options], {}
    factories: dict[str, tuple[str, dict[str, str]]] = {
        _APP: ("benchmarks.apps:bare", {}),
        _APP_GUARDED: ("benchmarks.apps:guarded", {"POLICY": POLICY}),
        _APP_DEFAULT: ("benchmarks.apps:guarded", {"POLICY": "default"}),
        _RELAY: ("benchmarks.relays:relay", {"UPSTREAM": upstream_url, "CLIENT": "aiohttp"}),
        _PROXY: ("benchmarks.apps:proxy", {"UPSTREAM": upstream_url}),
    }
    factory, variables = factories[name]
    return uvicorn(sys.executable, factory, port), variables


def _row(name: str, seen: Load, base: str, baseline: Load) -> list[str]:
    failed = f" ({seen.failed} failed)" if seen.failed else ""
    ratio = seen.per_second / baseline.per_second
    return [
        name,
        f"{seen.per_second:,.0f}{failed}",
        f"{seen.p50:.2f}",
        f"{seen.p99:.2f}",
        "" if name == base else base,
        "" if name == base else f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}",
    ]


def _stream_rows(streams: Mapping[str, Streamed]) -> list[list[str]]:
    base = streams[_PROXY]
    return [
        [
            name,
            f"{seen.first_token:.2f}",
            "" if name == _PROXY else f"{seen.first_token - base.first_token:.2f}",
            f"{seen.whole:.2f}",
            f"{seen.whole / base.whole:.2f}",
        ]
        for name, seen in streams.items()
    ]


if __name__ == "__main__":
    main()
