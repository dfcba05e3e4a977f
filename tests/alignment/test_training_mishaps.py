"""What goes wrong in a run is told in words, and costs nothing that was computed before."""

from __future__ import annotations

import json
import os
import resource
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alignment.models.loading import ModelError, load, load_tokenizer
from alignment.records_of_steps import FILE, read_record
from alignment.training.checkpoints import WHOLE, latest
from alignment.training.errors import Stopped, TrainingError
from alignment.training.running import PRODUCT, done, run
from alignment.training.settings import Dpo, Kto, LoraSettings, ModelSettings, Reward, Sft
from guard.errors import TenetError

pytestmark = pytest.mark.filterwarnings("default")  # TRL and peft warn of their own coming changes

CANARY = "canary-4711"
CHATS = [
    {
        "messages": [
            {"role": "user", "content": f"how do i make a cake {number} {CANARY}"},
            {"role": "assistant", "content": "take some flour sugar eggs " * (1 + number % 3)},
        ]
    }
    for number in range(8)
]
PAIRS = [{"prompt": f"can you help {number}", "chosen": "yes please", "rejected": "no idiot " * 30} for number in range(8)]
SHORT: dict[str, Any] = {"lora": LoraSettings(rank=4), "batch_size": 2, "log_every": 1, "max_length": 256, "checkpoint_every": 2}


@pytest.fixture(autouse=True)
def one_thread():
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def train(tiny_model: Path, dataset, tmp_path: Path) -> Callable[..., Any]:
    """Train on chats, or on the rows that are given, and tell each line."""

    def train(step, *, rows=None, tell=lambda _line: None, model: Path = tiny_model, out: str = "out", name: str = "data"):
        folder = tmp_path / name if rows is None and (tmp_path / name).exists() else dataset(rows or CHATS, name)
        return run(step, model=ModelSettings(path=str(model)), data=folder, out=tmp_path / out, seed=3, tell=tell)

    return train


def at(step: int, do: Callable[[], object]) -> Callable[[str], None]:
    """What does something when a step is told."""

    def tell(line: str) -> None:
        if line.startswith(f"step {step} of"):
            do()

    return tell


def finite(folder: Path) -> bool:
    from safetensors.torch import load_file

    (file,) = folder.glob("*.safetensors")
    return all(bool(weights.isfinite().all()) for weights in load_file(file).values())


