"""What a step takes, before it starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from alignment.models.loading import load
from alignment.recipe import rehearsal
from alignment.recipe.counting import Target, count
from alignment.recipe.planning import plan, would_fit
from alignment.recipe.reading import SHIPPED
from alignment.recipe.spreading import Spread, spread_of
from alignment.rewards.settings import StepReward
from alignment.training.settings import Common, Distil, Dpo, Grpo, LoraSettings, ModelSettings, Reward, Sft
from guard.errors import TenetError

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
    assert plan(Grpo(), model, timed=False).bytes["KV cache"] > 0


def test_what_does_not_fit_is_refused_with_what_would(tiny_model: Path, tmp_path: Path):
    model = ModelSettings(path=str(tiny_model))
    step = Dpo(lora=None, batch_size=4096, max_length=512)
    found = plan(step, model, timed=False)
    small = msgspec.structs.replace(step, batch_size=4)
    assert plan(small, model, timed=False).total < found.total / 20
    fitting = dict(would_fit(step, model, found))
    assert fitting["batch_size: 1, gradient_accumulation: 4096"].total < found.total / 50
    assert "all of these" in fitting
    assert any("such devices" in words for words in fitting)
    (tmp_path / "r.yaml").write_text(
        f"version: 1\nname: big\nmodel: {{path: {tiny_model}}}\n"
        "steps: [{method: dpo, data: d, lora: null, batch_size: 4096, max_length: 1000000}]\n"
    )
    command = [sys.executable, "-c", "from alignment.cli import main; main()", "train", str(tmp_path / "r.yaml"), "--plan"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr
    assert "does not fit" in done.stdout


GPU = Target(gpu=True, memory=80 << 30)
ACCELERATE = SHIPPED / "accelerate"


@pytest.mark.parametrize(
    "step",
    [
        Sft(lora=None, batch_size=2, max_length=128),
        Sft(lora=LoraSettings(rank=4), batch_size=2, max_length=128),
        Sft(lora=None, batch_size=2, max_length=128, gradient_checkpointing=True),
        Reward(batch_size=1, max_length=128),
    ],
)
def test_a_rehearsal_holds_what_the_real_passes_hold(step: Common, tiny_model: Path):
    """The same passes with real numbers, counted by the same mode, so that only the lack of data differs."""
    import torch

    from alignment.recipe.counting import _config, _empty, _learning, _size

    torch.set_num_threads(1)
    model, here = ModelSettings(path=str(tiny_model)), Target(gpu=False)
    found = count(step, model, here)
    assert found.rehearsed
    real = _learning(_empty(_config(model), model, _size(model, here, trained=True), score=isinstance(step, Reward)), step, here)
    real.to_empty(device="cpu")
    with torch.no_grad():
        for parameter in real.parameters():
            parameter.normal_(std=0.02)
    held = rehearsal._held_type()()
    with held:
        rehearsal._loss(real, torch.ones(2, 128, dtype=torch.long)).backward()
    assert 0.95 * held.peak < found.gradients + found.activations < 1.35 * held.peak


def test_what_saves_memory_is_seen_to_save_it(tiny_model: Path):
    model = ModelSettings(path=str(tiny_model))
    whole = plan(Sft(lora=None, max_length=256), model, timed=False)
    again = plan(Sft(lora=None, max_length=256, gradient_checkpointing=True), model, timed=False)
    adapters = plan(Sft(max_length=256), model, timed=False)
    assert again.bytes["activations"] < whole.bytes["activations"]
    assert adapters.bytes["optimizer"] < whole.bytes["optimizer"]
    small = plan(Sft(), msgspec.structs.replace(model, quantization="4bit"), target=GPU, timed=False)
    assert small.bytes["weights"] < plan(Sft(), model, target=GPU, timed=False).bytes["weights"]


def test_twice_the_tokens_take_twice_the_activations_and_time_is_told(tiny_model: Path):
    model = ModelSettings(path=str(tiny_model))
    one, two = (plan(Sft(max_length=128, batch_size=size), model, timed=size == 4) for size in (4, 8))
    assert two.bytes["activations"] == pytest.approx(2 * one.bytes["activations"], rel=0.1)
    assert one.seconds is not None
    assert one.seconds > 0


def test_other_models_beside_the_one_that_learns_are_counted(tiny_model: Path):
    model = ModelSettings(path=str(tiny_model))
    weights = plan(Sft(), model, timed=False).bytes["weights"]
    assert plan(Distil(teacher=str(tiny_model)), model, timed=False).bytes["teacher"] == weights
    rewarded = Grpo(rewards=(StepReward(step="r"), StepReward(step="s")))
    assert plan(rewarded, model, timed=False).bytes["rewards"] == 2 * weights


@pytest.mark.parametrize(
    ("name", "spread"),
    [
        ("one-gpu", Spread()),
        ("cpu", Spread("ddp", 2, one_memory=True)),
        ("ddp", Spread("ddp", 8)),
        ("fsdp2", Spread("sharded", 8)),
        ("zero2", Spread("zero2", 8, masters=True)),
        ("zero3", Spread("sharded", 8, masters=True)),
        ("two-machines", Spread("sharded", 16)),
    ],
)
def test_what_is_shipped_for_accelerate_is_read_by_accelerate_and_by_plans(name: str, spread: Spread, tiny_model: Path):
    assert sorted(path.stem for path in ACCELERATE.glob("*.yaml")) == sorted(
        ("one-gpu", "cpu", "ddp", "fsdp2", "zero2", "zero3", "two-machines")
    )
    assert spread_of(ACCELERATE / f"{name}.yaml") == spread
    found = plan(Dpo(lora=None, max_length=64), ModelSettings(path=str(tiny_model)), spread=spread, target=GPU, timed=False)
    alone = plan(Dpo(lora=None, max_length=64), ModelSettings(path=str(tiny_model)), target=GPU, timed=False)
    if spread.manner in ("sharded", "zero2"):
        share = alone.bytes["optimizer"] * (3 if spread.masters else 2) // 2
        assert found.bytes["optimizer"] == share // spread.devices
    if spread.manner == "sharded":
        assert found.bytes["reference"] == alone.bytes["reference"] // spread.devices
    if spread.one_memory:
        assert found.bytes["weights"] == 2 * alone.bytes["weights"]


@pytest.mark.parametrize(
    "text", ["nonsense", "distributed_type: FSDP\nunknown: 1\n", "distributed_type: XLA\nnum_processes: 2\n"]
)
def test_a_configuration_that_accelerate_would_not_take_is_refused(text: str, tmp_path: Path):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(TenetError, match=r"a\.yaml: "):
        spread_of(tmp_path / "a.yaml")
