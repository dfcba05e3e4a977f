"""Judge a stage on texts that it never saw: by category, by source, on harmless text, in disguise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

from alignment.classifiers.calibration import mixture, prior_of
from alignment.classifiers.dataset import Example
from alignment.classifiers.matrix import labels_of
from alignment.classifiers.metrics import Metrics, calibration_error, metrics
from alignment.classifiers.obfuscate import obfuscated
from alignment.classifiers.sources import BENIGN
from guard.detectors.embedded import SPOKEN_BY
from guard.detectors.linear import Scorer
from guard.values import Role


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured on held-out rows.

    Attributes:
        by_category: Over all sources.
        by_source: (category, source) to metrics, where the source has both kinds of rows.
        calibration: Category to expected calibration error at the prior that scores are calibrated for.
        alarms: Benign source to the share of its texts that reach 0.5, and the recommended threshold, in any known category.
        disguised: Category to the number of positives caught in the clear at 0.5, and the share still caught in disguise.
    """

    by_category: dict[str, Metrics]
    by_source: dict[tuple[str, str], Metrics]
    calibration: dict[str, float]
    alarms: dict[str, tuple[float, float]]
    disguised: dict[str, tuple[int, float]]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "by_category": {name: found.as_dict() for name, found in self.by_category.items()},
            "by_source": {f"{source} {name}": found.as_dict() for (name, source), found in self.by_source.items()},
            "calibration_error": self.calibration,
            "false_alarms": self.alarms,
            "caught_in_disguise": self.disguised,
        }


def evaluate(scorer: Scorer, examples: Sequence[Example], seed: int) -> Evaluation:
    """Return the evaluation of `scorer` on `examples`, all of which should be held out."""
    scores = scorer.scores([example.text for example in examples]).astype(np.float64)
    random = Random(seed)  # noqa: S311  (augmentation, not a secret)
    hidden = scorer.scores([obfuscated(example.text, random) for example in examples])
    labels = labels_of(examples)
    sources = np.array([example.source for example in examples])
    harmless = np.isin(sources, BENIGN)
    found = Evaluation({}, {}, {}, {}, {})
    for column, name in enumerate(scorer.categories):
        known = labels[:, column] >= 0
        truth, score = labels[known, column], scores[known, column]
        whole = metrics(truth, score)
        if whole is None:
            continue
        found.by_category[name] = whole
        weights = mixture(truth == 1, np.ones(truth.size), harmless[known], prior_of(name))
        found.calibration[name] = round(calibration_error(truth, score, weights), 4)
        for source in np.unique(sources[known]):
            part = metrics(truth[sources[known] == source], score[sources[known] == source])
            if part is not None:
                found.by_source[name, str(source)] = part
        caught = (labels[:, column] == 1) & (scores[:, column] >= 0.5)
        if caught.any():
            found.disguised[name] = int(caught.sum()), round(float((hidden[caught, column] >= 0.5).mean()), 4)
    limits = np.array([scorer.thresholds[name] for name in scorer.categories])
    asked = np.array([Role.USER in SPOKEN_BY.get(name, (Role.USER,)) for name in scorer.categories])
    for source in BENIGN:
        rows = sources == source
        if rows.any():
            shares = ((scores[rows] >= limit) & (labels[rows] == 0) & asked for limit in (0.5, limits))
            found.alarms[source] = tuple(round(float(share.any(axis=1).mean()), 4) for share in shares)  # type: ignore[assignment]
    return found
