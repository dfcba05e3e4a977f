"""How near a text's meaning is to a topic that a few examples stand for.

Two measures are added: the mean cosine to the nearest examples, and how far the text lies in the direction that leads from
everyday sentences to the examples' middle. What the sum means depends on the topic: examples that resemble each other set a high
bar, a loose collection a low one. So it is put on a scale whose 0 is what everyday sentences reach, and whose 1 is what each
example reaches when measured by the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

NEAREST = 3
"""How many of the nearest examples count."""

_PRIOR = 1.1
_PRIOR_WEIGHT = 3
"""What the examples of a topic reach by each other, on average over topics, and how many examples of this topic it is worth."""
_SLOPE = 8.0
_PULL = 20.0
_TIE = 0.03
"""Log-odds of a step from everyday to on topic, and of a cosine nearer to the examples than to the counter-examples; a tie goes
to the examples. Chosen on topics of `benchmarks/similarity.py`, so its figures flatter a little."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic by examples, as unit vectors, one a row.

    Attributes:
        counters: What looks like it but isn't; may have no rows.
        everyday: Sentences about anything.
    """

    examples: Vectors
    counters: Vectors
    everyday: Vectors

    def scale(self) -> tuple[float, float]:
        """Return what everyday sentences reach on average, and what a text on the topic does."""
        examples = self.examples
        low = float(self.nearness(self.everyday).mean())
        count = len(examples) if len(examples) > 1 else 0
        own = sum(float(self._without(index).nearness(examples[index : index + 1])[0]) for index in range(count))
        return low, (own + _PRIOR_WEIGHT * _PRIOR) / (count + _PRIOR_WEIGHT)

    def nearness(self, texts: Vectors) -> Vectors:
        """Return one number for each text; the larger, the nearer."""
        middle = _unit(self.examples.mean(axis=0)) - self.everyday.mean(axis=0)
        found: Vectors = texts @ middle + nearest(texts, self.examples, NEAREST)
        return found

    def log_odds(self, texts: Vectors, scale: tuple[float, float]) -> Vectors:
        """Return the log-odds that each text is on the topic, by the topic's `scale`."""
        low, high = scale
        found: Vectors = _SLOPE * ((self.nearness(texts) - low) / max(high - low, 0.1) - 0.5)
        return np.minimum(found, self._pulled(texts)) if len(self.counters) else found

    def _pulled(self, texts: Vectors) -> Vectors:
        """Return the log-odds that a text belongs with the examples rather than the counter-examples.

        The nearest one counts by itself too, so that a single counter-example settles what is just like it.
        """
        few = min(NEAREST, len(self.examples), len(self.counters))
        leads = [nearest(texts, self.examples, count) - nearest(texts, self.counters, count) for count in (1, few)]
        pulled: Vectors = _PULL * (np.mean(leads, axis=0) + _TIE)
        return pulled

    def _without(self, index: int) -> Topic:
        return Topic(np.delete(self.examples, index, axis=0), self.counters, self.everyday)


def nearest(texts: Vectors, others: Vectors, count: int) -> Vectors:
    """Return for each text the mean cosine to the `count` of `others` that are nearest to it."""
    found: Vectors = np.sort(texts @ others.T, axis=1)[:, -count:].mean(axis=1)
    return found


def _unit(vector: Vectors) -> Vectors:
    found: Vectors = vector / max(float(np.linalg.norm(vector)), 1e-9)
    return found
