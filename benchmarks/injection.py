"""Measure the detector `injection`: recall on attacks, false alarms on ordinary texts, and speed.

    python benchmarks/injection.py [FOLDER] [-v]

FOLDER (else $TENET_DATA, else ../shared/data) holds the sets. Many rows of the attack sets are single questions that are harmless
out of their context, so no pattern can reach them; the table says what patterns alone do.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from guard.detectors.injection import make
from guard.values import Detector, Item

ATTACKS = (
    "prompt_injection",
    "prompt_injection_multilingual",
    "jailbreaks_in_the_wild",
    "indirect_injection_email",
    "guardrails_demo",
)
ORDINARY = (
    "benign_prompts",
    "benign_more",
    "code_prompts",
    "cyber_benign",
    "counsel_questions",
    "begin_wow",
    "hh_harmless_pairs",
)
THRESHOLDS = (0.3, 0.5, 0.7, 0.9)


def main() -> None:
    named = [argument for argument in sys.argv[1:] if argument != "-v"]
    folder = Path(named[0] if named else os.environ.get("TENET_DATA", "../shared/data"))
    detector = make("injection", {})
    print(f"{'share found at':32} " + " ".join(f"{threshold:>7}" for threshold in THRESHOLDS) + "   texts/s")
    for name in ATTACKS:
        rows = read(folder / f"{name}.jsonl")
        measure(detector, name, [row["text"] for row in rows if attack(row)], attacks=True)
        measure(detector, f"{name}, harmless", [row["text"] for row in rows if not attack(row)], attacks=False)
    for name in ORDINARY:
        measure(detector, name, [text(row) for row in read(folder / f"{name}.jsonl")], attacks=False)


def read(path: Path) -> list[dict]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def attack(row: dict) -> bool:
    return max(row["labels"].get("injection", 0), row["labels"].get("jailbreak", 0)) == 1


def text(row: dict) -> str:
    if "chosen" in row:
        return " ".join(message["content"] for message in row.get("prompt", []))
    return str(row.get("text") or f"{row.get('context', '')}\n{row.get('answer', '')}")


def measure(detector: Detector, name: str, texts: list[str], *, attacks: bool) -> None:
    if not texts:
        return
    started = time.perf_counter()
    answers = detector.detect([Item(each) for each in texts])
    seconds = time.perf_counter() - started
    scores = [max((finding.score for finding in findings), default=0.0) for findings in answers]
    shares = " ".join(f"{sum(score >= threshold for score in scores) / len(scores):7.3f}" for threshold in THRESHOLDS)
    print(f"{name:32} {shares} {len(texts) / seconds:9,.0f}")
    if "-v" not in sys.argv:
        return
    for each, findings, score in zip(texts, answers, scores, strict=True):
        if attacks and score < 0.5:
            print(f"  missed ({score}): {each[:200]!r}")
        if not attacks and score >= 0.5:
            sure = [finding for finding in findings if finding.score >= 0.5 and finding.span]
            print(
                "  alarm:",
                [(each[finding.span.start : finding.span.end][:160], finding.score) for finding in sure if finding.span],
            )


if __name__ == "__main__":
    main()
