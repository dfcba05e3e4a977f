"""What labels and logits mean."""

from __future__ import annotations

import numpy as np
import pytest

from guard.detectors.classifiers.checks import categories_of, check, check_detoxify
from guard.detectors.classifiers.labels import columns
from guard.detectors.classifiers.network import Facts, labels_of
from guard.detectors.classifiers.tasks import activated, task_of
from guard.errors import DetectorError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def facts(*labels: str, problem: str = "") -> Facts:
    return Facts(labels, problem, 512, 0, False, "digest", "test")


@pytest.mark.parametrize(
    ("label", "category"),
    [
        ("toxic", "toxicity"),
        ("TOXICITY", "toxicity"),
        ("severe_toxic", "toxicity/severe"),
        ("Severe Toxicity", "toxicity/severe"),
        ("obscene", "profanity"),
        ("threat", "harassment/threatening"),
        ("insult", "harassment"),
        ("identity_hate", "hate"),
        ("identity-attack", "hate"),
        ("sexual_explicit", "sexual"),
        ("self-harm/intent", "self-harm/intent"),
    ],
)
def test_labels_that_mean_the_same_everywhere_need_no_map(label: str, category: str):
    assert columns("d", (label, "neutral"), None) == ((category,), ())


@pytest.mark.parametrize("labels", [("LABEL_0", "LABEL_1"), ("SAFE", "INJECTION"), ("toxic", "NSFW"), ("neutral", "safe")])
def test_labels_that_nobody_can_know_must_be_mapped(labels: tuple[str, ...]):
    with pytest.raises(DetectorError, match=r"labels: expected labels whose meaning is known, found `.*under `labels:`"):
        columns("d", labels, None)


def test_a_map_is_complete_and_may_give_a_label_several_categories_or_none():
    given = {"BAD": ["hate", "toxicity"], "WORSE": "hate/threatening", "FINE": None}
    found = columns("d", ("FINE", "BAD", "toxic", "WORSE"), given)
    assert found == ((), ("hate", "toxicity"), (), ("hate/threatening",))


def test_a_map_that_names_a_label_that_the_model_lacks_is_refused_with_the_model_s_labels():
    with pytest.raises(
        DetectorError, match=r'expected labels of the model \(`INJECTION`, `SAFE`\), found "INJECTIN".*`INJECTION`\?'
    ):
        columns("d", ("INJECTION", "SAFE"), {"INJECTIN": "injection"})


@pytest.mark.parametrize(
    ("options", "path", "expected"),
    [
        ({"labels": {"X": "hat"}}, ("labels", "X"), "a category of Tenet's"),
        ({"labels": {"X": ["hate", "toxicty"]}}, ("labels", "X", 1), "a category of Tenet's"),
        ({"labels": {"X": "hate/*"}}, ("labels", "X"), "a category of Tenet's"),
        ({"labels": {"X": 3}}, ("labels", "X"), "a category, a list"),
        ({"labels": {"X": None}}, ("labels",), "at least one label"),
        ({"labels": {}}, ("labels",), "at least one label"),
        ({"candidates": {"hate": "hate"}}, ("candidates",), "no `candidates`"),
        ({"template": "It is {}."}, ("template",), "no `template`"),
        ({"task": "zero-shot"}, (), "`candidates`"),
        ({"task": "zero-shot", "candidates": {"hate": "hat"}}, ("candidates", "hate"), "a category of Tenet's"),
        ({"task": "zero-shot", "candidates": {"hate": "hate"}, "labels": {}}, ("labels",), "no `labels`"),
        ({"task": "zero-shot", "candidates": {"hate": "hate"}, "template": "Hm."}, ("template",), "a sentence with `{}`"),
        ({"model": "org/name"}, ("model",), "the commit"),
        ({"model": "org/name", "revision": "main"}, ("revision",), "the commit"),
    ],
)
def test_mistakes_in_a_policy_are_told_without_the_model(options: dict, path: tuple, expected: str):
    [mistake] = check({"model": "./model", **options})
    assert mistake.path == path
    assert expected in mistake.expected


def test_a_misspelt_category_gets_a_hint():
    [mistake] = check({"model": "./m", "labels": {"X": "toxicty"}})
    assert mistake.hint == "did you mean `toxicity`?"


