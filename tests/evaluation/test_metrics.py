"""Figures are those of scikit-learn, ties and all, and NaN where nothing can be told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
    roc_curve,
)

from guard.evaluation.metrics import (
    FIGURES,
    NEED_BOTH,
    Counts,
    adaptive_calibration_error,
    calibration_error,
    expected_calibration_error,
    measure,
    recall_at,
    reliability,
)

pairs = st.lists(
    st.tuples(st.integers(0, 1), st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1, width=32))), min_size=1
)
both = pairs.filter(lambda rows: len({label for label, _ in rows}) == 2)


def arrays(rows: list[tuple[int, float]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([label for label, _ in rows], dtype=np.int8), np.array([score for _, score in rows])


@given(both, st.sampled_from([0.0, 0.25, 0.5, 0.7, 1.0]))
def test_figures_are_those_of_scikit_learn(rows, threshold: float):
    labels, scores = arrays(rows)
    found = measure(Counts.of(labels, scores), threshold)
    guesses = scores >= threshold
    assert found["auroc"] == pytest.approx(roc_auc_score(labels, scores))
    assert found["auprc"] == pytest.approx(average_precision_score(labels, scores))
    assert found["brier"] == pytest.approx(brier_score_loss(labels, scores))
    assert found["recall"] == pytest.approx(recall_score(labels, guesses))
    assert found["false_positive_rate"] == pytest.approx(guesses[labels == 0].mean())
    assert found["f1"] == pytest.approx(f1_score(labels, guesses, zero_division=0))
    if guesses.any():
        assert found["precision"] == pytest.approx(precision_score(labels, guesses))
    else:
        assert np.isnan(found["precision"])


@given(both, st.sampled_from([0.0, 0.01, 0.05, 0.3, 1.0]))
def test_recall_at_few_false_alarms_is_the_best_that_a_threshold_attains(rows, share: float):
    labels, scores = arrays(rows)
    alarms, recall, _ = roc_curve(labels, scores, drop_intermediate=False)
    assert recall_at(Counts.of(labels, scores), share) == pytest.approx(recall[alarms <= share + 1e-9].max())


@given(pairs)
def test_a_figure_is_told_exactly_where_the_classes_that_it_needs_are_there(rows):
    labels, scores = arrays(rows)
    found = measure(Counts.of(labels, scores), 0.0)
    assert tuple(found) == FIGURES
    classes = set(labels.tolist())
    for name, value in found.items():
        needed = {0, 1} if name in NEED_BOTH else {"recall": {1}, "false_positive_rate": {0}}.get(name, set())
        assert np.isnan(value) == (not needed <= classes), name


@given(pairs, st.integers(1, 20))
def test_the_calibration_error_is_the_mean_gap_of_bins(rows, bins: int):
    labels, scores = arrays(rows)
    place = np.minimum((scores * bins).astype(int), bins - 1)
    gaps = [
        abs(scores[place == each].mean() - labels[place == each].mean()) * (place == each).mean()
        for each in range(bins)
        if (place == each).any()
    ]
    assert expected_calibration_error(Counts.of(labels, scores), bins) == pytest.approx(sum(gaps))
    if bins == 10:
        assert calibration_error(labels, scores) == pytest.approx(sum(gaps))


def test_adaptive_bins_hold_as_many_texts_each():
    rng = np.random.default_rng(0)
    scores = np.sort(rng.random(1000) ** 4)
    labels = (rng.random(1000) < scores).astype(np.int8)
    expected = sum(
        abs(scores[part].mean() - labels[part].mean()) * len(part) / 1000 for part in np.array_split(np.arange(1000), 10)
    )
    assert adaptive_calibration_error(Counts.of(labels, scores)) == pytest.approx(expected, abs=1e-9)


def test_equal_scores_stay_together_in_adaptive_bins():
    labels = np.array([1] * 50 + [0] * 50, dtype=np.int8)
    assert adaptive_calibration_error(Counts.of(labels, np.full(100, 0.5))) == pytest.approx(0.0)


@given(pairs)
def test_the_bins_of_the_diagram_are_all_texts(rows):
    labels, scores = arrays(rows)
    bins = reliability(Counts.of(labels, scores))
    assert sum(size for _, _, size in bins) == len(rows)
    assert sum(share * size for _, share, size in bins) == pytest.approx(labels.sum())


def test_many_draws_are_measured_as_each_of_them_alone():
    rng = np.random.default_rng(1)
    scores = np.linspace(1, 0, 30)
    ones, zeros = rng.integers(0, 4, (2, 5, 30)).astype(float)
    together = measure(Counts(scores, ones, zeros), 0.4)
    for draw in range(5):
        alone = measure(Counts(scores, ones[draw], zeros[draw]), 0.4)
        for name in set(FIGURES) - {"ece_adaptive"}:  # its bins are those of all draws together
            assert together[name][draw] == pytest.approx(float(alone[name])), name
