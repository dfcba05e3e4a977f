"""Real steps of TRL's trainers on a tiny model: what each method is for happens."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from alignment.models.loading import ModelError, load
from alignment.training.running import PRODUCT, done, run
from alignment.training.settings import (
    Cpo,
    Distil,
    Dpo,
    Grpo,
    Kto,
    LoraSettings,
    ModelSettings,
    OnlineDpo,
    Orpo,
    Reward,
    Rloo,
    Sft,
)

pytestmark = pytest.mark.filterwarnings("default")  # TRL and peft warn of their own coming changes
LORA = LoraSettings(rank=8, alpha=16)
QUESTIONS = ["how do i make a cake", "how do i kill a process", "is the sun warm", "can you help me"]
GOOD, BAD = "take some flour sugar eggs", "you stupid idiot"
PAIRS = [
    {
        "prompt": [{"role": "user", "content": question}],
        "chosen": [{"role": "assistant", "content": GOOD}],
        "rejected": [{"role": "assistant", "content": BAD}],
    }
    for question in QUESTIONS
] * 4
CHATS = [{"messages": [*row["prompt"], *row["chosen"]]} for row in PAIRS]
VERDICTS = [
    {"prompt": row["prompt"], "completion": row[side], "label": side == "chosen"}
    for row in PAIRS
    for side in ("chosen", "rejected")
]
PROMPTS = [{"prompt": row["prompt"]} for row in PAIRS]
SHORT = {
    "lora": LORA,
    "batch_size": 4,
    "log_every": 1,
    "learning_rate": 5e-3,
    "max_length": 128,
    "checkpoint_every": 1000,
    "warmup": 0.0,
}

ALL = {"lora": None, "batch_size": 16, "learning_rate": 3e-3}


@pytest.fixture(autouse=True)
def one_thread():
    import torch

    torch.set_num_threads(1)


def metrics(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def train(step, model: Path, data: Path, out: Path, **more):
    return run(step, model=ModelSettings(path=str(model)), data=data, out=out, seed=3, tell=lambda _line: None, **more)


def column(out: Path, name: str) -> list[float]:
    return [row[name] for row in metrics(out) if name in row]


def test_supervised_fine_tuning_lowers_the_loss_and_its_product_answers_so(tiny_model, dataset, tmp_path: Path):
    record = train(Sft(max_steps=30, **{**SHORT, "lora": None}), tiny_model, dataset(CHATS), tmp_path / "out")
    losses = column(tmp_path / "out", "loss")
    assert losses[-1] < 0.5 * losses[0]
    assert done(tmp_path / "out")
    assert not (tmp_path / "out/checkpoints").exists()
    loaded = load(msgspec.convert(record.model, ModelSettings))
    asked = loaded.tokenizer.apply_chat_template(
        PAIRS[0]["prompt"], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    answer = loaded.model.generate(**asked, max_new_tokens=24, do_sample=False)
    assert GOOD in loaded.tokenizer.decode(answer[0, asked["input_ids"].shape[1] :])


@pytest.mark.parametrize("loss", ["sigmoid", "ipo", "hinge", "robust"])
def test_dpo_raises_the_margin_of_chosen_over_rejected(tiny_model, dataset, tmp_path: Path, loss: str):
    step = Dpo(max_steps=12, loss=loss, label_smoothing=0.1 if loss == "robust" else 0.0, **SHORT)
    train(step, tiny_model, dataset(PAIRS), tmp_path / "out")
    margins = column(tmp_path / "out", "rewards/margins")
    assert margins[-1] > margins[0] + 0.05
    assert column(tmp_path / "out", "rewards/accuracies")[-1] == 1.0


def test_dpo_trains_all_weights_against_the_model_as_it_was_and_with_a_supervised_term(tiny_model, dataset, tmp_path: Path):
    step = Dpo(max_steps=10, sft_weight=1.0, **{**SHORT, "lora": None, "learning_rate": 1e-3})
    record = train(step, tiny_model, dataset(PAIRS), tmp_path / "out")
    assert column(tmp_path / "out", "rewards/margins")[-1] > 0.05
    assert record.model["path"] == str(tmp_path / "out" / PRODUCT)
    assert record.model["adapters"] == []


def test_a_reward_model_learns_to_tell_good_from_bad(tiny_model, dataset, tmp_path: Path):
    train(Reward(max_steps=25, **SHORT), tiny_model, dataset(PAIRS), tmp_path / "out")
    assert column(tmp_path / "out", "accuracy")[-1] == 1.0
    from alignment.rewards.model import ModelScorer
    from alignment.rewards.settings import ModelReward

    scores = ModelScorer(ModelReward(path=str(tmp_path / "out")))([QUESTIONS[0]] * 2, [GOOD, BAD])
    assert scores[0] > scores[1] + 0.1


def test_kto_learns_from_thumbs(tiny_model, dataset, tmp_path: Path):
    train(Kto(max_steps=20, **SHORT), tiny_model, dataset(VERDICTS), tmp_path / "out")
    losses = column(tmp_path / "out", "loss")
    assert losses[-1] < losses[0] - 0.02


@pytest.mark.parametrize("step", [Orpo(max_steps=12, **SHORT), Cpo(max_steps=12, **SHORT)], ids=["orpo", "cpo"])
def test_experimental_methods_prefer_what_was_chosen(tiny_model, dataset, tmp_path: Path, step):
    train(step, tiny_model, dataset(PAIRS), tmp_path / "out")
    losses = column(tmp_path / "out", "loss")
    assert losses[-1] < losses[0]
    assert column(tmp_path / "out", "rewards/margins")[-1] > column(tmp_path / "out", "rewards/margins")[0]


def test_distillation_draws_the_model_to_its_teacher(tiny_model, dataset, tmp_path: Path):
    taught = train(Sft(max_steps=30, **{**SHORT, "lora": None}), tiny_model, dataset(CHATS), tmp_path / "teacher")
    step = Distil(teacher=taught.model["path"], max_steps=12, max_new_tokens=12, **SHORT)
    train(step, tiny_model, dataset(PROMPTS, "prompts"), tmp_path / "out")
    losses = column(tmp_path / "out", "loss")
    assert sum(losses[-3:]) < sum(losses[:3])


@pytest.mark.parametrize("method", [Rloo, Grpo])
def test_online_methods_raise_the_reward(tiny_model, dataset, tmp_path: Path, method):
    from alignment.rewards.base import Reward as Source

    wanted = Source(
        "e", 1.0, lambda _prompts, answers: [answer.count("e") / max(1, len(answer)) for answer in answers], "letters"
    )
    step = method(max_steps=30, generations=4, max_new_tokens=12, beta=0.0, **{**SHORT, **ALL})
    record = train(step, tiny_model, dataset(PROMPTS), tmp_path / "out", rewards=[wanted])
    rewards = column(tmp_path / "out", "reward")
    assert sum(rewards[-5:]) > sum(rewards[:5]) + 0.1
    assert record.notes == ("letters",)


def test_online_dpo_comes_to_prefer_what_is_worth_more_and_logs_as_the_others_do(tiny_model, dataset, tmp_path: Path):
    from alignment.rewards.base import Reward as Source

    def letters(_prompts: object, answers: list[str]) -> list[float]:
        return [answer.count("e") / max(1, len(answer)) for answer in answers]

    rewards = [Source("e", 1.0, letters, "letters"), Source("watch_e", 0.0, letters, "watched")]
    step = OnlineDpo(max_steps=30, max_new_tokens=12, beta=0.05, **{**SHORT, **ALL})
    train(step, tiny_model, dataset(PROMPTS), tmp_path / "out", rewards=rewards)
    found = column(tmp_path / "out", "reward")
    assert sum(found[-5:]) > sum(found[:5]) + 0.05
    assert column(tmp_path / "out", "rewards/watch_e/mean") == pytest.approx(found)
    assert all(0 < length <= 12 for length in column(tmp_path / "out", "completions/mean_length"))
    assert len(column(tmp_path / "out", "kl")) == len(found)


@pytest.mark.parametrize(
    ("step", "rows", "told"),
    [
        (Sft(), [], "found none in train.jsonl"),
        (Dpo(), [{**PAIRS[0], "rejected": PAIRS[0]["chosen"]}], "1 of 1 that are equal"),
        (Kto(), [row for row in VERDICTS if row["label"]], "found only good ones"),
        (Sft(), [{"prompt": "x"}], "train.jsonl:1: expected messages or prompt, completion, got prompt"),
        (Dpo(max_length=16), PAIRS, "prompts are longer than the 12 tokens"),
        (Dpo(loss="robust"), PAIRS, "dpo.label_smoothing: expected above 0"),
        (Kto(batch_size=1), VERDICTS, "kto.batch_size: expected at least 2"),
        (Rloo(batch_size=3), PROMPTS, "divisible by generations"),
        (Rloo(), PROMPTS, "expected rewards, got none"),
    ],
)
def test_what_cannot_be_trained_is_told_before_the_long_work(tiny_model, dataset, tmp_path: Path, step, rows, told):
    from guard.errors import TenetError

    with pytest.raises(TenetError, match=told):
        train(step, tiny_model, dataset(rows), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_models_that_cannot_be_trusted_or_used_are_refused(tiny_model, tmp_path: Path):
    import shutil

    with pytest.raises(ModelError, match="found nothing there"):
        load(ModelSettings(path=str(tmp_path / "none")))
    copy = tmp_path / "copy"
    shutil.copytree(tiny_model, copy)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModelForCausalLM": "evil.Model"}}))
    with pytest.raises(ModelError, match="code of its own"):
        load(ModelSettings(path=str(copy)))
    (copy / "config.json").write_text(json.dumps(config))
    (copy / "chat_template.jinja").unlink()
    with pytest.raises(ModelError, match="chat template"):
        load(ModelSettings(path=str(copy)))
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(ModelError, match="which cannot hide code"):
        load(ModelSettings(path=str(copy)))
