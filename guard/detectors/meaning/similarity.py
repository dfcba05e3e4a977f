"""Texts that mean something like the examples in the policy: `use: similarity`, for topics of one's own, without any training."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from guard.detectors.meaning.encoder import KEY, Encoder, encoder
from guard.detectors.meaning.neighbours import Topic
from guard.detectors.running import Threaded
from guard.policy.kinds import Mistake
from guard.runtime.cores import available_cores
from guard.runtime.shared import shared
from guard.text import canonical
from guard.values import Finding, Item, Needs, WindowReach

CATEGORY = "topic"
"""The category where the policy names none."""

REPORTED = 0.05
"""Lowest score of a finding."""

EVERYDAY = Path(__file__).parent / "everyday.txt"
"""Sentences about anything, one a line: what a text off the topic looks like."""

_LISTS = ("examples", "counter_examples")
_WINDOW = WindowReach(context=0)


class Similarity(Threaded):
    """Scores how near each window is to the examples, and gives no spans."""

    batch = 1  # texts run one a call anyway, and single ones spread over the cores
    model_key = KEY

    def __init__(self, name: str, version: str, category: str, reach: WindowReach, model: Encoder, topic: Topic) -> None:
        super().__init__(name, version, Needs(reach=reach, views=("canonical",)), (category,))
        self.parallel = available_cores()
        self._model = model
        self._topic = topic
        self._scale = topic.scale()

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Return for each item the category, where it scores at least `REPORTED`; a long text has its nearest stretch's score."""
        return [self._findings(item) for item in items]

    def _findings(self, item: Item) -> list[Finding]:
        text = canonical(item.text)
        if not text.strip():
            return []
        odds = float(self._topic.log_odds(self._model.windows(text), self._scale).max())
        score = float(1 / (1 + np.exp(-odds)))
        [category] = self.categories
        return [Finding(self.name, category, score, None, item.location, item.role)] if score >= REPORTED else []


def make(name: str, options: Mapping[str, Any]) -> Similarity:
    """Return the detector, with its examples read by the encoder.

    Args:
        options: As the catalogue describes them.

    Raises:
        MissingExtra: Where the encoder's package is not installed.
        DetectorError: Where its model is missing or was changed.
    """
    model = encoder(name)
    texts = [*(list(dict.fromkeys(map(canonical, _texts(key, options)))) for key in _LISTS), _lines(EVERYDAY)]
    version = f"similarity-1-{model.version}-{_digest(texts)}"
    # the same for all topics, and most of the work
    everyday = shared((KEY, model.version, EVERYDAY, _digest(texts[-1])), lambda: model.vectors(texts[-1]))
    topic = Topic(model.vectors(texts[0]), model.vectors(texts[1]), everyday)
    reach = WindowReach(
        options.get("after", _WINDOW.after), options.get("most", _WINDOW.most), options.get("context", _WINDOW.context)
    )
    return Similarity(name, version, options.get("category", CATEGORY), reach, model, topic)


def categories_of(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the one category that a detector with these options reports."""
    return (options.get("category", CATEGORY),)


def check(options: Mapping[str, Any]) -> Sequence[Mistake]:
    """Return what is wrong with the examples: none at all, an empty one, a file that holds none."""
    mistakes = [
        Mistake((key, index), "a text", f'"{text}"')
        for key in _LISTS
        for index, text in enumerate(options.get(key, ()))
        if not text.strip()
    ]
    for key in _LISTS:
        mistakes += _mistakes_in_file(f"{key}_file", options)
    if not mistakes and not _texts("examples", options):
        return [Mistake((), "`examples` or `examples_file`", "no example")]
    return mistakes


def _mistakes_in_file(key: str, options: Mapping[str, Any]) -> list[Mistake]:
    if key not in options:
        return []
    try:
        found = _lines(Path(options[key]))
    except (OSError, UnicodeDecodeError) as error:
        return [Mistake((key,), "a readable text file in UTF-8", f"{options[key]}: {error}")]
    return [] if found else [Mistake((key,), "a file with one text a line", f"{options[key]}: no text")]


def _texts(key: str, options: Mapping[str, Any]) -> list[str]:
    in_file = _lines(Path(options[f"{key}_file"])) if f"{key}_file" in options else []
    return [*options.get(key, ()), *in_file]


def _lines(path: Path) -> list[str]:
    """Return the lines of a file that are neither blank nor comments."""
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _digest(texts: Sequence[object]) -> str:
    return hashlib.sha256(repr(texts).encode("utf-8", "replace")).hexdigest()[:16]