@pytest.fixture
def broken_at_z(tiny_model: Path, tmp_path: Path) -> Path:
    """The tiny model, but for the weights of the letter Z, which are no numbers."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path / "broken"
    tokenizer = load_tokenizer(ModelSettings(path=str(tiny_model)))
    tokenizer.save_pretrained(str(folder))
    torch.manual_seed(7)
    model = LlamaForCausalLM(LlamaConfig.from_pretrained(tiny_model, tie_word_embeddings=False))
    with torch.no_grad():
        model.get_input_embeddings().weight[tokenizer.convert_tokens_to_ids("Z")] = float("nan")
    model.save_pretrained(str(folder))
    return folder


def test_gradients_that_are_no_numbers_end_a_run_before_they_reach_the_weights(train, broken_at_z: Path, tmp_path: Path):
    question = {"role": "user", "content": "Z"}
    rows = [*CHATS, {"messages": [question, CHATS[0]["messages"][1]]}]
    step = Sft(max_steps=12, **{**SHORT, "checkpoint_every": 1, "log_every": 12})
    with pytest.raises(TrainingError, match=r"step [2-5]: .*the step was not taken"):
        train(step, rows=rows, model=broken_at_z)
    kept = latest(tmp_path / "out/checkpoints")
    assert kept is not None
    assert finite(kept)
    assert not done(tmp_path / "out")


def test_a_disk_that_takes_no_more_costs_only_the_checkpoint_under_way(train, tmp_path: Path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    step = Sft(max_steps=6, **SHORT)

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))

    try:
        with pytest.raises(TrainingError, match=r"cannot be written: .*earlier checkpoints are kept"):
            train(step, tell=at(3, fill))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    checkpoints = tmp_path / "out/checkpoints"
    assert [path.name for path in checkpoints.glob("checkpoint-*")] == ["checkpoint-2"]
    told: list[str] = []
    train(step, tell=told.append)
    assert "going on from checkpoint-2" in told
    assert done(tmp_path / "out")


def test_told_to_end_a_run_keeps_the_step_under_way_and_names_the_status(train, tmp_path: Path):
    with pytest.raises(Stopped, match="stopped after step 3 of 8; the same command goes on") as stopped:
        train(Sft(max_steps=8, **SHORT), tell=at(2, lambda: os.kill(os.getpid(), signal.SIGTERM)))
    assert stopped.value.status == 143
    assert (tmp_path / "out/checkpoints/checkpoint-3" / WHOLE).is_file()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_memory_that_does_not_suffice_is_told_with_what_needs_less(train, tmp_path: Path):
    import torch

    with pytest.raises(TrainingError, match=r"sft: the memory does not suffice; checkpoints are kept.*--plan"):
        train(Sft(max_steps=6, **SHORT), tell=at(3, lambda: torch.empty(2**50)))
    assert latest(tmp_path / "out/checkpoints") == tmp_path / "out/checkpoints/checkpoint-2"


def test_two_runs_do_not_train_into_one_folder(train, tmp_path: Path):
    told: list[str] = []

    def again() -> None:
        def second() -> None:
            with pytest.raises(TenetError, match=rf"out: process {os.getpid()} is writing it"):
                train(Sft(max_steps=2, **SHORT))
            told.append("refused")

        thread = threading.Thread(target=second)
        thread.start()
        thread.join()

    train(Sft(max_steps=3, **SHORT), tell=at(2, again))
    assert told == ["refused"]
    assert not (tmp_path / "out.lock").exists()


def test_a_run_goes_on_only_as_what_it_was(train, tmp_path: Path):
    step = Sft(max_steps=8, **SHORT)
    with pytest.raises(Stopped):
        train(step, tell=at(2, lambda: os.kill(os.getpid(), signal.SIGTERM)))
    with pytest.raises(TenetError, match="of one that differs in learning_rate, weight_decay"):
        train(Sft(max_steps=8, weight_decay=0.1, **{**SHORT, "learning_rate": 1e-5}))
    with pytest.raises(TenetError, match="differs in data"):
        train(step, rows=CHATS[:6], name="other")
    told: list[str] = []
    train(Sft(max_steps=8, **{**SHORT, "log_every": 2, "checkpoint_every": 3}), tell=told.append)
    assert "going on from checkpoint-3" in told


def test_what_is_done_is_not_done_again_nor_overwritten(train, tmp_path: Path):
    first = train(Sft(max_steps=2, **SHORT))
    written = (tmp_path / "out" / FILE).stat().st_mtime_ns
    told: list[str] = []
    assert train(Sft(max_steps=2, **SHORT), tell=told.append) == first == read_record(tmp_path / "out")
    assert told == [f"{tmp_path / 'out'}: done already"]
    with pytest.raises(TenetError, match="found the product of another step"):
        train(Sft(max_steps=3, **SHORT))
    assert (tmp_path / "out" / FILE).stat().st_mtime_ns == written


def test_what_is_longer_than_the_models_context_is_counted_and_cut(train, tmp_path: Path):
    long = {"messages": [CHATS[0]["messages"][0], {"role": "assistant", "content": "take some flour " * 300}]}
    told: list[str] = []
    record = train(Sft(max_steps=1, **{**SHORT, "max_length": 4096}), rows=[*CHATS, long], tell=told.append)
    assert "1 of 9 records are longer than the model's context (512 tokens), and are cut at their end" in told[0]
    assert record.figures["truncated"] == 1
    assert record.figures["tokens_lost"] > 300
    asked = {"messages": [{"role": "user", "content": "how " * 600}, CHATS[0]["messages"][1]]}
    with pytest.raises(TenetError, match="1 of 1 prompts are longer than the 508 tokens"):
        train(Sft(**{**SHORT, "max_length": 4096}), rows=[asked], name="asked", out="none")


def test_pairs_that_a_reward_model_cannot_read_whole_are_left_out_and_told(train):
    told: list[str] = []
    rows = [*PAIRS, {**PAIRS[0], "rejected": "no"}]
    train(Reward(max_steps=1, **{**SHORT, "max_length": 64}), rows=rows, tell=told.append)
    assert "8 of 9 records are longer than max_length (64 tokens), and are left out" in told[0]
    with pytest.raises(TenetError, match="found only longer ones"):
        train(Reward(max_steps=1, **{**SHORT, "max_length": 64}), rows=PAIRS, name="long", out="none")


@pytest.mark.parametrize(
    ("step", "rows", "told"),
    [
        (Sft(report_to=("mlflow",)), CHATS, "sft.report_to: mlflow needs: pip install mlflow"),
        (Sft(), [{"prompt": "x", "completion": "y", "label": False}], "expected .* without label, got"),
        (Sft(), [{"messages": [{"role": "user", "content": "x"}]}], "expected it to end with words of the assistant"),
        (Sft(), [{"messages": [{"role": "user", "content": None}]}], "a role and a content that are texts"),
        (Kto(), [{"prompt": "x", "completion": "y", "label": 1}], "data/train.jsonl:1: label: expected true or false, got int"),
        (Dpo(), [{**PAIRS[0], "margin": 1.0}, PAIRS[1]], "a margin for every pair or for none, found one for 1 of 2"),
        (Dpo(), [{**PAIRS[0], "margin": float("nan")}], "margin: expected a number"),
    ],
)
def test_records_and_settings_that_do_not_fit_are_told_first(train, tmp_path: Path, step, rows, told: str):
    with pytest.raises(TenetError, match=told):
        train(step, rows=rows)
    assert not (tmp_path / "out").exists()


def test_layers_that_a_model_has_not_are_told_with_those_that_it_has(train, tmp_path: Path):
    with pytest.raises(ModelError, match=r"expected layers of the model \(down_proj, .*\), got query"):
        train(Sft(**{**SHORT, "lora": LoraSettings(target=("q_proj", "query"))}))
    assert not (tmp_path / "out").exists()


def copied(model: Path, to: Path, file: str, change: Callable[[dict[str, Any]], object]) -> Path:
    """A model's folder, with a change of one of its JSON files."""
    import shutil

    shutil.copytree(model, to)
    values = json.loads((to / file).read_text())
    change(values)
    (to / file).write_text(json.dumps(values))
    return to


