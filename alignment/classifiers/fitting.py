"""Fit one category: logistic regression on the rows whose label is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alignment.classifiers.dataset import Example
from alignment.classifiers.matrix import Rows
from guard.detectors.embedded_stages import CATEGORIES

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

MANNER = frozenset({"toxicity", "profanity", "jailbreak", "injection", "harmful-request", "harmful-response", "illicit"})
"""Categories that show in how something is said, so that common words count as much as rare ones.

In the others, which show in what a text is about, rare words count more: they are scaled by their inverse document frequency.
"""

_MOST_RISE = 20.0
_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Fit:
    """What was learned for one category: float64 of shape (BUCKETS,), and the intercept."""

    weights: Floats
    bias: float

    def logits(self, rows: Rows, examples: int) -> Floats:
        """Return for each example the highest logit of its windows as they came, not disguised."""
        found = np.full(examples, -np.inf)
        np.maximum.at(found, rows.owners[rows.plain], (rows.matrix @ self.weights + self.bias)[rows.plain])
        return found


def rarity(rows: Rows) -> NDArray[np.float32]:
    """Return the inverse document frequency of each bucket, the highest being 1 (K. Spärck Jones, 1972)."""
    counts = rows.matrix.getnnz(axis=0)
    raw = np.log((rows.matrix.shape[0] + 1) / (counts + 1))
    scaled: NDArray[np.float32] = (raw / raw.max()).astype(np.float32)
    return scaled


def fit(rows: Rows, scale: NDArray[np.float32], category: str, chosen: Mask) -> Fit:
    """Return what the examples of `chosen` teach about `category`.

    Positives that weigh less than a fifth of the whole are raised to it, at most twentyfold.

    Args:
        scale: See `rarity`; used for the categories outside `MANNER`, and folded into the weights.
        chosen: Shape (examples,).

    Raises:
        ValueError: Where the chosen examples are not of both kinds.
    """
    from sklearn.linear_model import LogisticRegression

    column = rows.labels[:, CATEGORIES.index(category)]
    known = np.flatnonzero((column >= 0) & chosen[rows.owners])
    labels, weights = column[known], rows.weights[known].copy()
    positive, negative = weights[labels == 1].sum(), weights[labels == 0].sum()
    if not positive or not negative:
        raise ValueError(
            f"{category}: expected examples with and without it, got {positive:g} and {negative:g} (sums of weights)"
        )
    weights[labels == 1] *= np.clip(_SHARE / (1 - _SHARE) * negative / positive, 1, _MOST_RISE)
    topical = category not in MANNER
    model = LogisticRegression(C=4.0 if topical else 1.0, solver="liblinear", tol=0.01, random_state=0)
    model.fit(_scaled(rows.matrix[known], scale) if topical else rows.matrix[known], labels, sample_weight=weights)
    return Fit(model.coef_[0] * scale if topical else model.coef_[0], float(model.intercept_[0]))


def folds(examples: list[Example], benign: tuple[str, ...], count: int) -> NDArray[np.int64]:
    """Return for each example its fold.

    A benign source stands in one fold as a whole, so that it is judged by a model that never saw any of it.
    """
    return np.array(
        [(benign.index(example.source) if example.source in benign else example.part) % count for example in examples]
    )


def _scaled(matrix: Any, scale: NDArray[np.float32]) -> Any:  # noqa: ANN401  (scipy's matrices have no types)
    scaled = matrix.copy()
    scaled.data *= scale[scaled.indices]
    return scaled
