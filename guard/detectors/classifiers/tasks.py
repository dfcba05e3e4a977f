"""What the logits of a model mean: a label's score, or how well a hypothesis follows from the text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from guard.detectors.classifiers.labels import columns, named
from guard.detectors.classifiers.network import Facts
from guard.errors import DetectorError

Scores = NDArray[np.float32]
SCORES = ("auto", "softmax", "sigmoid", "as-is")
"""How logits become scores; `as-is` for a model whose outputs are probabilities already."""

TEMPLATE = "This text contains {}."
"""The hypothesis of a candidate, where the policy gives no other."""


class Task(Protocol):
    """Turns the logits of a window's rows into its columns of scores."""

    @property
    def hypotheses(self) -> tuple[str, ...]:
        """Second texts to pair with each window; none where a window is one row."""
        ...

    @property
    def columns(self) -> tuple[tuple[str, ...], ...]:
        """The categories of each column; a window has its rows' scores side by side."""
        ...

    def scores(self, logits: Scores) -> Scores:
        """Return for each row its scores in [0, 1]: shape (rows, columns / rows of a window)."""
        ...


@dataclass(frozen=True, slots=True)
class Classification:
    """One row a window, one column a label."""

    columns: tuple[tuple[str, ...], ...]
    activation: str
    hypotheses: tuple[str, ...] = ()

    def scores(self, logits: Scores) -> Scores:
        """Return the score of each label."""
        return activated(logits, self.activation)


@dataclass(frozen=True, slots=True)
class ZeroShot:
    """One row for each candidate of a window: the probability that its hypothesis is entailed and not contradicted.

    Attributes:
        entailment: Index of that label.
        contradiction: Index of its opposite; None where every other label counts as one.
    """

    columns: tuple[tuple[str, ...], ...]
    hypotheses: tuple[str, ...]
    entailment: int
    contradiction: int | None

    def scores(self, logits: Scores) -> Scores:
        """Return one score for each row; a candidate's does not depend on the other candidates."""
        if self.contradiction is not None:
            return activated(logits[:, [self.contradiction, self.entailment]], "softmax")[:, 1:]
        return activated(logits, "softmax")[:, self.entailment, np.newaxis]


def activated(logits: Scores, activation: str) -> Scores:
    """Return scores in [0, 1]; what is no number stays none."""
    if activation == "softmax":
        with np.errstate(invalid="ignore"):  # infinite logits; whoever asked looks for what is no number
            powers = np.exp(logits - logits.max(axis=1, keepdims=True))
            found: Scores = powers / powers.sum(axis=1, keepdims=True)
        return found
    if activation == "sigmoid":
        return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)), dtype=np.float32)  # tanh does not overflow
    clipped: Scores = np.clip(logits, 0, 1)
    return clipped


def classification(detector: str, facts: Facts, options: Mapping[str, Any]) -> Classification:
    """Return the task of a text classifier.

    Raises:
        DetectorError: Where labels do not fit the model, or it is no classifier.
    """
    labels = columns(detector, facts.labels, options.get("labels"))
    return Classification(labels, _activation(detector, facts, options.get("scores", "auto")))


def zero_shot(detector: str, facts: Facts, options: Mapping[str, Any]) -> ZeroShot:
    """Return the task of a model of natural language inference, with the policy's candidates.

    Raises:
        DetectorError: Where the model has no label for entailment.
    """
    words = [label.lower().replace("-", "_") for label in facts.labels]
    entailment = _first(words, ("entail",))
    if entailment is None:
        raise DetectorError(
            detector,
            f"model: expected a label `entailment` for task zero-shot, found {', '.join(facts.labels)}; use an NLI model",
        )
    candidates: Mapping[str, Any] = options["candidates"]
    template = options.get("template", TEMPLATE)
    hypotheses = tuple(template.replace("{}", candidate) for candidate in candidates)
    contradiction = _first(words, ("contradict", "not_entail", "non_entail"))
    return ZeroShot(tuple(named(value) for value in candidates.values()), hypotheses, entailment, contradiction)


def task_of(detector: str, facts: Facts, options: Mapping[str, Any]) -> Task:
    """Return what `task:` asks for."""
    wanted = zero_shot if options.get("task") == "zero-shot" else classification
    return wanted(detector, facts, options)


def _activation(detector: str, facts: Facts, wanted: str) -> str:
    """Choose as the model's configuration says; labels of one problem exclude each other unless it says otherwise."""
    if wanted != "auto":
        return wanted
    if facts.problem == "regression":
        raise DetectorError(
            detector, "scores: expected `sigmoid` or `as-is` for a model of problem_type regression, found `auto`"
        )
    return "sigmoid" if facts.problem == "multi_label_classification" or len(facts.labels) == 1 else "softmax"


def _first(words: Sequence[str], beginnings: tuple[str, ...]) -> int | None:
    return next((index for index, word in enumerate(words) if word.startswith(beginnings)), None)
