"""From the data sets to the transformer that ships: train, write as int8, calibrate that, judge it, and write its card."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alignment.classifiers.calibration import Calibration, calibrate, prior_of
from alignment.classifiers.card import encoder_card
from alignment.classifiers.dataset import HELD_OUT, Example, read
from alignment.classifiers.encoder_export import describe, export
from alignment.classifiers.encoder_training import train
from alignment.classifiers.evaluation import evaluate
from alignment.classifiers.matrix import labels_of
from alignment.classifiers.metrics import Metrics, metrics
from alignment.classifiers.sources import BENIGN, NEVER_TAUGHT, SOURCES
from guard.detectors.embedded_stages import CATEGORIES, ENCODER, MODEL, Stages
from guard.detectors.encoder_stage import EncoderStage
from guard.detectors.linear import LinearStage

JUDGED, CALIBRATED = 5, HELD_OUT
"""Percent of the texts: below the first they are judged, from there to the second calibrated on, the others trained on."""


def make(folder: Path, out: Path, seed: int, tell: Callable[[str], None] = lambda _line: None) -> Path:
    """Train on the data sets in `folder` and write weights, digest and card into `out`; return the path of the weights.

    Raises:
        TenetError: Where the linear stage, together with which it is calibrated, is not in `out`, or the backbone is missing.
    """
    LinearStage.load(out / MODEL.name, "embedded")  # known before the long work, not after it
    examples = read(folder)
    taught = [example for example in examples if example.part >= CALIBRATED and example.source not in NEVER_TAUGHT]
    tell(f"{len(examples)} examples, {len(taught)} to train on")
    export(train(taught, seed, tell), out / ENCODER.name)
    return finish(out, examples, seed, tell)


def finish(out: Path, examples: Sequence[Example], seed: int, tell: Callable[[str], None]) -> Path:
    """Calibrate the int8 model in `out`, alone and with the linear stage; judge both stages together, and write their card."""
    path = out / ENCODER.name
    known = [example for example in examples if example.source not in NEVER_TAUGHT]
    calibrating = [example for example in known if JUDGED <= example.part < CALIBRATED]
    texts, prompts = [example.text for example in calibrating], [example.prompt for example in calibrating]
    seal(path)
    logits = np.stack([EncoderStage.load(path).logits(*shown) for shown in zip(texts, prompts, strict=True)])
    alone = calibrations(logits.astype(np.float64), calibrating)
    describe(path, alone, {name: Calibration(1, 0, 0.5, 0.5) for name in CATEGORIES}, {"seed": str(seed)})
    seal(path)
    tell("calibrated alone")
    stages = Stages("embedded", out)
    odds = stages.odds(stages.linear.scores(texts), stages.encoder().calibrated(logits))
    describe(path, alone, calibrations(odds.astype(np.float64), calibrating), {"seed": str(seed)})
    seal(path)
    tell("calibrated together")
    stages = Stages("embedded", out)
    judged = [example for example in known if example.part < JUDGED]
    evaluation = evaluate(stages, judged, seed)
    tell("judged on held-out rows")
    quiet = [example for example in judged if example.source in BENIGN]
    unseen = by_source(stages.encoder(), [example for example in examples if example.source in NEVER_TAUGHT], quiet)
    card = encoder_card(
        evaluation, unseen, answers(stages, judged), examples, path.stat().st_size, stages.encoder().version, seed
    )
    path.with_suffix(".md").write_text(card, encoding="utf-8")
    tell("judged on sources that it never saw")
    return path


def seal(path: Path) -> None:
    """Write the file's SHA-256 beside it."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(path.name + ".sha256").write_text(f"{digest}  {path.name}\n", encoding="ascii")


def calibrations(odds: NDArray[np.float64], examples: Sequence[Example]) -> Mapping[str, Calibration]:
    """Return the calibration of each category.

    Args:
        odds: Log-odds of shape (examples, categories), of examples that were not trained on.
    """
    labels = labels_of(examples)
    weights = np.array([SOURCES[example.source].weight for example in examples])
    harmless = np.array([example.source in BENIGN for example in examples])
    found = {}
    for column, name in enumerate(CATEGORIES):
        known = labels[:, column] >= 0
        given = odds[known, column], labels[known, column], weights[known], harmless[known]
        found[name] = calibrate(*given, prior_of(name))
    return found


def answers(stages: Stages, examples: Sequence[Example]) -> dict[str, Metrics]:
    """Return metrics of `harmful-response` on answers whose prompt is known: judged alone, and with the prompt."""
    column = CATEGORIES.index("harmful-response")
    asked = [example for example in examples if example.prompt and CATEGORIES[column] in example.labels]
    if not asked:
        return {}
    texts, prompts = [example.text for example in asked], [example.prompt for example in asked]
    truth = np.array([example.labels[CATEGORIES[column]] for example in asked], dtype=np.int8)
    shown = {"alone": stages.both(texts), "with its prompt": stages.both(texts, prompts)}
    found = {name: metrics(truth, scores[:, column].astype(np.float64)) for name, scores in shown.items()}
    return {name: measured for name, measured in found.items() if measured is not None}


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
