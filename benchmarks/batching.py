"""What batches and the cache save: 64 streams at a time, judged by a MiniLM-L6, with and without.

    python -m benchmarks.batching

Every answer is guarded as it comes (`Guard.guard_stream`), window by window. Half of the answers are the same few texts, as
behind a chat with suggested questions; the other half are all different.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import median, quantiles

from benchmarks.onnx_runtime import export, sample
from benchmarks.results import environment, table, write
from guard.detectors.registry import kinds
from guard.engine import Guard, new_exchange
from guard.policy.load import loads
from guard.runtime.served import Served

STREAMS = 64
PIECE = 12
ROUNDS = 3
POPULAR = 8
VARIANTS = {
    "one text a call, no cache": "batch: 1, cache: false",
    "batches, no cache": "batch: 32, cache: false",
    "batches and cache": "batch: 32",
}
POLICY = """
version: 1
name: measured
defaults: {{timeout: 120}}
detectors:
  tone: {{use: onnx, model: {folder}, runtime: {{{runtime}}}}}
rules:
  - {{id: tone, on: output, detect: tone, category: toxicity, threshold: 1, action: block}}
"""


def main() -> None:
    found: dict[str, list[tuple[float, float, int]]] = {name: [] for name in VARIANTS}
    with tempfile.TemporaryDirectory() as folder:
        export(Path(folder))
        for number in range(ROUNDS):  # in turn, so that other work on the machine meets all of them
            for name, runtime in VARIANTS.items():
                guard = Guard(loads(POLICY.format(folder=folder, runtime=runtime), kinds()))
                guard.prepare()
                found[name].append(asyncio.run(streams(guard, answers(number))))
    report(found)


def answers(seed: int) -> list[str]:
    """Return what the generator says in each stream."""
    texts = sample(4 * STREAMS)
    chosen = random.Random(seed)
    popular = texts[:POPULAR]
    return [chosen.choice(popular) if number % 2 else " ".join(chosen.sample(texts, 2)) for number in range(2 * STREAMS)]


async def streams(guard: Guard, texts: list[str]) -> tuple[float, float, int]:
    """Guard all of them, 64 at a time; return streams a second, the 99th percentile of their seconds, and calls of the model."""
    durations: list[float] = []
    pending = iter(texts)

    async def client() -> None:
        for text in pending:
            began = time.perf_counter()
            left = [piece async for piece in guard.guard_stream(pieces(text), new_exchange(), lambda _decision: "refused")]
            assert "".join(left) == text
            durations.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(STREAMS)))
    seconds = time.perf_counter() - began
    tone = guard.detectors["tone"]
    assert isinstance(tone, Served)
    return len(texts) / seconds, quantiles(durations, n=100)[98], tone.counts.calls


async def pieces(text: str) -> AsyncIterator[str]:
    for start in range(0, len(text), PIECE):
        yield text[start : start + PIECE]
        await asyncio.sleep(0)


def report(found: dict[str, list[tuple[float, float, int]]]) -> None:
    first = found[next(iter(VARIANTS))]
    rows = []
    for name, rounds in found.items():
        speed, slowest, calls = (median(values) for values in zip(*rounds, strict=True))
        ratio = median(each[0] / base[0] for each, base in zip(rounds, first, strict=True))
        rows.append([name, f"{speed:.1f}", f"{slowest:.2f}", f"{calls:.0f}", f"{ratio:.1f}"])
    text = table([f"{STREAMS} streams at a time", "streams/s", "p99, s", "calls of the model", "throughput, ratio"], rows)
    note = f"{2 * STREAMS} streams a round, median of {ROUNDS} rounds in turn. {environment()}"
    write("batching", {"rounds": found, "about": note}, f"{text}\n{note}\n")


if __name__ == "__main__":
    main()
