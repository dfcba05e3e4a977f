"""The detector that all local classifiers are: windows in, the highest score of each category out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from guard.detectors.classifiers.batches import batches, padded
from guard.detectors.classifiers.network import Network
from guard.detectors.classifiers.tasks import Scores, Task, task_of
from guard.detectors.classifiers.windows import Cutter, Row
from guard.detectors.running import Threaded
from guard.errors import DetectorError
from guard.values import Finding, Item, Needs, WindowReach

REPORTED = 0.05
"""Lowest score of a finding."""

_PROBES = ("Good morning.", "I will not tell you again: leave the house before it is dark, and take the dog with you!")
"""Texts of different length that every tokenizer knows; what a model says of them does not matter."""

_SAME = 1e-4
"""Largest difference between logits that is rounding and nothing else."""


class TextClassifier(Threaded):
    """A model that gives each text a score for each category, without a span.

    Args:
        network: The loaded model.
        task: What its logits mean.
        cutter: Cuts texts into rows that it can read.
        most: Tokens of a row; part of the version, as it moves the windows.
        alone: Whether rows must go one by one.
    """

    def __init__(
        self, name: str, network: Network, task: Task, cutter: Cutter, most: int, reach: WindowReach, *, alone: bool
    ) -> None:
        facts = network.facts
        described = f"{facts.digest} {facts.format} {task!r} {most}"
        version = hashlib.sha256(described.encode()).hexdigest()[:16]
        categories = tuple(dict.fromkeys(category for names in task.columns for category in names))
        super().__init__(name, version, Needs(reach=reach, views=("canonical",)), categories)
        self.model_key = f"{facts.format} {facts.digest}"
        self._network = network
        self._task = task
        self._cutter = cutter
        self._alone = alone

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        """Return for each item the categories with a score of at least `REPORTED`; a long one gets its highest window's."""
        return [self._findings(item, row) for item, row in zip(items, self.scores(items), strict=True)]

    def scores(self, items: Sequence[Item]) -> Scores:
        """Return an array of shape (items, columns of the task), 0 where a text has nothing to judge.

        Raises:
            DetectorError: Where the model computes no number; silence would pass for harmless.
        """
        width = len(self._task.columns)
        best = np.zeros((len(items), width), np.float32)
        per_row = width // (len(self._task.hypotheses) or 1)
        for batch in batches(self._rows(items), alone=self._alone):
            found = self._task.scores(self._logits([row for _, row in batch]))
            if not np.isfinite(found).all():
                raise DetectorError(self.name, "the model computed something that is no number")
            for ((item, row), _), values in zip(batch, found, strict=True):
                columns = best[item, row * per_row : (row + 1) * per_row]
                np.maximum(columns, values, out=columns)
        return best

    def _logits(self, rows: Sequence[Row]) -> Scores:
        return self._network.logits(*padded(rows, self._network.facts.pad))

    def _rows(self, items: Sequence[Item]) -> Iterator[tuple[tuple[int, int], Row]]:
        """Yield the rows of all windows, each with the index of its item and its place among its window's rows."""
        for index, item in enumerate(items):
            for window in self._cutter.windows(item.text, item.judged_from):
                yield from (((index, place), row) for place, row in enumerate(window))

    def _findings(self, item: Item, scores: Scores) -> list[Finding]:
        best: dict[str, float] = {}
        for names, score in zip(self._task.columns, scores.tolist(), strict=True):
            for category in names:
                best[category] = max(score, best.get(category, 0.0))
        return [
            Finding(self.name, category, score, None, item.location, item.role)
            for category, score in best.items()
            if score >= REPORTED
        ]


def build(name: str, network: Network, options: Mapping[str, Any]) -> TextClassifier:
    """Return the detector of a loaded model, after a few texts have shown that the model fits its labels.

    Args:
        options: `labels` or `candidates`, `scores`, `tokens`, and the windows' `after`, `most` and `context`.

    Raises:
        DetectorError: Where labels or sizes do not fit the model.
    """
    facts = network.facts
    task = task_of(name, facts, options)
    most = min(facts.limit, options.get("tokens", facts.limit))
    try:
        cutter = Cutter(network.tokenizer, most, task.hypotheses)
    except ValueError as error:
        raise DetectorError(name, f"tokens: {error}; shorten the candidates, or use a model that reads more") from error
    rows = [window[0] for text in _PROBES for window in islice(cutter.windows(text), 1)]
    if len(rows) != len(_PROBES):
        raise DetectorError(name, "model: expected a tokenizer that knows letters, found one that drops them; it is incomplete")
    _check_shape(name, network, rows[:1])
    reach = WindowReach(**{key: options[key] for key in ("after", "most", "context") if key in options})
    return TextClassifier(name, network, task, cutter, most, reach, alone=facts.alone or _disturbed(network, rows))


def _check_shape(name: str, network: Network, rows: Sequence[Row]) -> None:
    """Run the model on a text that every tokenizer knows.

    Raises:
        DetectorError: Where it fails, or has not one output for each label.
    """
    labels = len(network.facts.labels)
    try:
        shape = network.logits(*padded(rows, network.facts.pad)).shape
    except Exception as error:  # whatever a model raises on a text that cannot be at fault
        found = f"found one that fails on a text ({type(error).__name__})"
        raise DetectorError(name, f"model: expected a text classifier, {found}") from error
    if shape != (1, labels):
        raise DetectorError(name, f"model: expected {labels} outputs for a text, as it has labels, found shape {shape}")


def _disturbed(network: Network, rows: Sequence[Row]) -> bool:
    """Return whether company changes what a model says of a text: some read the padding, whatever the mask says."""
    together = network.logits(*padded(rows, network.facts.pad))
    alone = np.concatenate([network.logits(*padded([row], network.facts.pad)) for row in rows])
    return not np.allclose(together, alone, rtol=_SAME, atol=_SAME)
