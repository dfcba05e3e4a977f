"""What is exported goes into TRL's trainers as it is, and into `guard evaluate`."""

from __future__ import annotations

import json
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


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = open_store(str(tmp_path_factory.mktemp("store") / "store.db"))
    opened._secrets["pseudonyms"] = bytes(32)  # the same people in the same sets, each time
    many(opened, 40)
    yield opened
    opened.close()


def trainer(name: str) -> tuple[Any, Any]:
    import torch
    import trl

    torch.set_num_threads(1)
    return {
        "sft": (trl.SFTTrainer, trl.SFTConfig),
        "dpo": (trl.DPOTrainer, trl.DPOConfig),
        "kto": (trl.KTOTrainer, trl.KTOConfig),
        "reward": (trl.RewardTrainer, trl.RewardConfig),
    }[name]


@pytest.mark.parametrize(("kind", "name"), [("sft", "sft"), ("pairs", "dpo"), ("pairs", "reward"), ("binary", "kto")])
def test_a_trainer_takes_the_folder_with_no_edits(store: Store, tiny_model: Path, tmp_path: Path, kind: str, name: str):
    from datasets import load_dataset
    from transformers import AutoTokenizer

    make, configure = trainer(name)
    out = tmp_path / "out"
    card = export(store, Asked(kind, out))
    sets = load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert {name: len(rows) for name, rows in sets.items()} == card["splits"]
    config = configure(
        output_dir=str(tmp_path / "run"), max_steps=2, per_device_train_batch_size=2, use_cpu=True, bf16=False,
        gradient_checkpointing=False, report_to="none", max_length=256, save_strategy="no", disable_tqdm=True, logging_steps=1,
    )  # fmt: skip
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    training = make(
        model=str(tiny_model),
        args=config,
        train_dataset=sets["train"],
        eval_dataset=sets["validation"],
        processing_class=tokenizer,
    )
    result = training.train()
    assert result.training_loss > 0
    assert result.global_step == 2
    assert training.evaluate()["eval_loss"] > 0


def test_both_files_of_a_set_say_the_same(store: Store, tmp_path: Path):
    from datasets import load_dataset

    for kind in ("pairs", "sft", "binary", "scalar"):
        out = tmp_path / kind
        export(store, Asked(kind, out))
        lines, table = (
            load_dataset(reader, data_files={"train": str(out / f"train.{suffix}")}, cache_dir=str(tmp_path / "cache"))["train"]
            for reader, suffix in (("json", "jsonl"), ("parquet", "parquet"))
        )
        assert len(lines) > 10
        assert lines[:] == table[:]


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
