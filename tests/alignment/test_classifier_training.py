"""Fitting, calibration, metrics, export: from a handful of sentences to a model that the guard loads."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from alignment.classifiers import card, export, fitting
from alignment.classifiers.calibration import ALARMS, PRIOR, calibrate, mixture
from alignment.classifiers.dataset import Example
from alignment.classifiers.evaluation import evaluate
from alignment.classifiers.matrix import rows_of
from alignment.classifiers.metrics import calibration_error, metrics
from alignment.classifiers.training import Training, view_digest
from alignment.cli import app
from guard.detectors.embedded_stages import CATEGORIES, MODEL
from guard.detectors.features import BUCKETS
from guard.detectors.linear import LinearStage

random = np.random.default_rng(7)


def example(text, label, number, source="benign_more"):
    return Example(text, dict.fromkeys(CATEGORIES, label), source, f"{number:08x}")


EXAMPLES = [
    *(example(f"you rotten scoundrel number {number}", 1, number, "own_examples") for number in range(40)),
    *(example(f"what a lovely morning number {number}", 0, number) for number in range(40)),
]


def test_a_fit_ranks_what_it_was_taught_and_ignores_unknown_labels():
    unknown = [Example("you rotten scoundrel", {}, "benign_more", "00000000")] * 5
    examples = [*EXAMPLES, *unknown]
    rows = rows_of(examples, seed=1)
    chosen = np.ones(len(examples), dtype=bool)
    for category in ("hate", "toxicity"):
        found = fitting.fit(rows, fitting.rarity(rows), category, chosen)
        logits = found.logits(rows, len(examples))
        assert logits[:40].min() > logits[40:80].max()
        alone = fitting.fit(rows, fitting.rarity(rows), category, np.arange(len(examples)) < 80)
        assert np.array_equal(found.weights, alone.weights)


def test_a_category_without_positives_is_an_error_that_names_it():
    rows = rows_of(EXAMPLES, seed=1)
    with pytest.raises(ValueError, match="hate: expected examples with and without it"):
        fitting.fit(rows, fitting.rarity(rows), "hate", np.arange(80) >= 40)


def test_a_benign_source_stands_in_one_fold():
    found = fitting.folds(EXAMPLES, ("benign_prompts", "benign_more"), 3)
    assert set(found[40:]) == {1}
    assert set(found[:40]) == {0, 1, 2}


def test_calibrated_scores_mean_what_they_say_at_the_prior():
    logits = random.normal(size=40_000) * 2
    labels = (random.random(40_000) < 1 / (1 + np.exp(1 - 3 * logits))).astype(np.int8)
    harmless = random.random(40_000) < 0.01
    weights = np.ones(40_000)
    found = calibrate(logits, labels, weights, harmless & (logits < 0), PRIOR)
    mixed = mixture(labels == 1, weights, harmless & (logits < 0), PRIOR)
    assert calibration_error(labels, found.scores(logits), mixed) < 0.03
    assert mixed[labels == 1].sum() == pytest.approx(PRIOR)


def test_harmless_text_rarely_reaches_a_half_and_the_thresholds_hold():
    logits = np.concatenate((random.normal(1, 1, 300), random.normal(0, 1, 20_000)))
    labels = (np.arange(20_300) < 300).astype(np.int8)
    found = calibrate(logits, labels, np.ones(20_300), labels == 0, PRIOR)
    quiet = found.scores(logits[labels == 0])
    assert (quiet >= 0.5).mean() <= ALARMS * 1.1
    assert (quiet >= found.tight).mean() <= 0.011
    assert (quiet >= found.loose).mean() <= 0.051


def test_metrics_of_a_known_ranking():
    labels = np.array([1, 1, 1, 0, 0, 0, 0], dtype=np.int8)
    found = metrics(labels, np.array([0.9, 0.8, 0.3, 0.5, 0.2, 0.1, 0.0]))
    assert found is not None
    assert found.auroc == pytest.approx(11 / 12)
    assert found.recall_1 == pytest.approx(2 / 3)
    assert metrics(labels[:4], np.zeros(4)) is None


def test_the_calibration_error_of_a_boaster_is_its_boast():
    assert calibration_error(np.zeros(10, dtype=np.int8), np.full(10, 0.9), np.ones(10)) == pytest.approx(0.9)


@pytest.fixture(scope="module")
def training():
    zeros = dict.fromkeys(CATEGORIES, 0.5)
    stage = LinearStage(
        CATEGORIES,
        random.integers(-9, 9, (BUCKETS, len(CATEGORIES))).astype(np.int8),
        np.full((2, len(CATEGORIES)), 0.01, dtype=np.float32),
        np.zeros(len(CATEGORIES), dtype=np.float32),
        zeros,
        zeros,
        {"seed": "1"},
    )
    return Training(stage, evaluate(stage, EXAMPLES, seed=1), {}, EXAMPLES)


def test_an_exported_model_scores_as_the_trained_one(training, tmp_path):
    path = export.export(training, tmp_path)
    texts = ["you rotten scoundrel", "a lovely morning", ""]
    assert np.array_equal(LinearStage.load(path).scores(texts), training.stage.scores(texts))


def test_the_card_names_data_licences_figures_and_failures(training, tmp_path):
    export.export(training, tmp_path)
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    for expected in ("| hatemoji_build | 0 | 1 | CC-BY-4.0 |", "make model", "Known failures", "| hate | 40 | 40 |"):
        assert expected in text
    assert card.measured(training.evaluation) in text


def test_the_model_that_ships_was_trained_on_todays_folded_view():
    assert LinearStage.load(MODEL).about["view"] == view_digest()


def test_training_without_data_ends_with_status_2_and_the_reason(tmp_path):
    done = CliRunner().invoke(app, ["classifier", "train", "--data", str(tmp_path), "--out", str(tmp_path)])
    assert done.exit_code == 2
    assert "No such file" in done.stderr
    assert ".jsonl" in done.stderr


def test_evaluating_a_changed_model_ends_with_status_2_and_the_reason(tmp_path):
    model = tmp_path / "m.safetensors"
    model.write_bytes(b"x")
    (tmp_path / "m.safetensors.sha256").write_text("0" * 64)
    from alignment.classifiers.sources import SOURCES

    for source in SOURCES:
        (tmp_path / f"{source}.jsonl").touch()
    done = CliRunner().invoke(app, ["classifier", "evaluate", "--data", str(tmp_path), "--model", str(model)])
    assert done.exit_code == 2
    assert "was changed" in done.stderr
