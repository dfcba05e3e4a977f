"""Make the table of letter triples that the detector `gibberish` reads: `guard/detectors/rules/letters.bin`.

    python -m benchmarks.letters [FOLDER]

Half of it are English words of the sets in FOLDER (else $TENET_DATA, else ../shared/data; MIT, Apache-2.0, CC-BY-4.0), half words
of other languages: spaCy's stop words and example sentences (MIT) and the prompts of PurpleLlama (MIT). Only counts are kept.
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from benchmarks.injection import read, text
from guard.detectors.rules.letters import TABLE, learned, spelled

ENGLISH = ("benign_prompts", "counsel_questions", "begin_wow", "model_responses", "grounded_answers", "toxic_spans")
OTHERS = "prompt_injection_multilingual"
_WORD = re.compile(r"[^\W\d_]+")


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("TENET_DATA", "../shared/data"))
    english: Counter[str] = Counter()
    for name in ENGLISH:
        for row in read(folder / f"{name}.jsonl"):
            english.update(words(text(row)))
    others: Counter[str] = Counter()
    for page in spacy_pages():
        others.update(set(words(page.read_text(encoding="utf-8"))))
    for row in read(folder / f"{OTHERS}.jsonl"):
        if row["language"] != "English":
            others.update(set(words(row["text"])))
    weights = {word: 1 + math.log(count) for word, count in english.items() if count > 1}
    TABLE.write_bytes(learned(weights, {word: float(count) for word, count in others.items()}))
    print(f"{len(weights):,} English words and {len(others):,} others in {TABLE}")


def words(page: str) -> Iterator[str]:
    for word in _WORD.findall(page):
        plain = spelled(word)
        if plain.isascii() and plain.isalpha():
            yield plain


def spacy_pages() -> Iterator[Path]:
    spec = find_spec("spacy")
    if spec is None or spec.origin is None:
        raise SystemExit("expected spaCy's lists of words; the way out: pip install spacy")
    for name in ("stop_words.py", "examples.py"):
        yield from sorted((Path(spec.origin).parent / "lang").glob(f"*/{name}"))


if __name__ == "__main__":
    main()
