"""Measure the detector `groundedness`: how well it tells supported answers from unsupported ones.

    python -m benchmarks.groundedness [FOLDER] [-v]

FOLDER (else $TENET_DATA, else ../shared/data) holds `begin_wow.jsonl` (BEGIN, CC-BY-4.0) and `grounded_answers.jsonl` (BIPIA,
MIT); what is not there is left out. Two sets of our own lie in `groundedness_data`: `written_to_develop`, on which the weights
were chosen, and `written_to_check`, written before they were and never used to choose anything. Of BEGIN, the half that shares no
context with the one behind the weights is measured; of BIPIA, answers other than `unknown`, which is no claim. `-v` prints what
is judged wrongly.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from guard.detectors.meaning.claims import is_claim
from guard.detectors.meaning.groundedness import Groundedness, make
from guard.values import Exchange, Item, Location, Role, Stage

OWN = Path(__file__).parent / "groundedness_data"
THRESHOLD = 0.5


class Row(NamedTuple):
    context: str
    question: str
    answer: str
    supported: bool


def main() -> None:
    named = [argument for argument in sys.argv[1:] if argument != "-v"]
    folder = Path(named[0] if named else os.environ.get("TENET_DATA", "../shared/data"))
    detector = make("grounded", {})
    sets = {
        "written to develop (seen)": developed(),
        "written to check": checked(),
        "BEGIN, the other half": other_half(folder / "begin_wow.jsonl"),
        "BIPIA, bare answers": [row for row in answers(folder / "grounded_answers.jsonl") if is_claim(row.answer)],
    }
    print(f"| {'set':26} | unsupported | supported | AUROC | found at 0.5 | false alarms | precision | ms a row |")
    print("| :-- | --: | --: | --: | --: | --: | --: | --: |")
    for name, rows in sets.items():
        if rows:
            measure(detector, name, rows)


def developed() -> list[Row]:
    return [
        Row(record["context"], "", sentence, key == "supported")
        for record in records(OWN / "written_to_develop.jsonl")
        for key in ("supported", "unsupported")
        for sentence in record[key]
    ]


def checked() -> list[Row]:
    return [
        Row(record["context"], record["question"], sentence, label != 0)
        for record in records(OWN / "written_to_check.jsonl")
        for sentence, label in record["answer"]
    ]


def other_half(path: Path) -> list[Row]:
    return [row for row in answers(path) if int(hashlib.sha256(row.context.lower().encode()).hexdigest(), 16) % 2]


def answers(path: Path) -> list[Row]:
    return [Row(record["context"], record["question"], record["answer"], record["label"] == 1) for record in records(path)]


def records(path: Path) -> Iterator[dict]:
    if path.exists():
        with path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def measure(detector: Groundedness, name: str, rows: Sequence[Row]) -> None:
    started = perf_counter()
    scores = [max((finding.score for finding in findings), default=0.0) for findings in detector.detect([*map(item, rows)])]
    milliseconds = (perf_counter() - started) * 1000 / len(rows)
    bad = [score for score, row in zip(scores, rows, strict=True) if not row.supported]
    good = [score for score, row in zip(scores, rows, strict=True) if row.supported]
    found, alarms = (sum(score >= THRESHOLD for score in each) for each in (bad, good))
    precision = found / max(1, found + alarms)
    print(
        f"| {name:26} | {len(bad)} | {len(good)} | {auroc(bad, good):.3f} | {found / len(bad):.0%} | {alarms / len(good):.0%} "
        f"| {precision:.2f} | {milliseconds:.0f} |"
    )
    if "-v" in sys.argv:
        for row, score in zip(rows, scores, strict=True):
            if (score >= THRESHOLD) == row.supported:
                print(f"  {score:.2f} {'supported' if row.supported else 'unsupported'}: {row.answer[:160]!r}")


def item(row: Row) -> Item:
    prompt = [Item(row.context, Stage.INPUT, Role.TOOL_RESULT, Location("/messages/1/content"))]
    if row.question:
        prompt.append(Item(row.question, Stage.INPUT, Role.USER, Location("/messages/0/content")))
    return Item(row.answer, Stage.OUTPUT, Role.ASSISTANT, exchange=Exchange("measured", prompt=tuple(prompt)))


def auroc(higher: Sequence[float], lower: Sequence[float]) -> float:
    """Return how often one of `higher` is above one of `lower`, a tie counting half."""
    ordered = sorted(lower)
    wins = sum(bisect_left(ordered, score) + bisect_right(ordered, score) for score in higher) / 2
    return wins / (len(higher) * len(lower))


if __name__ == "__main__":
    main()
