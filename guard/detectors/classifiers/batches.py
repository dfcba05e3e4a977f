"""Put rows of like length into one call of a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

import numpy as np

from guard.detectors.classifiers.network import Tokens
from guard.detectors.classifiers.windows import Row

T = TypeVar("T")

MOST_ROWS = 32
"""Rows of one call."""

MOST_TOKENS = 4096
"""Tokens of one call, padding included: what attention needs at once grows with them."""

ALIKE, SHORT = 1.2, 4
"""A row longer than the group's shortest by more than this factor and so many tokens begins another: padding costs like text."""

BLOCK = 8 * MOST_ROWS
"""Rows that are sorted by length together; more would hold more of a long text in memory."""


def batches(rows: Iterable[tuple[T, Row]], *, alone: bool = False) -> Iterator[list[tuple[T, Row]]]:
    """Yield the rows, each with what it came with, in groups for one call.

    Args:
        alone: Whether each row is a group.
    """
    source = iter(rows)
    while block := list(islice(source, BLOCK)):
        group: list[tuple[T, Row]] = []
        for entry in sorted(block, key=lambda entry: len(entry[1].ids)):
            size = len(entry[1].ids)
            full = len(group) == MOST_ROWS or (len(group) + 1) * size > MOST_TOKENS
            if group and (alone or full or size > len(group[0][1].ids) * ALIKE + SHORT):
                yield group
                group = []
            group.append(entry)
        yield group


def padded(rows: Sequence[Row], pad: int) -> tuple[Tokens, Tokens, Tokens]:
    """Return ids, mask and types of shape (rows, longest row); what a row lacks is `pad`, masked, at its end."""
    shape = (len(rows), max(len(row.ids) for row in rows))
    ids, mask, types = np.full(shape, pad, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for index, row in enumerate(rows):
        length = len(row.ids)
        ids[index, :length] = row.ids
        mask[index, :length] = 1
        types[index, :length] = row.types
    return ids, mask, types
