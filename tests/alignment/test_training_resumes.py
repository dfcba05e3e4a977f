"""A run that is ended, however rudely, goes on and ends with the very weights of one that was never ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from alignment.training.checkpoints import WHOLE, latest

STEPS, EVERY = 24, 5
RUN = f"""
import sys, warnings
warnings.simplefilter("ignore")
from pathlib import Path
import torch
torch.set_num_threads(1)
from alignment.training.running import run
from alignment.training.settings import Dpo, LoraSettings, ModelSettings, Sft
from guard.errors import TenetError
kind, model, data, out = sys.argv[1:]
method = Sft if kind == "sft" else Dpo
sizes = dict(max_steps={STEPS}, checkpoint_every={EVERY}, log_every=1, batch_size=2, max_length=128)
step = method(learning_rate=1e-3, lora=LoraSettings(rank=4, dropout=0.1), **sizes)
try:
    run(step, model=ModelSettings(path=model), data=Path(data), out=Path(out), seed=5, tell=lambda line: print(line, flush=True))
except TenetError as error:
    print("told:", error, flush=True)
    sys.exit(3)
"""
PAIRS = [
    {
        "prompt": [{"role": "user", "content": f"can you help me {number}"}],
        "chosen": [{"role": "assistant", "content": f"yes take some flour {number}"}],
        "rejected": [{"role": "assistant", "content": f"no you idiot {number}"}],
    }
    for number in range(12)
]
DATA = {"dpo": PAIRS, "sft": [{"messages": [*row["prompt"], *row["chosen"]]} for row in PAIRS]}


def start(kind: str, model: Path, data: Path, out: Path) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", RUN, kind, str(model), str(data), str(out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


@pytest.fixture
def closing():
    """End and close the processes of a test."""
    with ExitStack() as stack:
        yield lambda process: stack.enter_context(process)


def until(process: subprocess.Popen, words: str) -> None:
    for line in process.stdout:
        if words in line:
            return
    raise AssertionError(f"{words}: {process.stderr.read()[-2000:]}")


def finish(process: subprocess.Popen) -> str:
    with process:
        said, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors[-2000:]
    return said


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", ["sft", "dpo"])
def test_after_a_kill_in_a_step_the_weights_are_those_of_a_run_without(kind, tiny_model, dataset, closing, tmp_path: Path):
    data = dataset(DATA[kind])
    finish(start(kind, tiny_model, data, tmp_path / "whole"))
    process = closing(start(kind, tiny_model, data, tmp_path / "cut"))
    until(process, f"step {EVERY + 2} of")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert "going on from checkpoint-" in finish(start(kind, tiny_model, data, tmp_path / "cut"))
    weights = [(tmp_path / name / "model/adapter_model.safetensors").read_bytes() for name in ("whole", "cut")]
    assert weights[0] == weights[1]
    steps = [
        [json.loads(line)["step"] for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("whole", "cut")
    ]
    assert steps[0] == steps[1]


@pytest.mark.timeout(120)
def test_told_to_end_a_run_leaves_a_checkpoint_of_the_step_under_way(tiny_model, dataset, closing, tmp_path: Path):
    data, out = dataset(DATA["sft"]), tmp_path / "out"
    process = closing(start("sft", tiny_model, data, out))
    until(process, "step 3 of")
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "told: stopped after step" in said
    kept = latest(out / "checkpoints")
    assert kept is not None
    assert 3 <= int(kept.name.rpartition("-")[2]) < STEPS
    assert f"going on from {kept.name}" in finish(start("sft", tiny_model, data, out))


def test_a_checkpoint_that_was_not_written_to_its_end_is_not_used(tmp_path: Path):
    for step, whole in ((5, True), (20, False), (10, True)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"x")
        if whole:
            (folder / WHOLE).touch()
    assert latest(tmp_path) == tmp_path / "checkpoint-10"
    assert not (tmp_path / "checkpoint-20").exists()
    assert latest(tmp_path / "nothing") is None
