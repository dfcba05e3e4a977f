"""What is exported goes into TRL's trainers as it is, and into `guard evaluate`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from feedback_given import many

from guard.store import open_store
from guard.store.exporting.asked import Asked
from guard.store.exporting.exporting import export
from guard.store.store import Store

pytestmark = pytest.mark.filterwarnings("default")  # the trainers' own, of which each version has others

TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = open_store(str(tmp_path_factory.mktemp("store") / "store.db"))
    opened._secrets["pseudonyms"] = bytes(32)  # the same people in the same sets, each time
    many(opened, 40)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny Llama that knows nothing, and its tokenizer."""
    torch = pytest.importorskip("torch")
    os.environ["HF_HUB_OFFLINE"] = "1"
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.set_num_threads(1)
    torch.manual_seed(0)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = {word: at for at, word in enumerate(["<pad>", "</s>", "<|user|>", "<|assistant|>", "<|system|>", *letters])}
    tokenizer = Tokenizer(models.BPE(words, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", pad_token="<pad>")
    fast.chat_template = TEMPLATE
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=512, pad_token_id=0, eos_token_id=1,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("model")
    LlamaForCausalLM(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def trainer(name: str) -> tuple[Any, Any]:
    trl = pytest.importorskip("trl")
    return {
        "sft": (trl.SFTTrainer, trl.SFTConfig),
        "dpo": (trl.DPOTrainer, trl.DPOConfig),
        "kto": (trl.KTOTrainer, trl.KTOConfig),
        "reward": (trl.RewardTrainer, trl.RewardConfig),
    }[name]


@pytest.mark.parametrize(("kind", "name"), [("sft", "sft"), ("pairs", "dpo"), ("pairs", "reward"), ("binary", "kto")])
def test_a_trainer_takes_both_files_with_no_edits(store: Store, model: Path, tmp_path: Path, kind: str, name: str):
    datasets = pytest.importorskip("datasets")
    make, configure = trainer(name)
    from transformers import AutoTokenizer

    out = tmp_path / "out"
    card = export(store, Asked(kind, out))
    read = {
        suffix: datasets.load_dataset(
            {"jsonl": "json", "parquet": "parquet"}[suffix],
            data_files={each: str(out / f"{each}.{suffix}") for each in ("train", "validation", "held_out")},
            cache_dir=str(tmp_path / "cache"),
        )
        for suffix in ("jsonl", "parquet")
    }
    whole = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    for found in (read["parquet"], whole):
        assert {name: len(rows) for name, rows in found.items()} == card["splits"]
    assert read["jsonl"]["train"][:] == read["parquet"]["train"][:]
    config = configure(
        output_dir=str(tmp_path / "run"), max_steps=1, per_device_train_batch_size=2, use_cpu=True, bf16=False,
        gradient_checkpointing=False, report_to="none", max_length=256, save_strategy="no", disable_tqdm=True, logging_steps=1,
    )  # fmt: skip
    tokenizer = AutoTokenizer.from_pretrained(model)
    rows = read["jsonl"]["train"].select(range(4))
    training = make(model=str(model), args=config, train_dataset=rows, processing_class=tokenizer)
    result = training.train()
    assert result.training_loss > 0
    assert result.global_step == 1


def test_labelled_texts_are_what_evaluation_reads(store: Store, tmp_path: Path):
    from guard.evaluation.dataset import Dataset
    from guard.evaluation.layout import Layout

    out = tmp_path / "out"
    card = export(store, Asked("moderation", out))
    layout = Layout(slices=("source",))
    found = {suffix: list(Dataset(str(out / f"train.{suffix}"), layout).records()) for suffix in ("jsonl", "parquet")}
    lines = [json.loads(line) for line in (out / "train.jsonl").read_text().splitlines()]
    assert len(lines) == card["splits"]["train"]
    for records in found.values():
        assert [(each.text, dict(each.labels), each.prompt) for each in records] == [
            (each["text"], each["labels"], each["prompt"]) for each in lines
        ]
        assert {each.slices for each in records} == {("application",)}
    assert {value for each in lines for value in each["labels"].values()} == {0, 1}
