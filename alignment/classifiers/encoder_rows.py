"""Turn examples into rows of tokens and labels for the transformer, and rows into batches of like length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from alignment.classifiers.dataset import Example
from alignment.classifiers.encoder_surroundings import Surroundings
from alignment.classifiers.obfuscate import obfuscated
from alignment.classifiers.sources import SOURCES
from guard.detectors.embedded_stages import CATEGORIES
from guard.detectors.encoder_stage import WINDOW, sequence, shown_of, tokens_of

DISGUISED = 0.2
"""Share of the texts that are also shown in a disguised spelling, at half the weight."""

_BATCH, _LONG_BATCH, _LONG = 64, 32, 64
_SORTED_TOGETHER = 40
_FROM_START = 0.6


@dataclass(frozen=True, slots=True)
class Row:
    """A text as the model is taught it.

    Attributes:
        tokens: Without the special ones.
        labels: float32, shape (categories,): 0, 1, or -1 where nothing is known.
        prompt: Tokens of what it answers, as they are shown; empty where that is not shown.
    """

    tokens: tuple[int, ...]
    labels: NDArray[np.float32]
    weight: float
    prompt: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """Arrays of shape (rows, tokens) three times, (rows, categories) and (rows,)."""

    ids: NDArray[np.int64]
    mask: NDArray[np.int64]
    judged: NDArray[np.int64]
    labels: NDArray[np.float32]
    weights: NDArray[np.float32]


def rows_of(examples: Sequence[Example], random: Random) -> list[Row]:
    """Return a row for each example, and for some of them a second one: in disguise, among harmless text, or after a prompt.

    An answer whose prompt is known is shown with it, and again without it.
    """
    surroundings = Surroundings.of(examples)
    rows = []
    for example in examples:
        tokens, labels = tokens_of(example.text), labels_of(example)
        row = Row(tokens, labels, SOURCES[example.source].weight)
        rows.append(row)
        if random.random() < DISGUISED:
            rows.append(Row(tokens_of(obfuscated(example.text, random)), labels, row.weight / 2))
        if example.prompt:
            rows.append(Row(tokens, labels, row.weight, shown_of(tokens_of(example.prompt))))
        else:
            rows += [Row(shown, labels, row.weight / 2, prompt) for shown, prompt in surroundings.other(example, tokens, random)]
    return rows


def labels_of(example: Example) -> NDArray[np.float32]:
    """Return what is known of an example, in the order of `CATEGORIES`."""
    return np.array([example.labels.get(name, -1) for name in CATEGORIES], dtype=np.float32)


def batches(rows: Sequence[Row], random: Random) -> Iterator[Batch]:
    """Yield all rows once, in an order of chance, those of like length together."""
    order = list(range(len(rows)))
    random.shuffle(order)
    groups: list[list[int]] = []
    for start in range(0, len(order), _BATCH * _SORTED_TOGETHER):
        chunk = sorted(order[start : start + _BATCH * _SORTED_TOGETHER], key=lambda index: _length(rows[index]))
        while chunk:
            longest = _length(rows[chunk[min(_BATCH, len(chunk)) - 1]])
            size = _BATCH if longest < _LONG else _LONG_BATCH
            groups.append(chunk[:size])
            del chunk[:size]
    random.shuffle(groups)
    for group in groups:
        yield _batch([rows[index] for index in group], random)


def count_of_batches(rows: Sequence[Row], random: Random) -> int:
    """Return how many batches `batches` gives."""
    return sum(1 for _ in batches(rows, random))


def _length(row: Row) -> int:
    return min(len(row.tokens), WINDOW) + len(row.prompt)


def _batch(rows: Sequence[Row], random: Random) -> Batch:
    shown = [sequence(_stretch(row.tokens, random), row.prompt) for row in rows]
    ids = np.zeros((len(rows), max(len(tokens) for tokens, _ in shown)), dtype=np.int64)
    mask, judged = np.zeros_like(ids), np.zeros_like(ids)
    for index, (tokens, counted) in enumerate(shown):
        ids[index, : len(tokens)] = tokens
        mask[index, : len(tokens)] = 1
        judged[index, : len(tokens)] = counted
    weights = np.array([row.weight for row in rows], dtype=np.float32)
    return Batch(ids, mask, judged, np.stack([row.labels for row in rows]), weights)


def _stretch(tokens: tuple[int, ...], random: Random) -> tuple[int, ...]:
    """Return a stretch that the model can read: most often the beginning, which tells most of what a long text is."""
    spare = len(tokens) - WINDOW
    if spare <= 0:
        return tokens
    start = 0 if random.random() < _FROM_START else random.randrange(spare + 1)
    return tokens[start : start + WINDOW]
