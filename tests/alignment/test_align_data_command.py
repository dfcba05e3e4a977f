"""`align data`, from the command line and from a store to a trainer: what it writes, what it refuses, and what is left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from alignment.cli import app

CANARY = "canary-31b7"
TOPICS = ("rivers in spring", "a clock", "copper", "bread", "sailing alone", "bees", "old maps", "tyres", "glass", "moons", "tea")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["data", *map(str, arguments)])


def rows(count: int, **known: Any) -> Iterator[dict[str, Any]]:
    for at in range(count):
        topic = f"{TOPICS[at % len(TOPICS)]} and {TOPICS[at // len(TOPICS) % len(TOPICS)]}, case {at * 7919}"
        better, worse = f"Well, {topic} is fine{', as ever' * (at % 2)}.", f"Never mind {topic}, go."
        yield {"prompt": f"Tell me about {topic}", "chosen": better, "rejected": worse, **known}


def written(file: Path, found: Iterator[Mapping[str, Any]]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in found))
    return file


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return written(tmp_path / "some.jsonl", rows(60))


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_sets_are_written_with_a_card_and_the_same_again_gives_the_same_bytes(source: Path, tmp_path: Path):
    import pyarrow.parquet as parquet

    once = run(source, "--kind", "pairs", "--out", tmp_path / "a", "--licence", "MIT")
    assert once.exit_code == 0, once.output
    assert run(source, "--kind", "pairs", "--out", tmp_path / "b", "--licence", "MIT").exit_code == 0
    names = sorted(file.name for file in (tmp_path / "a").iterdir())
    assert [(tmp_path / "a" / name).read_bytes() for name in names] == [(tmp_path / "b" / name).read_bytes() for name in names]
    card = json.loads((tmp_path / "a/data_card.json").read_text())
    assert card["records"] == 60 == sum(card["splits"].values())
    assert card["licences"] == {"MIT": 60} and card["sources"] == {"some": 60}
    assert card["inputs"]["files"][0]["rows"] == 60
    assert all(measure["passed"] for measure in card["checks"].values())
    for name in card["splits"]:
        table = parquet.read_table(tmp_path / f"a/{name}.parquet").to_pylist()
        assert table == lines(tmp_path / f"a/{name}.jsonl")
    assert "## Left out" in (tmp_path / "a/data_card.md").read_text()


def test_what_was_made_is_read_again_with_its_sets_kept(source: Path, tmp_path: Path):
    assert run(source, "--kind", "pairs", "--out", tmp_path / "a", "--licence", "MIT").exit_code == 0
    again = run(tmp_path / "a", "--kind", "unpaired", "--out", tmp_path / "b", "--seed", 5)
    assert again.exit_code == 0, again.output
    for name in ("train", "validation", "held_out"):
        before = {row["prompt"][0]["content"] for row in lines(tmp_path / f"a/{name}.jsonl")}
        assert {row["prompt"][0]["content"] for row in lines(tmp_path / f"b/{name}.jsonl")} == before
    assert {row["licence"] for row in lines(tmp_path / "b/train.jsonl")} == {"MIT"}
    train = tmp_path / "a/train.jsonl"
    train.write_text(train.read_text() + "\n")
    changed = run(tmp_path / "a", "--kind", "pairs", "--out", tmp_path / "c")
    assert changed.exit_code == 2
    assert "expected the file that data_card.json describes, got another" in changed.output


def test_checks_that_fail_leave_nothing_but_their_report(source: Path, tmp_path: Path):
    text = f"Mail {CANARY}@example.com, she knows."
    written(
        source, iter([*rows(30), *({**row, "chosen": text + row["chosen"]} for row in rows(40) if "case 2" in row["prompt"])])
    )
    failed = run(source, "--kind", "pairs", "--out", tmp_path / "out")
    assert failed.exit_code == 1
    assert "personal_data: expected at most 2.0%" in failed.output
    assert CANARY not in failed.output
    report = json.loads((tmp_path / "out.checks.json").read_text())
    assert report["personal_data"]["passed"] is False
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out.checks.json", "some.jsonl"]
    redacted = run(source, "--kind", "pairs", "--out", tmp_path / "out", "--redact")
    assert redacted.exit_code == 0, redacted.output
    assert CANARY not in (tmp_path / "out/train.jsonl").read_text()
    assert not (tmp_path / "out.checks.json").exists()


def test_limits_of_a_file_hold(source: Path, tmp_path: Path):
    limits = tmp_path / "limits.yaml"
    limits.write_text("benign: 0.5\n")
    unknown = run(source, "--kind", "pairs", "--out", tmp_path / "out", "--limits", limits)
    assert unknown.exit_code == 1
    assert "benign: expected at least 50.0%, got unknown" in unknown.output
    written(source, rows(60, labels={"hate": 0}))
    assert run(source, "--kind", "pairs", "--out", tmp_path / "out", "--limits", limits).exit_code == 0


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("", ["--kind", "sft"], "expected records for --kind sft, found none in 0 rows"),
        ('{"prompt": "x", "chosen": "y", "rejected": "y"}', ["--kind", "pairs"], "found none in 1 rows (1 × equal)"),
        ("{}", ["--kind", "pairs"], "some.jsonl:1: expected a record of a known form"),
        ("{}", ["--kind", "pairs", "--held-out", "1"], "--held-out: expected a share from 0 to below 1, got 1"),
        ('{"prompt": "x"}', ["--kind", "prompts", "--held-out-source", "y"], "--held-out-source: expected one of some, got 'y'"),
        ('{"prompt": "x"}', ["--kind", "prompts", "--tokenizer", "/nowhere"], "expected a folder with a tokenizer"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_left_behind(content: str, options: list[str], message: str, tmp_path: Path):
    source = tmp_path / "some.jsonl"
    source.write_text(content)
    refused = run(source, "--out", tmp_path / "out", *options)
    assert refused.exit_code == 2
    assert message in refused.output
    assert [file.name for file in tmp_path.iterdir()] == ["some.jsonl"]


def test_a_folder_with_something_else_is_never_replaced(source: Path, tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    for options in ([], ["--overwrite"]):
        assert run(source, "--kind", "pairs", "--out", tmp_path / "out", *options).exit_code == 2
    assert (tmp_path / "out/mine.txt").read_text() == "mine"
    assert run(source, "--kind", "pairs", "--out", tmp_path / "set").exit_code == 0
    assert run(source, "--kind", "pairs", "--out", tmp_path / "set").exit_code == 2
    assert run(source, "--kind", "sft", "--out", tmp_path / "set", "--overwrite").exit_code == 0
    assert json.loads((tmp_path / "set/data_card.json").read_text())["format"] == "sft"


def test_the_command_loads_neither_torch_nor_transformers():
    code = (
        "import sys, alignment, alignment.cli, alignment.data.preparing; "
        "sys.exit(str({'torch', 'transformers', 'trl', 'datasets', 'pyarrow'} & set(sys.modules)).replace('set()', ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "", done.stderr


TEMPLATE = "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}</s>{% endfor %}"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny Llama that knows nothing, and its tokenizer."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.set_num_threads(1)
    letters = ["<pad>", "</s>", "<|user|>", "<|assistant|>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({word: at for at, word in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", pad_token="<pad>")
    fast.chat_template = TEMPLATE
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    folder = tmp_path_factory.mktemp("model")
    LlamaForCausalLM(LlamaConfig(vocab_size=len(letters), pad_token_id=0, eos_token_id=1, **sizes)).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def test_what_would_be_cut_off_is_counted(source: Path, model: Path, tmp_path: Path):
    written(source, (row if at % 10 else {**row, "chosen": row["chosen"] + "x" * 300} for at, row in enumerate(rows(60))))
    options = ("--kind", "pairs", "--out", tmp_path / "out", "--tokenizer", model, "--context", 256)
    failed = run(source, *options)
    assert failed.exit_code == 1, failed.output
    assert "truncated: expected at most 5.0%, got 10.0%" in failed.output
    counted = json.loads((tmp_path / "out.checks.json").read_text())["truncated"]["details"]
    assert counted["truncated"] == 6 and counted["longest"] > 300 and counted["prompts"] == 0


@pytest.mark.filterwarnings("default")  # the trainers' own, of which each version has others
@pytest.mark.parametrize(("kind", "name"), [("pairs", "DPO"), ("pairs", "Reward"), ("sft", "SFT"), ("unpaired", "KTO")])
def test_a_trainer_takes_the_sets_with_no_edits(kind: str, name: str, source: Path, model: Path, tmp_path: Path):
    import trl
    from datasets import load_dataset
    from transformers import AutoTokenizer

    written(source, (row if at % 2 else {**row, "labels": {"hate": 0}, "subject": at} for at, row in enumerate(rows(60))))
    assert run(source, "--kind", kind, "--out", tmp_path / "out").exit_code == 0
    files = {split: str(tmp_path / f"out/{split}.jsonl") for split in ("train", "validation", "held_out")}
    found = load_dataset("json", data_files=files, cache_dir=str(tmp_path / "cache"))
    plain = {"use_cpu": True, "bf16": False, "gradient_checkpointing": False, "report_to": "none", "disable_tqdm": True}
    config = getattr(trl, f"{name}Config")(
        output_dir=str(tmp_path / "run"), max_steps=1, per_device_train_batch_size=2, max_length=256, save_strategy="no", **plain
    )
    training = getattr(trl, f"{name}Trainer")(
        model=str(model),
        args=config,
        train_dataset=found["train"].select(range(4)),
        processing_class=AutoTokenizer.from_pretrained(model),
    )
    assert training.train().training_loss > 0


def test_a_folder_that_another_run_filled_meanwhile_stays(tmp_path: Path):
    from alignment.data.folder import staged
    from alignment.data.rows import DataError

    with pytest.raises(DataError, match="cannot be written"), staged(tmp_path / "out", overwrite=False) as folder:
        (folder / "ours").write_text("ours")
        (tmp_path / "out").mkdir()
        (tmp_path / "out/theirs").write_text("theirs")
    assert [str(file.relative_to(tmp_path)) for file in sorted(tmp_path.rglob("*"))] == ["out", "out/theirs"]


def test_a_policy_tells_where_it_contradicts_people(source: Path, policy_file: Path, tmp_path: Path):
    written(source, ({**row, "chosen": f"{row['chosen']} forbidden"} for row in rows(60)))
    failed = run(source, "--kind", "pairs", "--out", tmp_path / "out", "--policy", policy_file)
    assert failed.exit_code == 1, failed.output
    assert "contradictions: expected at most 20.0%, got 100.0%" in failed.output
