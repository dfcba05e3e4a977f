"""Put a load of equal requests on a server, with `wrk` where it is installed, else with a plain loop of its own."""

from __future__ import annotations

import asyncio
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httptools
import msgspec


@dataclass(frozen=True, slots=True)
class Load:
    """What a load saw; `p50` to `p99` are latencies in milliseconds, `failed` counts broken and non-2xx answers."""

    per_second: float
    p50: float
    p90: float
    p99: float
    done: int
    failed: int


def chat_request(*, stream: bool = False, text: str = "Tell me how a garden is kept through the year, please.") -> bytes:
    """Return a chat request's body."""
    return msgspec.json.encode({"model": "scripted", "messages": [{"role": "user", "content": text}], "stream": stream})


def load(url: str, body: bytes, *, connections: int = 8, seconds: float = 4.0, headers: Mapping[str, str] | None = None) -> Load:
    """POST `body` to `url` over and over on `connections` connections at once, and return what came of it."""
    every = {"content-type": "application/json", **(headers or {})}
    return (_wrk if shutil.which("wrk") else _loop)(url, body, connections, seconds, every)


_SCRIPT = """
wrk.method = "POST"
local file = io.open(%s, "rb")
wrk.body = file:read("*a")
file:close()
%s
done = function(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("\\nRESULT %%d %%d %%d %%d %%d %%d\\n", summary.requests, failed, summary.duration,
    latency:percentile(50), latency:percentile(90), latency:percentile(99)))
end
"""


def _wrk(url: str, body: bytes, connections: int, seconds: float, headers: Mapping[str, str]) -> Load:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "body").write_bytes(body)
        script = Path(folder) / "post.lua"
        lines = "\n".join(f"wrk.headers[{_lua(name)}] = {_lua(value)}" for name, value in headers.items())
        script.write_text(_SCRIPT % (_lua(f"{folder}/body"), lines))
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", str(script), url]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    done, failed, micros, *percentiles = map(int, output.rsplit("RESULT", 1)[1].split())
    p50, p90, p99 = (value / 1000 for value in percentiles)
    return Load(done / micros * 1e6, p50, p90, p99, done, failed)


def _lua(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _loop(url: str, body: bytes, connections: int, seconds: float, headers: Mapping[str, str]) -> Load:
    address = urlsplit(url)
    lines = [f"POST {address.path or '/'} HTTP/1.1", f"host: {address.netloc}", f"content-length: {len(body)}"]
    head = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""])
    return asyncio.run(_measure(address.hostname or "", address.port or 80, head.encode() + body, connections, seconds))


async def _measure(host: str, port: int, request: bytes, connections: int, seconds: float) -> Load:
    began = time.perf_counter()
    latencies: list[float] = []
    statuses: list[int] = []
    await asyncio.gather(*(_client(host, port, request, began + seconds, latencies, statuses) for _ in range(connections)))
    took = time.perf_counter() - began
    cuts = statistics.quantiles(latencies, n=100) if len(latencies) > 1 else [0.0] * 99
    failed = sum(not 200 <= status < 300 for status in statuses)
    return Load(len(latencies) / took, cuts[49], cuts[89], cuts[98], len(latencies), failed)


async def _client(host: str, port: int, request: bytes, end: float, latencies: list[float], statuses: list[int]) -> None:
    """Ask until `end`, or until the server hangs up, which counts as status 0."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        while (began := time.perf_counter()) < end:
            writer.write(request)
            statuses.append(await _status(reader))
            latencies.append(1000 * (time.perf_counter() - began))
    except ConnectionError:
        statuses.append(0)
    finally:
        writer.close()


async def _status(reader: asyncio.StreamReader) -> int:
    """Return the status of the next answer, read to its end."""
    end = _End()
    parser = httptools.HttpResponseParser(end)
    while not end.reached:
        data = await reader.read(65536)
        if not data:
            raise ConnectionResetError("the server hung up")
        parser.feed_data(data)
    return int(parser.get_status_code())


class _End:
    reached = False

    def on_message_complete(self) -> None:
        self.reached = True
