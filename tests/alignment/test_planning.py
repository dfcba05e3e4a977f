"""What a step takes, before it starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from alignment.models.loading import load
from alignment.recipe.planning import plan, would_fit
from alignment.training.settings import Dpo, Grpo, LoraSettings, ModelSettings, Sft

pytestmark = pytest.mark.filterwarnings("default")


def test_parameters_are_counted_without_loading_the_weights(tiny_model: Path):
    model = ModelSettings(path=str(tiny_model))
    (weights,) = tiny_model.glob("*.safetensors")
    found = plan(Sft(lora=None), model, timed=False)
    assert found.parameters == found.trained == load(model).model.num_parameters()
    assert abs(found.bytes["weights"] - weights.stat().st_size) < 0.05 * weights.stat().st_size
    assert 0 < plan(Sft(lora=LoraSettings(rank=4)), model, timed=False).trained < found.parameters


def test_what_methods_need_beside_the_model_is_counted(tiny_model: Path):
    model = ModelSettings(path=str(tiny_model))
    assert "reference" not in plan(Dpo(), model, timed=False).bytes
    full = plan(Dpo(lora=None), model, timed=False)
    assert full.bytes["reference"] == full.bytes["weights"]
    assert plan(Dpo(lora=None), model, devices=4, timed=False).bytes["optimizer"] == full.bytes["optimizer"] // 4
    assert plan(Grpo(), model, timed=False).bytes["sampling"] > 0


def test_what_does_not_fit_is_refused_with_what_would(tiny_model: Path, tmp_path: Path):
    model = ModelSettings(path=str(tiny_model))
    step = Dpo(lora=None, batch_size=4096, max_length=512)
    found = plan(step, model, timed=False)
    small = msgspec.structs.replace(step, batch_size=4)
    assert plan(small, model, timed=False).total < found.total / 20
    fitting = dict(would_fit(step, model, found))
    assert fitting["batch_size: 1, gradient_accumulation: 4096"].total < found.total / 50
    assert "all of these" in fitting
    (tmp_path / "r.yaml").write_text(
        f"version: 1\nname: big\nmodel: {{path: {tiny_model}}}\n"
        "steps: [{method: dpo, data: d, lora: null, batch_size: 4096, max_length: 1000000}]\n"
    )
    command = [sys.executable, "-c", "from alignment.cli import main; main()", "train", str(tmp_path / "r.yaml"), "--plan"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr
    assert "does not fit" in done.stdout
