"""Train the linear stage of the embedded classifier, calibrate it, and judge it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alignment.classifiers import fitting
from alignment.classifiers.calibration import Calibration, calibrate, prior_of
from alignment.classifiers.dataset import Example, read
from alignment.classifiers.evaluation import Evaluation, evaluate
from alignment.classifiers.matrix import Rows, labels_of, rows_of
from alignment.classifiers.metrics import Metrics, metrics
from alignment.classifiers.sources import BENIGN, SOURCES
from guard.detectors.embedded_stages import CATEGORIES
from guard.detectors.features import WORD_BITS
from guard.detectors.linear import LinearStage
from guard.text import folded

UNSEEN = (
    "openai_moderation_half",
    "toxigen_statements",
    "hatemoji_build",
    "edos_sexism",
    "davidson_tweets",
    "identity_templates",
    "harmful_behaviours",
    "catqa",
    "harmfulqa",
    "indirect_injection_email",
    "guardrails_demo",
    "jailbreaks_in_the_wild",
    "toxic_prompts",
    "own_examples",
)
"""Sources that are each left out of training once, to see how a set that was never seen fares."""

_FOLDS = 3
_FEW_POSITIVES = 10
_PROBES = (
    "Plain words, don't you think?",
    "y0u st*pid ｆｏｏｌ",
    "l e t t e r s",
    "sooooo goooood",
    "naïve Ünïcode 😀",
    "раураl",
)


@dataclass(frozen=True, slots=True)
class Training:
    """What training gave.

    Attributes:
        unseen: (category, source) to metrics on that source's rows by a model that was trained without the source.
        examples: All of them, held-out ones included.
    """

    stage: LinearStage
    evaluation: Evaluation
    unseen: dict[tuple[str, str], Metrics]
    examples: list[Example]


def train(folder: Path, seed: int = 20261124, tell: Callable[[str], None] = lambda _line: None) -> Training:
    """Train on the data sets in `folder`. The same data and seed give the same model on the same machine.

    Args:
        tell: Called with a line about the progress now and then.
    """
    examples = read(folder)
    tell(f"{len(examples)} examples")
    rows = rows_of(examples, seed)
    tell(f"{rows.matrix.shape[0]} windows, {rows.matrix.nnz} features")
    scale = fitting.rarity(rows)
    taught = np.array([not example.held_out for example in examples])
    fits = [fitting.fit(rows, scale, name, taught) for name in CATEGORIES]
    tell("fitted")
    calibrations = [_calibration(rows, scale, examples, name, taught) for name in CATEGORIES]
    tell("calibrated")
    weights, scales, bias = _quantised(fits, calibrations)
    stage = LinearStage(
        categories=CATEGORIES,
        weights=weights,
        scales=scales,
        bias=bias,
        thresholds={name: found.tight for name, found in zip(CATEGORIES, calibrations, strict=True)},
        loose={name: found.loose for name, found in zip(CATEGORIES, calibrations, strict=True)},
        about={"licence": "Apache-2.0", "seed": str(seed), "view": view_digest()},
    )
    evaluation = evaluate(stage, [example for example in examples if example.held_out], seed)
    tell("evaluated on held-out rows")
    unseen = dict(_unseen(rows, scale, examples))
    tell("evaluated on unseen sources")
    return Training(stage, evaluation, unseen, examples)


def view_digest() -> str:
    """Return a digest of how the folded view spells a few probes: weights fit only the view that they were trained on."""
    return hashlib.sha256("\n".join(map(folded, _PROBES)).encode()).hexdigest()[:16]


def _calibration(
    rows: Rows, scale: NDArray[np.float32], examples: list[Example], name: str, taught: NDArray[np.bool_]
) -> Calibration:
    """Calibrate on logits of models that did not train on the example, and for a benign source on none of its kind."""
    fold = fitting.folds(examples, BENIGN, _FOLDS)
    labels = labels_of(examples)[:, CATEGORIES.index(name)]
    logits = np.zeros(len(examples))
    for number in range(_FOLDS):
        own = taught & (fold == number)
        logits[own] = fitting.fit(rows, scale, name, taught & ~own).logits(rows, len(examples))[own]
    known = taught & (labels >= 0)
    weights = np.array([SOURCES[example.source].weight for example in examples])
    harmless = np.array([example.source in BENIGN for example in examples])
    return calibrate(logits[known], labels[known], weights[known], harmless[known], prior_of(name))


def _quantised(
    fits: list[fitting.Fit], calibrations: list[Calibration]
) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.float32]]:
    """Return weights, scales and bias of a stage: calibrated log-odds, in whole multiples of a scale by block and category."""
    slopes = np.array([found.slope for found in calibrations])
    exact = np.stack([found.weights for found in fits], axis=1) * slopes
    bias = np.array([found.bias * line.slope + line.offset for found, line in zip(fits, calibrations, strict=True)])
    blocks = exact[: 1 << WORD_BITS], exact[1 << WORD_BITS :]
    scales = np.stack([np.abs(block).max(axis=0) / 127 for block in blocks])
    whole = np.concatenate([np.rint(block / scale) for block, scale in zip(blocks, scales, strict=True)])
    return whole.astype(np.int8), scales.astype(np.float32), bias.astype(np.float32)


def _unseen(rows: Rows, scale: NDArray[np.float32], examples: list[Example]) -> list[tuple[tuple[str, str], Metrics]]:
    """Judge each source of `UNSEEN` by models without it; where it has one kind of rows only, held-out harmless rows join it."""
    sources = np.array([example.source for example in examples])
    held_out = np.array([example.held_out for example in examples])
    labels = labels_of(examples)
    found = []
    for source in UNSEEN:
        own = sources == source
        for column, name in enumerate(CATEGORIES):
            truth = labels[:, column]
            if (truth[own] == 1).sum() < _FEW_POSITIVES or (truth[~own] == 1).sum() < _FEW_POSITIVES:
                continue
            quiet = held_out & np.isin(sources, BENIGN)
            judged = own if (truth[own] == 0).any() else own | quiet
            logits = fitting.fit(rows, scale, name, ~own & ~quiet).logits(rows, len(examples))
            known = judged & (truth >= 0)
            measured = metrics(truth[known], logits[known])
            if measured is not None:
                found.append(((name, source), measured))
    return found
