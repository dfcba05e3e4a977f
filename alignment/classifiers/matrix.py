"""Turn examples into what a linear model is fitted on: windows as sparse rows, with weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alignment.classifiers.dataset import Example
from alignment.classifiers.obfuscate import obfuscated
from alignment.classifiers.sources import SOURCES
from guard.detectors.embedded_stages import CATEGORIES
from guard.detectors.features import BUCKETS, features
from guard.detectors.linear import windows

UNKNOWN = -1
_DISGUISED = 0.2
_MOST_WINDOWS = 6


@dataclass(frozen=True, slots=True)
class Rows:
    """Windows of examples.

    Attributes:
        matrix: scipy CSR, float32, shape (rows, BUCKETS); each row's words and each row's pieces have length 1.
        labels: int8, shape (rows, categories); `UNKNOWN` where nothing is known.
        weights: float64, shape (rows,); the windows of one example share its weight.
        owners: For each row the index of its example.
        plain: For each row whether it is spelled as it came.
    """

    matrix: Any
    labels: NDArray[np.int8]
    weights: NDArray[np.float64]
    owners: NDArray[np.int64]
    plain: NDArray[np.bool_]


def rows_of(examples: Sequence[Example], seed: int, *, disguise: bool = True) -> Rows:
    """Return the rows of `examples`; with `disguise` every fifth example is there once more, in a spelling that hides it."""
    from scipy.sparse import csr_matrix

    random = Random(seed)  # noqa: S311  (augmentation, not a secret)
    buckets: list[NDArray[np.int64]] = []
    values: list[NDArray[np.float32]] = []
    owners: list[int] = []
    weights: list[float] = []
    plain: list[bool] = []
    for index, example in enumerate(examples):
        spellings = [example.text]
        if disguise and random.random() < _DISGUISED:
            spellings.append(obfuscated(example.text, random))
        for version, text in enumerate(spellings):
            shown = windows(text)[:_MOST_WINDOWS]
            for window in shown:
                words, pieces = features(window)
                buckets += (words, pieces)
                values += (_unit(words.size), _unit(pieces.size))
                owners.append(index)
                weights.append(SOURCES[example.source].weight / len(shown))
                plain.append(version == 0)
    ends = np.cumsum([0, *(left.size + right.size for left, right in zip(buckets[::2], buckets[1::2], strict=True))])
    matrix = csr_matrix((np.concatenate(values), np.concatenate(buckets), ends), shape=(len(owners), BUCKETS))
    place = np.array(owners)
    return Rows(matrix, labels_of(examples)[place], np.array(weights), place, np.array(plain))


def labels_of(examples: Sequence[Example]) -> NDArray[np.int8]:
    """Return int8 of shape (examples, categories): 0, 1 or `UNKNOWN`."""
    return np.array([[example.labels.get(name, UNKNOWN) for name in CATEGORIES] for example in examples], dtype=np.int8)


def _unit(size: int) -> NDArray[np.float32]:
    return np.full(size, 1 / np.sqrt(max(size, 1)), dtype=np.float32)