@pytest.mark.parametrize(
    "options",
    [
        {"model": "org/name", "revision": COMMIT},
        {"model": "org/name", "allow_unpinned": True},
        {"model": "/models/mine", "labels": {"X": "custom/mine", "Y": None}},
        {
            "model": "/m",
            "task": "zero-shot",
            "candidates": {"a threat": ["violence", "harassment/threatening"]},
            "template": "{}",
        },
    ],
)
def test_right_options_have_no_mistakes(options: dict):
    assert check(options) == []


def test_detoxify_has_one_model():
    assert [mistake.path for mistake in check_detoxify({"model": "original", "checkpoint": "x"})] == [("checkpoint",)]
    assert [mistake.path for mistake in check_detoxify({"labels": {"toxicity": "toxik"}})] == [("labels", "toxicity")]
    assert check_detoxify({}) == []


def test_what_can_be_reported_is_what_the_map_says():
    assert categories_of({"labels": {"A": ["hate", "sexual"], "B": "hate", "C": None}}) == ("hate", "sexual")
    assert categories_of({"task": "zero-shot", "candidates": {"x": "topic"}}) == ("topic",)
    assert "toxicity" in categories_of({})


@pytest.mark.parametrize(
    ("problem", "labels", "wanted", "expected"),
    [
        ("", 2, "auto", [0.2689, 0.7311]),
        ("single_label_classification", 2, "auto", [0.2689, 0.7311]),
        ("multi_label_classification", 2, "auto", [0.7311, 0.8808]),
        ("", 1, "auto", [0.7311]),
        ("", 2, "sigmoid", [0.7311, 0.8808]),
        ("multi_label_classification", 2, "softmax", [0.2689, 0.7311]),
        ("regression", 1, "as-is", [1.0]),
    ],
)
def test_scores_follow_the_configuration_unless_the_policy_says_otherwise(problem, labels, wanted, expected):
    names = tuple(f"L{index}" for index in range(labels))
    task = task_of("d", facts(*names, problem=problem), {"labels": dict.fromkeys(names, "hate"), "scores": wanted})
    logits = np.array([[1.0, 2.0][:labels]], np.float32)
    assert task.scores(logits)[0] == pytest.approx(expected, abs=1e-4)


def test_a_regression_s_scale_must_be_told():
    with pytest.raises(DetectorError, match="scores: expected `sigmoid` or `as-is`"):
        task_of("d", facts("toxic", problem="regression"), {})


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "as-is"])
def test_huge_logits_stay_scores_and_what_is_no_number_stays_none(activation: str):
    found = activated(np.array([[1e30, -1e30], [np.nan, 0.0]], np.float32), activation)
    assert found[0].tolist() == [1.0, 0.0]
    assert np.isnan(found[1, 0])


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (("contradiction", "neutral", "entailment"), np.exp(3) / (np.exp(3) + np.exp(1))),
        (("ENTAILMENT", "NEUTRAL", "CONTRADICTION"), np.exp(1) / (np.exp(3) + np.exp(1))),
        (("entailment", "not_entailment"), np.exp(1) / (np.exp(1) + np.exp(2))),
        (("entailment", "x", "y"), np.exp(1) / (np.exp(1) + np.exp(2) + np.exp(3))),
    ],
)
def test_a_candidate_s_score_is_entailment_against_contradiction(labels: tuple[str, ...], expected: float):
    task = task_of("d", facts(*labels), {"task": "zero-shot", "candidates": {"a threat": "violence"}, "template": "It is {}!"})
    assert task.hypotheses == ("It is a threat!",)
    assert task.scores(np.array([[1.0, 2.0, 3.0][: len(labels)]], np.float32)) == pytest.approx(np.array([[expected]]), abs=1e-5)


def test_a_model_without_entailment_is_no_zero_shot_model():
    with pytest.raises(DetectorError, match=r"expected a label `entailment`.*toxic"):
        task_of("d", facts("toxic", "fine"), {"task": "zero-shot", "candidates": {"x": "hate"}})


def test_labels_come_in_the_order_of_their_numbers():
    assert labels_of({"id2label": {"10": "k", "2": "c", "0": "a"}}) == ("a", "c", "k")
    assert labels_of({"num_labels": 3}) == ("LABEL_0", "LABEL_1", "LABEL_2")
