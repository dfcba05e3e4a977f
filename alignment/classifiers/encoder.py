"""From the data sets to the transformer that ships: train, write as int8, calibrate that, judge it, and write its card."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alignment.classifiers.calibration import Calibration, calibrate, prior_of
from alignment.classifiers.card import encoder_card
from alignment.classifiers.dataset import Example, read
from alignment.classifiers.encoder_export import describe, export
from alignment.classifiers.encoder_training import train
from alignment.classifiers.evaluation import evaluate
from alignment.classifiers.matrix import labels_of
from alignment.classifiers.metrics import Metrics, metrics
from alignment.classifiers.sources import BENIGN, NEVER_TAUGHT, SOURCES
from guard.detectors.embedded import CATEGORIES, ENCODER
from guard.detectors.encoder_stage import EncoderStage

JUDGED, CALIBRATED = 7, 20
"""Percent of the texts: below the first they are judged, from there to the second calibrated on, the others trained on."""


def make(folder: Path, out: Path, seed: int, tell: Callable[[str], None] = lambda _line: None) -> Path:
    """Train on the data sets in `folder` and write weights, digest and card into `out`; return the path of the weights."""
    examples = read(folder)
    taught = [example for example in examples if example.part >= CALIBRATED and example.source not in NEVER_TAUGHT]
    tell(f"{len(examples)} examples, {len(taught)} to train on")
    path = out / ENCODER.name
    out.mkdir(parents=True, exist_ok=True)
    export(train(taught, seed, tell), path)
    finish(path, examples, seed, tell)
    return path


def finish(path: Path, examples: Sequence[Example], seed: int, tell: Callable[[str], None]) -> None:
    """Calibrate the int8 model at `path`, write calibration and digest, judge it and write its card."""
    seal(path)
    unseen = [example for example in examples if example.source in NEVER_TAUGHT]
    calibrating = [example for example in examples if JUDGED <= example.part < CALIBRATED and example.source not in NEVER_TAUGHT]
    describe(path, calibrations(EncoderStage.load(path), calibrating), {"seed": str(seed)})
    seal(path)
    tell("calibrated")
    stage = EncoderStage.load(path)
    judged = [example for example in examples if example.part < JUDGED and example.source not in NEVER_TAUGHT]
    evaluation = evaluate(stage, judged, seed)
    tell("judged on held-out rows")
    quiet = [example for example in judged if example.source in BENIGN]
    card = encoder_card(evaluation, by_source(stage, unseen, quiet), examples, path.stat().st_size, stage.version, seed)
    path.with_suffix(".md").write_text(card, encoding="utf-8")
    tell("judged on sources that it never saw")


def seal(path: Path) -> None:
    """Write the file's SHA-256 beside it."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(path.name + ".sha256").write_text(f"{digest}  {path.name}\n", encoding="ascii")


def calibrations(stage: EncoderStage, examples: Sequence[Example]) -> Mapping[str, Calibration]:
    """Return the calibration of each category, on examples that the model did not train on."""
    logits = np.stack([stage.logits(example.text) for example in examples]).astype(np.float64)
    labels = labels_of(examples)
    weights = np.array([SOURCES[example.source].weight for example in examples])
    harmless = np.array([example.source in BENIGN for example in examples])
    found = {}
    for column, name in enumerate(CATEGORIES):
        known = labels[:, column] >= 0
        given = logits[known, column], labels[known, column], weights[known], harmless[known]
        found[name] = calibrate(*given, prior_of(name))
    return found


def by_source(stage: EncoderStage, unseen: Sequence[Example], quiet: Sequence[Example]) -> dict[tuple[str, str], Metrics]:
    """Return metrics by (category, source); harmless held-out rows join a source that has positives only."""
    scores = {id(example): row for example, row in zip([*unseen, *quiet], _scores(stage, [*unseen, *quiet]), strict=True)}
    found = {}
    for source in sorted({example.source for example in unseen}):
        own = [example for example in unseen if example.source == source]
        for column, name in enumerate(CATEGORIES):
            both = any(example.labels.get(name) == 0 for example in own)
            judged = [example for example in (own if both else [*own, *quiet]) if name in example.labels]
            truth = np.array([example.labels[name] for example in judged], dtype=np.int8)
            measured = metrics(truth, np.array([scores[id(example)][column] for example in judged])) if judged else None
            if measured is not None:
                found[name, source] = measured
    return found


def _scores(stage: EncoderStage, examples: Sequence[Example]) -> NDArray[np.float64]:
    return stage.scores([example.text for example in examples]).astype(np.float64)
