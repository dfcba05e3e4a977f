"""Measure the detector `similarity`: ten examples of a topic against everything else.

    python -m benchmarks.similarity [FOLDER] [--draws N] [--examples N]

FOLDER (else $TENET_DATA, else ../shared/data) holds the sets. For each topic, examples are drawn by chance N times; the topic's
other texts should be found and the rest should not: ordinary texts of four other sets ("apart"), and texts of the sibling topics
of the same set ("siblings"), with and without ten of those as counter-examples. The slope and the prior of `neighbours.py` were
chosen on these topics with other draws; the topics marked * were no part of that, but for some texts of davidson_tweets.
"""

from __future__ import annotations

import argparse
import json
import os
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from guard.detectors.meaning.encoder import Encoder, encoder
from guard.detectors.meaning.neighbours import Topic
from guard.detectors.meaning.similarity import EVERYDAY

if TYPE_CHECKING:
    from guard.detectors.meaning.neighbours import Vectors

APART = ("benign_prompts", "benign_more", "code_prompts", "begin_wow")
LEFT_OUT = {"toxic_prompts": "sexual", "pii_spans": "", "davidson_tweets": "hate", "hatemoji_build": "hate"}
LONGEST = 600
MOST = 150
FEWEST = 40
COLUMNS = (
    "AUROC apart",
    "found at 0.5",
    "false alarms apart",
    "AUROC siblings",
    "false alarms siblings",
    "found with counter-examples",
    "false alarms siblings with them",
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path, default=Path(os.environ.get("TENET_DATA", "../shared/data")))
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--examples", type=int, default=10)
    arguments = parser.parse_args()
    model = encoder("similarity")
    chance = np.random.default_rng(17)
    apart = {name: read(model, texts(arguments.folder / f"{name}.jsonl", chance)) for name in APART}
    everyday = model.vectors(EVERYDAY.read_text(encoding="utf-8").splitlines())
    print(f"| topic | texts | {' | '.join(COLUMNS)} |")
    print("| :-- | --: | --: | --: | --: | --: | --: | --: | --: |")
    means = []
    for family, topics in families(arguments.folder, chance).items():
        vectors = {name: read(model, found) for name, found in topics.items()}
        for name, own in vectors.items():
            others = [other for topic, other in vectors.items() if topic != name]
            siblings = np.concatenate(others) if others else own[:0]
            rest = np.concatenate([found for set_, found in apart.items() if set_ != family])
            rows = [measure(own, rest, siblings, everyday, arguments.examples, chance) for _ in range(arguments.draws)]
            mean = np.nanmean(rows, axis=0) if others else np.mean(rows, axis=0)
            means.append(mean)
            print(f"| {name} | {len(own)} | " + " | ".join("" if np.isnan(number) else f"{number:.3f}" for number in mean) + " |")
    print("| **mean** | | " + " | ".join(f"{number:.3f}" for number in np.nanmean(means, axis=0)) + " |")


def families(folder: Path, chance: np.random.Generator) -> dict[str, dict[str, list[str]]]:
    """Return the topics of each set, by name."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for record in records(folder / "catqa.jsonl"):
        kinds[record["category"].split("/")[0]].append(record["text"])
    needs: dict[str, list[str]] = defaultdict(list)
    for record in records(folder / "counsel_questions.jsonl"):
        needs[record["topic"]].append(record["text"][:LONGEST])
    found = {
        "catqa": {f"harm: {name}": each for name, each in kinds.items() if len(each) >= FEWEST},
        "counsel": {f"worries: {name}": each[:MOST] for name, each in needs.items() if len(each) >= FEWEST},
        "cyber": {"questions on security": texts(folder / "cyber_benign.jsonl", chance, MOST)},
        "code_prompts": {"programming tasks": texts(folder / "code_prompts.jsonl", chance, MOST)},
    }
    for name, category in LEFT_OUT.items():
        found[name] = {f"{name} {category} *": texts(folder / f"{name}.jsonl", chance, MOST, category)}
    return found


def texts(path: Path, chance: np.random.Generator, most: int = 400, category: str = "") -> list[str]:
    rows = [record for record in records(path) if not category or record.get("labels", {}).get(category) == 1]
    found = list(dict.fromkeys(str(record.get("text") or record.get("answer"))[:LONGEST] for record in rows))
    return [found[index] for index in chance.permutation(len(found))[:most]]


def records(path: Path) -> Iterator[dict]:
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def read(model: Encoder, found: Sequence[str]) -> Vectors:
    return model.vectors(found)


def measure(
    own: Vectors, apart: Vectors, siblings: Vectors, everyday: Vectors, count: int, chance: np.random.Generator
) -> list[float]:
    order = chance.permutation(len(own))
    examples, tests = own[order[:count]], own[order[count:]]
    topic = Topic(examples, own[:0], everyday)
    scale = topic.scale()
    on, off = topic.log_odds(tests, scale), topic.log_odds(apart, scale)
    row = [auroc(on, off), share(on), share(off)]
    if not len(siblings):
        return [*row, *[float("nan")] * 4]
    order = chance.permutation(len(siblings))
    counters, beside = siblings[order[:count]], siblings[order[count:]]
    near = topic.log_odds(beside, scale)
    pulled = Topic(examples, counters, everyday)
    return [*row, auroc(on, near), share(near), share(pulled.log_odds(tests, scale)), share(pulled.log_odds(beside, scale))]


def share(odds: Vectors) -> float:
    """Return which share reaches the default threshold."""
    return float((odds >= 0).mean())


def auroc(higher: Vectors, lower: Vectors) -> float:
    """Return how often one of `higher` is above one of `lower`, a tie counting half."""
    ordered = sorted(lower.tolist())
    wins = sum(bisect_left(ordered, score) + bisect_right(ordered, score) for score in higher.tolist()) / 2
    return wins / (len(higher) * len(ordered))


if __name__ == "__main__":
    main()
