"""Read the training texts: clean them of their sources' marks, leave out near-duplicates, split them once and for all."""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alignment.classifiers.sources import SOURCES, Source, completed
from guard.detectors.embedded_stages import CATEGORIES

HELD_OUT = 15
"""Percent of the texts that are never trained on."""

_MARKS = re.compile(r"@user\b|\[(?:USER|URL)\]|https?://\S+|\bRT\b|<(?:Person|person)>")
_SPACES = re.compile(r"[ \t]+")
_WORDS = re.compile(r"\w+")
_SKETCH = 6
_STRONG = 2.0
_NOT_SEXUAL = ("Child Abuse/Emotional and psychological abuse", "Child Abuse/Neglect", "Child Abuse/Physical abuse")


@dataclass(frozen=True, slots=True)
class Example:
    """A text with what is known about it.

    Attributes:
        labels: Category to 0 or 1; an absent category is unknown.
        source: Key of `SOURCES`.
        hash: 8 hexadecimal digits, by the words of the text alone.
        prompt: What the text is an answer to; empty where it is none, or nobody knows.
    """

    text: str
    labels: Mapping[str, int]
    source: str
    hash: str
    prompt: str = ""

    @property
    def held_out(self) -> bool:
        """Whether it is kept for evaluation."""
        return self.part < HELD_OUT

    @property
    def part(self) -> int:
        """0 to 99; below `HELD_OUT` it is never trained on."""
        return int(self.hash[-4:], 16) % 100


def read(folder: Path) -> list[Example]:
    """Return the examples of every known source in `folder`, and our own; the first of near-duplicates only.

    Raises:
        FileNotFoundError: Where a source is missing.
        ValueError: Where a line is not an example: file, line, expected, got.
    """
    lexicon = _lexicon(folder)
    seen: set[str] = set()
    found = []
    for source in sorted(SOURCES):
        examples = [_example(record, source) for record in _records(folder, source)]
        examples.sort(key=lambda example: example.hash)
        kept = list(_unseen(examples, seen))[: SOURCES[source].most]
        found += [_with_profanity(example, lexicon) for example in kept]
    return found


def cleaned(text: str) -> str:
    """Return `text` without the marks by which a source could be told: placeholders of users and links, entities, retweets."""
    return _SPACES.sub(" ", _MARKS.sub(" ", html.unescape(text))).strip()


def _unseen(examples: Iterable[Example], seen: set[str]) -> Iterator[Example]:
    for example in examples:
        sketch = _sketch(f"{example.prompt} {example.text}")
        if sketch and sketch not in seen:
            seen.add(sketch)
            yield example


def _records(folder: Path, source: str) -> Iterator[dict[str, Any]]:
    for file in _own_files() if source == "own_examples" else [folder / f"{source}.jsonl"]:
        for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), start=1):
            if line:
                yield _record(line, f"{file.name}:{number}", SOURCES[source])


def _own_files() -> list[Path]:
    """Return the files of our own examples, which stand beside this module."""
    return sorted((Path(__file__).parent / "own").glob("*.jsonl"))


def _record(line: str, where: str, source: Source) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads(line)
    except ValueError as error:
        raise ValueError(f"{where}: expected one JSON record a line, got {error}") from error
    labels = record.get("labels", {} if source.absent == CATEGORIES else None) if isinstance(record, dict) else None
    if not isinstance(labels, dict) or not isinstance(record.get(source.text), str) or not set(labels.values()) <= {0, 1}:
        raise ValueError(f"{where}: expected `{source.text}` and `labels` of 0 and 1, got {line[:60]!r}")
    return {**record, "labels": labels}


def _example(record: Mapping[str, Any], source: str) -> Example:
    use = SOURCES[source]
    text = cleaned(record[use.text])
    digest = hashlib.sha256(_plain(text).encode()).hexdigest()[:8]
    labels = record["labels"]
    if record.get("category") in _NOT_SEXUAL:  # catqa calls every abuse of a child sexual/minors
        labels = {name: value for name, value in labels.items() if not name.startswith("sexual")}
    return Example(text, completed(labels, use.absent), source, digest, cleaned(record.get(use.prompt) or ""))


def _plain(text: str) -> str:
    return " ".join(_WORDS.findall(text.casefold()))


def _sketch(text: str) -> str:
    """Return what near-duplicates share: the smallest hashes of a text's runs of three words (A. Broder, 1997)."""
    words = _plain(text).split()
    if len(words) < 2 * _SKETCH:
        return " ".join(words) or text
    runs = {" ".join(words[index : index + 3]) for index in range(len(words) - 2)}
    return "".join(sorted(hashlib.blake2b(run.encode(), digest_size=8).hexdigest() for run in runs)[:_SKETCH])


def _lexicon(folder: Path) -> tuple[frozenset[str], frozenset[str]]:
    """Return the words that are profane in any context, and those that may be."""
    records = list(_records(folder, "profanity_words"))
    strong = {record["text"].casefold() for record in records if record.get("severity", 0) >= _STRONG}
    weak = {record["text"].casefold() for record in (*records, *_records(folder, "bad_words_en"))}
    return frozenset(strong), frozenset(weak)


def _with_profanity(example: Example, lexicon: tuple[frozenset[str], frozenset[str]]) -> Example:
    """Label posts that say nothing about profanity by their words, where these leave no doubt."""
    if "profanity" in example.labels:
        return example
    strong, weak = lexicon
    words = set(_WORDS.findall(example.text.casefold()))
    if words & strong:
        return replace(example, labels={**example.labels, "profanity": 1})
    return example if words & weak else replace(example, labels={**example.labels, "profanity": 0})


def label_counts(examples: Iterable[Example]) -> dict[str, tuple[int, int]]:
    """Return for each category how many examples are known to be without and with it."""
    counts: dict[str, list[int]] = {}
    for example in examples:
        for name, value in example.labels.items():
            counts.setdefault(name, [0, 0])[value] += 1
    return {name: (zeros, ones) for name, (zeros, ones) in counts.items()}
