"""Choose a threshold from labelled scores so that a promise about fresh records holds, whatever the scores are like.

A rule fires where its score reaches the threshold. The loss of an example is 1 where the rule does the wrong thing: it misses a
record that it should fire on, or fires on one that it should leave alone. Both promises assume only that fresh records are
exchangeable with the examples; no promise needs a good model, but a useful threshold does. Pure: NumPy, no I/O.

**In expectation** (conformal risk control; Angelopoulos, Bates, Fisch, Lei and Schuster, 2024, "Conformal Risk Control",
theorem 1, arXiv:2208.02814). Of n examples, at most k may be lost, where k is the largest whole number with
(k + 1) / (n + 1) <= risk. Then the chance that the next record is lost is at most the risk, averaged over draws of the examples.

**With confidence 1 - d** (learn then test, with fixed-sequence testing; Angelopoulos, Bates, Candes, Jordan and Lei, 2025,
arXiv:2110.01052). From the safest threshold on, "the rate is above the risk" is tested by the binomial p-value
P(Bin(n, risk) <= losses), until a test no longer rejects at level d; so the largest k with P(Bin(n, risk) <= k) <= d is allowed.
It is the same as asking that the upper bound of Clopper and Pearson (1934) be at most the risk. Then the rate of the chosen
threshold is at most the risk for all but a share d of the draws of the examples.

Where no threshold keeps a promise, none is chosen, and such a draw counts as kept: nobody set a threshold that could go wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING

from guard.evaluation.binomial import cumulative

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NEVER = -math.inf
"""The score of a record in which the rule finds nothing: it fires at no threshold."""


class Control(StrEnum):
    """Which loss a promise bounds."""

    MISSES = "misses"
    FALSE_ALARMS = "false-alarms"


@dataclass(frozen=True, slots=True)
class Promise:
    """What a threshold is to keep.

    Attributes:
        risk: The largest rate of losses, in (0, 1).
        confidence: In (0, 1): the share of draws of examples for which the rate itself keeps to the risk; None for a promise in
            expectation.
    """

    control: Control
    risk: float
    confidence: float | None = None

    def allowed(self, examples: int) -> int:
        """Return how many of so many examples may be lost; -1 where there are too few for any threshold to keep the promise."""
        risk = Fraction(str(self.risk))  # 0.05 is meant as 1/20, and not as the float beside it
        if self.confidence is None:
            return math.floor(risk * (examples + 1)) - 1
        mean = examples * self.risk
        most = min(examples, math.ceil(mean + _DEVIATIONS * math.sqrt(mean + 1)))
        return int((cumulative(examples, self.risk, most) <= (1 - self.confidence) * _ROUNDING).sum()) - 1

    @property
    def needed(self) -> int:
        """The fewest examples with which the promise can be kept: then not one of them may be lost."""
        risk = Fraction(str(self.risk))
        if self.confidence is None:
            return math.ceil(1 / risk) - 1
        fewest = max(1, math.floor(math.log(1 - self.confidence) / math.log1p(-self.risk)))
        return fewest if self.allowed(fewest) >= 0 else fewest + 1

    @property
    def recommended(self) -> int:
        """A number of examples that is worth having: ten of them then count, and no single odd one decides.

        In expectation, nine may be lost, and the rate of the chosen threshold varies between draws by a third of the risk (it is
        distributed as Beta(k + 1, n - k) where no scores are tied; Vovk, 2012, arXiv:1209.2673). With confidence, the share that
        may be lost is at least half of the risk.
        """
        examples = math.ceil(10 / Fraction(str(self.risk))) - 1
        if self.confidence is not None:
            while 2 * self.allowed(examples) < self.risk * examples:
                examples += math.ceil(examples / 10)
        return examples


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold that keeps a promise.

    Attributes:
        value: In (0, 1]; exactly what `written` reads as.
        written: A decimal, with as few digits as tell apart the same examples.
    """

    value: float
    written: str


def choose(promise: Promise, examples: NDArray[np.float64], others: NDArray[np.float64]) -> Threshold | None:
    """Return the most useful threshold that keeps the promise: the highest for misses, the lowest for false alarms.

    Ties need no care of the caller's: losses are counted as the rule counts them, so that scores of few values lead to fewer
    losses than are allowed, never to more.

    Args:
        promise: With enough examples to be kept.
        examples: The scores on which losses are counted, in [0, 1]; `NEVER`, like 0, where the rule finds nothing.
        others: Scores of the other records. They play no part in the promise; rounding moves no threshold past one of them.

    Returns:
        None where no threshold keeps the promise, as too many positives are not found at all or too many benign records score 1;
        and where nothing was found anywhere.

    Raises:
        ValueError: For fewer examples than the promise needs.
    """
    import numpy as np

    allowed = promise.allowed(len(examples))
    if allowed < 0:
        raise ValueError(f"expected at least {promise.needed} examples, got {len(examples)}")
    seen = np.concatenate([examples, others])
    seen = np.unique(seen[seen > 0])
    if promise.control is Control.MISSES:
        highest = float(np.partition(examples, allowed)[allowed])
        return None if highest <= 0 else _just_below(highest, float(seen[seen < highest].max(initial=0.0)))
    lowest = float(np.partition(examples, len(examples) - 1 - allowed)[len(examples) - 1 - allowed])
    if lowest >= 1 or not len(seen):
        return None
    if lowest <= 0:
        return _just_below(float(seen[0]), 0.0)
    return _just_above(lowest, float(seen[seen > lowest].min(initial=_BELOW_ONE)))


def losses(control: Control, scores: NDArray[np.float64], threshold: float) -> int:
    """Return how many examples a threshold loses."""
    fires = int((scores >= threshold).sum())
    return len(scores) - fires if control is Control.MISSES else fires


_BELOW_ONE = math.nextafter(1, 0)
"""A threshold of 1 would leave nothing between the highest benign score and certainty."""
_DEVIATIONS = 12
"""Standard deviations above the mean beyond which no number of losses is worth asking about."""
_ROUNDING = 1 - 1e-9
"""What a binomial probability may be off by, as it is summed in floats."""
_FEWEST_DIGITS = 3
"""A text's score is the same in any company only to three decimals."""
_MOST_DIGITS = 20


def _just_below(score: float, beyond: float) -> Threshold:
    """Return the largest short decimal in (beyond, score]."""
    for digits in range(_FEWEST_DIGITS, _MOST_DIGITS):
        decimal = Decimal(repr(score)).quantize(Decimal(1).scaleb(-digits), ROUND_FLOOR)
        if float(decimal) > beyond:
            return _threshold(decimal)
    return _threshold(Decimal(repr(score)))


def _just_above(score: float, up_to: float) -> Threshold:
    """Return the smallest short decimal in (score, up_to]."""
    for digits in range(_FEWEST_DIGITS, _MOST_DIGITS):
        step = Decimal(1).scaleb(-digits)
        decimal = Decimal(repr(score)).quantize(step, ROUND_CEILING)
        if float(decimal) <= score:
            decimal += step
        if score < float(decimal) <= up_to:
            return _threshold(decimal)
    return _threshold(Decimal(repr(math.nextafter(score, 1))))


def _threshold(decimal: Decimal) -> Threshold:
    written = f"{decimal:f}".rstrip("0")
    written = written + "0" if written.endswith(".") else written
    return Threshold(float(written), written)
