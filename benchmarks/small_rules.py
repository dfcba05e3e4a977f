"""Measure the small rules: false alarms on ordinary texts, recall of `gibberish` on texts that it was not made from, and speed.

    python -m benchmarks.small_rules [FOLDER] [--only KIND] [--most N] [-v]

FOLDER (else $TENET_DATA, else ../shared/data) holds the sets. An alarm is a finding with a score of at least 0.5; texts are
judged whole. Some alarms are right, for the sets hold sentences in other languages and random letters; -v shows them.
"""

from __future__ import annotations

import argparse
import os
import random
import string
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.injection import read, text
from guard.detectors.registry import kinds
from guard.values import Detector, Item

SETS = (
    "benign_prompts",
    "benign_more",
    "code_prompts",
    "cyber_benign",
    "counsel_questions",
    "begin_wow",
    "grounded_answers",
    "hh_harmless_pairs",
    "model_responses",
    "openai_moderation_half",
    "davidson_tweets",
    "hatemoji_build",
    "pii_spans",
)
OPTIONS: Mapping[str, dict] = {"language": {"allowed": ["en"]}, "gibberish": {}, "invisible": {}, "url": {}, "code": {}}
ALARM = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(os.environ.get("TENET_DATA", "../shared/data")))
    parser.add_argument("--only", choices=OPTIONS)
    parser.add_argument("--most", type=int, default=4000, help="texts of each set")
    parser.add_argument("-v", action="store_true", help="show the alarms")
    chosen = parser.parse_args()
    texts = {name: [text(row) for row in read(chosen.folder / f"{name}.jsonl")][: chosen.most] for name in SETS}
    for use in [chosen.only] if chosen.only else OPTIONS:
        detector = kinds()[use].make(use, OPTIONS[use])
        alarms(detector, texts, verbose=chosen.v)
        if use == "gibberish":
            recall(detector)


def alarms(detector: Detector, texts: Mapping[str, list[str]], *, verbose: bool) -> None:
    count, raised, seconds, length = 0, 0, 0.0, 0
    for name, rows in texts.items():
        started = time.perf_counter()
        answers = detector.detect([Item(row) for row in rows])
        seconds += time.perf_counter() - started
        found = [
            (row, sure)
            for row, findings in zip(rows, answers, strict=True)
            if (sure := [finding for finding in findings if finding.score >= ALARM])
        ]
        count, raised, length = count + len(rows), raised + len(found), length + sum(map(len, rows))
        print(f"{detector.name:10} {name:24} {len(rows):6} texts {len(found):5} alarms")
        for row, sure in found if verbose else ():
            print(
                "    ",
                [(finding.category, round(finding.score, 2), row[slice(*(finding.span or (0, 80)))][:80]) for finding in sure][
                    :3
                ],
            )
    rate = 10_000 * raised / count
    print(f"{detector.name:10} {rate:.1f} alarms per 10,000 texts; {1e9 * seconds / length:,.0f} µs per 1,000 characters\n")


def recall(detector: Detector) -> None:
    for name, make in GIBBERISH.items():
        chance = random.Random(name)
        answers = detector.detect([Item(make(chance)) for _ in range(500)])
        share = sum(any(finding.score >= ALARM for finding in findings) for findings in answers) / len(answers)
        print(f"{detector.name:10} {name:32} {share:6.1%} found")
    print()


def letters(chance: random.Random, signs: str, low: int, high: int) -> str:
    return "".join(chance.choices(signs, k=chance.randint(low, high)))


def several(chance: random.Random, signs: str, words: int) -> str:
    return " ".join([letters(chance, signs, 4, 11) for _ in range(words)])


def shuffled(chance: random.Random) -> str:
    return " ".join(["".join(chance.sample(word, len(word))) for word in SENTENCE.split()])


SENTENCE = "The committee decided yesterday evening that nothing further should happen before Thursday morning"
ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
GIBBERISH: Mapping[str, Callable[[random.Random], str]] = {
    "random letters, 2 to 8 words": lambda chance: several(chance, string.ascii_lowercase, chance.randint(2, 8)),
    "one mashed word": lambda chance: letters(chance, "".join(ROWS), 10, 30),
    "home row": lambda chance: " ".join([letters(chance, ROWS[1], 6, 14) for _ in range(chance.randint(1, 5))]),
    "consonants": lambda chance: several(chance, "bcdfghjklmnpqrstvwxz", 4),
    "mixed case": lambda chance: several(chance, string.ascii_letters, 5),
    "letters and digits": lambda chance: several(chance, string.ascii_letters + string.digits, 7),
    "within a sentence": lambda chance: f"Please tell me {several(chance, string.ascii_lowercase, 5)} about Berlin.",
    "one letter": lambda chance: letters(chance, string.ascii_lowercase, 1, 1) * chance.randint(30, 300),
    "one word": lambda chance: (letters(chance, string.ascii_lowercase, 2, 7) + " ") * chance.randint(20, 100),
    "shuffled within words": shuffled,
    "home row, Cyrillic": lambda chance: " ".join([letters(chance, "фывапролджэ", 6, 14) for _ in range(3)]),
    "signs alone": lambda chance: letters(chance, string.punctuation, 30, 60),
}


if __name__ == "__main__":
    main()
