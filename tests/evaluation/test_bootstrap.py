"""Intervals are those of resampling records one by one, paired, and say something of very many records too."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from guard.evaluation import bootstrap
from guard.evaluation.bootstrap import Scored, differences, intervals


def made(count: int, seed: int = 0, gap: float = 0.25) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = (rng.random(count) < 0.3).astype(np.int8)
    first = np.clip(rng.normal(0.35 + gap * labels, 0.2), 0, 1).round(2)
    second = np.clip(first + rng.normal(0.05 * labels, 0.1), 0, 1).round(2)
    return labels, first, second


def by_hand(labels: np.ndarray, first: np.ndarray, second: np.ndarray, figure) -> np.ndarray:
    rng = np.random.default_rng(7)
    ones, zeros = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    found = []
    for _ in range(1000):
        drawn = np.concatenate([rng.choice(ones, ones.size), rng.choice(zeros, zeros.size)])
        found.append((figure(labels[drawn], first[drawn]), figure(labels[drawn], second[drawn])))
    return np.array(found)


@pytest.mark.parametrize(("name", "figure"), [("auroc", roc_auc_score), ("auprc", average_precision_score)])
def test_intervals_are_those_of_drawing_records_one_by_one(name: str, figure):
    labels, first, second = made(150)
    found = by_hand(labels, first, second, figure)
    alone = intervals(labels, Scored(first, 0.5))[name]
    assert tuple(alone) == pytest.approx(tuple(np.quantile(found[:, 0], (0.025, 0.975))), abs=0.02)
    paired = differences(labels, Scored(first, 0.5), Scored(second, 0.5))[name]
    assert tuple(paired) == pytest.approx(tuple(np.quantile(found[:, 1] - found[:, 0], (0.025, 0.975))), abs=0.01)
    assert paired.high - paired.low < alone.high - alone.low


def test_what_is_the_same_differs_by_nothing():
    labels, first, _ = made(300)
    assert set(differences(labels, Scored(first, 0.5), Scored(first.copy(), 0.5)).values()) == {(0.0, 0.0)}


def test_the_same_seed_gives_the_same_intervals():
    labels, first, _ = made(100)
    scored = Scored(first, 0.5)
    assert intervals(labels, scored, seed=3) == intervals(labels, scored, seed=3) != intervals(labels, scored, seed=4)


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_alone_has_intervals_for_what_can_be_told_of_it(label: int):
    labels = np.full(50, label, dtype=np.int8)
    found = intervals(labels, Scored(np.linspace(0, 1, 50), 0.5))
    assert ("recall" in found, "false_positive_rate" in found, "auroc" in found) == (label == 1, label == 0, False)
    assert found["brier"].low < found["brier"].high


def test_few_positives_are_in_every_draw():
    labels = np.zeros(200, dtype=np.int8)
    labels[0] = 1
    found = intervals(labels, Scored(np.linspace(1, 0, 200), 0.9))
    assert found["recall"] == (1.0, 1.0)
    assert found["auroc"] == (1.0, 1.0)


def test_scores_share_cells_among_very_many_records_and_intervals_stay(monkeypatch: pytest.MonkeyPatch):
    labels, first, second = made(4000, gap=0.15)
    first, second = (scores + np.random.default_rng(2).random(4000) * 1e-3 for scores in (first, second))
    exact = differences(labels, Scored(first, 0.5), Scored(second, 0.5), draws=300)
    monkeypatch.setattr(bootstrap, "_EXACT", 1000)
    coarse = differences(labels, Scored(first, 0.5), Scored(second, 0.5), draws=300)
    for name, interval in exact.items():
        assert tuple(coarse[name]) == pytest.approx(tuple(interval), abs=0.02), name


def test_no_cell_holds_scores_on_both_sides_of_the_threshold(monkeypatch: pytest.MonkeyPatch):
    labels, first, _ = made(3000)
    exact = intervals(labels, Scored(first, 0.45), draws=300)["recall"]
    monkeypatch.setattr(bootstrap, "_EXACT", 10)
    monkeypatch.setattr(bootstrap, "_LEVELS", 3)
    assert tuple(intervals(labels, Scored(first, 0.45), draws=300)["recall"]) == pytest.approx(tuple(exact), abs=0.01)


def test_an_interval_holds_the_truth_about_as_often_as_it_says():
    held = 0
    for seed in range(60):
        labels, first, _ = made(120, seed=seed)
        low, high = intervals(labels, Scored(first, 0.5), draws=200)["recall"]
        held += low <= 0.69 <= high
    assert held >= 50
