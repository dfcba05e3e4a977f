"""What the embedded classifier costs: its two stages against raw onnxruntime, and against pipelines of the kind that others ship.

    python -m benchmarks.embedded

The rivals are of the same architecture as the models that they load from a hub, with random weights, since no hub is reached here
and the time does not depend on what the weights say: Detoxify's own code on BERT-base (`original`), and transformers' pipeline on
DeBERTa-v3-base and RoBERTa-base, as LLM Guard's scanners for injections and for toxicity run it (they need both; Tenet's stages
give all categories at once). The texts are our own examples. One text at a time, and all at once; every one uses as many
threads as there are cores, except where a row says otherwise.
"""

from __future__ import annotations

import json
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import environment, table, write
from guard.detectors import embedded
from guard.detectors.embedded_stages import ENCODER, Stages
from guard.detectors.encoder_stage import tokens_of
from guard.runtime.cores import available_cores

ROOT = Path(__file__).parent.parent
OWN = ROOT / "alignment/classifiers/own"
VOCABULARY = ROOT / "guard/detectors/models/wordpiece.txt"
TEXTS = 200
ROUNDS = 3
BATCH = 32
LABELS = ["toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack"]

Run = Callable[[list[str]], Any]


def main() -> None:
    texts = sample(TEXTS)
    with tempfile.TemporaryDirectory() as folder:
        runners = {**ours(), **rivals(Path(folder))}
        for run in runners.values():
            run(texts[:4])
        single: dict[str, float] = {}
        seconds: dict[str, list[float]] = {name: [] for name in runners}
        for _ in range(ROUNDS):  # in turn, so that other work on the machine meets all of them
            for name, run in runners.items():
                seconds[name].append(timed(run, texts))
        for name, run in runners.items():
            single[name] = float(np.median([timed(run, [text]) for text in texts[:100]]))
    report(single, seconds)


def sample(count: int) -> list[str]:
    """Return our own examples by chance, the same in every run."""
    lines = [line for file in sorted(OWN.glob("*.jsonl")) for line in file.read_text(encoding="utf-8").splitlines()]
    return [json.loads(line)["text"] for line in random.Random(1).sample(lines, count)]


def ours() -> dict[str, Run]:
    """Return both stages, each alone and together, and the second one's weights under raw onnxruntime."""
    classifier = embedded.make("embedded", {})
    stages = Stages("embedded")
    return {
        "embedded: both stages, one thread": classifier.scores,
        "first stage alone, one thread": stages.linear.scores,
        "second stage alone, one thread": stages.encoder().scores,
        "raw onnxruntime, second stage's weights, one thread": raw_runner(),
    }


def raw_runner() -> Run:
    """Return what runs the second stage's weights on texts of one window, tokens made ready before the clock starts."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(ENCODER), settings, providers=["CPUExecutionProvider"])
    ready: dict[str, np.ndarray[Any, Any]] = {}

    def run(texts: list[str]) -> None:
        for text in texts:
            ids = ready.setdefault(text, np.array([[101, *tokens_of(text)[:160], 102]], dtype=np.int64))
            session.run(None, {"ids": ids, "mask": np.ones_like(ids), "judged": np.ones_like(ids)})

    for text in sample(TEXTS):
        run([text])
    return run


def rivals(folder: Path) -> dict[str, Run]:
    """Return pipelines of the size that others ship."""
    from transformers import DebertaV2Config, RobertaConfig

    deberta = pipeline(folder, DebertaV2Config(vocab_size=128_100, hidden_size=768, num_hidden_layers=12, num_attention_heads=12))
    roberta = pipeline(folder, RobertaConfig(vocab_size=50_265, max_position_embeddings=514, type_vocab_size=1))
    return {
        "Detoxify (BERT-base)": detoxify(folder),
        "LLM Guard's injection model (DeBERTa-v3-base)": deberta,
        "LLM Guard's toxicity model (RoBERTa-base)": roberta,
    }


def detoxify(folder: Path) -> Run:
    """Return Detoxify on a checkpoint of its format."""
    import torch
    from detoxify import Detoxify
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(num_labels=len(LABELS))
    tokenizer(folder)
    config.save_pretrained(folder)
    arguments = {
        "model_type": str(folder),
        "model_name": "BertForSequenceClassification",
        "tokenizer_name": "BertTokenizer",
        "num_classes": len(LABELS),
    }
    checkpoint = {
        "config": {"arch": {"args": arguments}, "dataset": {"args": {"classes": LABELS}}},
        "state_dict": BertForSequenceClassification(config).state_dict(),
    }
    torch.save(checkpoint, folder / "detoxify.ckpt")
    model = Detoxify(checkpoint=str(folder / "detoxify.ckpt"))
    return lambda texts: [model.predict(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]


def pipeline(folder: Path, config: Any) -> Run:
    """Return transformers' own pipeline on a model of this configuration."""
    from transformers import AutoModelForSequenceClassification
    from transformers import pipeline as make

    model = AutoModelForSequenceClassification.from_config(config).eval()
    run = make("text-classification", model=model, tokenizer=tokenizer(folder), truncation=True, max_length=512)
    return lambda texts: run(texts, batch_size=BATCH)


def tokenizer(folder: Path) -> Any:
    from transformers import BertTokenizerFast

    (folder / "vocab.txt").write_text(VOCABULARY.read_text(encoding="utf-8"), encoding="utf-8")
    made = BertTokenizerFast(vocab=str(folder / "vocab.txt"), model_max_length=512)
    made.save_pretrained(folder)
    return made


def timed(run: Run, texts: list[str]) -> float:
    started = time.perf_counter()
    run(texts)
    return time.perf_counter() - started


def report(single: dict[str, float], seconds: dict[str, list[float]]) -> None:
    """Write down the best round of each: other work on the machine only ever takes time away."""
    speeds = {name: TEXTS / min(values) for name, values in seconds.items()}
    fastest = max(speeds[name] for name in speeds if name.startswith(("Detoxify", "LLM")))
    rows = [[name, f"{single[name] * 1000:.2f}", f"{speeds[name]:.0f}", f"{speeds[name] / fastest:.1f}"] for name in speeds]
    text = table(["", "one text, ms (median)", "texts/s", "ratio to the fastest rival"], rows)
    note = f"{TEXTS} texts of our own examples, the best of {ROUNDS} rounds in turn, {available_cores()} cores. {environment()}"
    found = {
        "milliseconds": {name: 1000 * value for name, value in single.items()},
        "texts_per_second": speeds,
        "seconds": seconds,
    }
    write("embedded", {**found, "about": note}, f"{text}\n{note}\n")


if __name__ == "__main__":
    main()