def test_a_tokenizer_without_a_pad_token_pads_with_its_end_token(train, tiny_model: Path, tmp_path: Path):
    folder = copied(tiny_model, tmp_path / "padless", "tokenizer_config.json", lambda values: values.pop("pad_token"))
    tokenizer = load_tokenizer(ModelSettings(path=str(folder)))
    assert tokenizer.pad_token == tokenizer.eos_token
    record = train(Sft(max_steps=2, **SHORT), model=folder)
    assert record.figures["train_loss"] > 0


def test_a_template_that_does_not_take_a_conversation_is_told_without_its_words(train, tiny_model: Path, tmp_path: Path):
    import shutil

    folder = tmp_path / "strict"
    shutil.copytree(tiny_model, folder)
    (folder / "chat_template.jinja").write_text("{{ raise_exception(messages[0]['content']) }}")
    with pytest.raises(TenetError, match="does not take a conversation of the roles user") as told:
        train(Sft(**SHORT), model=folder)
    assert CANARY not in str(told.value)


def test_a_tokenizer_of_another_model_is_refused(tiny_model: Path, tmp_path: Path):
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path / "small"
    load_tokenizer(ModelSettings(path=str(tiny_model))).save_pretrained(str(folder))
    LlamaForCausalLM(LlamaConfig.from_pretrained(tiny_model, vocab_size=100)).save_pretrained(str(folder))
    with pytest.raises(ModelError, match="a tokenizer of at most the model's 100 tokens"):
        load(ModelSettings(path=str(folder)))


def test_packed_conversations_do_not_see_each_other(train, tmp_path: Path):
    losses = []
    for packing in (False, True):
        out = f"packed-{packing}"
        train(Sft(max_steps=1, packing=packing, **{**SHORT, "batch_size": 8}), out=out)
        losses.append(json.loads((tmp_path / out / "metrics.jsonl").read_text().splitlines()[0])["loss"])
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)


def test_tensorboard_gets_what_the_metrics_have_and_keeps_it(train, tmp_path: Path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(Sft(max_steps=3, report_to=("tensorboard",), **SHORT))
    events = EventAccumulator(str(tmp_path / "out/tensorboard")).Reload()
    metrics = [json.loads(line) for line in (tmp_path / "out/metrics.jsonl").read_text().splitlines()]
    assert [event.value for event in events.Scalars("train/loss")] == pytest.approx(
        [row["loss"] for row in metrics if "loss" in row]
    )


def test_adapters_load_back_as_the_model_that_was_trained(train, tmp_path: Path):
    import msgspec
    import torch

    record = train(Sft(max_steps=4, **{**SHORT, "learning_rate": 1e-2}))
    taught, before = (load(msgspec.convert({**record.model, **change}, ModelSettings)) for change in ({}, {"adapters": []}))
    asked = torch.tensor([taught.tokenizer("how do i make a cake")["input_ids"]])
    with torch.no_grad():
        moved = (taught.model(asked).logits - before.model(asked).logits).abs().max()
    assert moved > 0.05
    assert (tmp_path / "out" / PRODUCT / "adapter_model.safetensors").is_file()


def test_metrics_and_lines_hold_no_words_of_the_data(train, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    told: list[str] = []
    train(Sft(max_steps=2, **SHORT), tell=told.append)
    printed = capfd.readouterr()
    written = (tmp_path / "out/metrics.jsonl").read_text() + (tmp_path / "out" / FILE).read_text()
    assert CANARY not in "".join([*told, printed.out, printed.err, written])
    assert printed.out == ""
    assert "examples/s" not in printed.err
    assert "tokens/s" in told[-1] and " left" in told[-1]
