"""Detectors and policies are measured on labelled records as they judge them in production, in bounded memory, paired."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from evaluation.stated_scores import KINDS, Stated
from sklearn.metrics import average_precision_score, roc_auc_score

from guard.errors import DetectorError, TenetError
from guard.evaluation.candidates import candidates, is_harm
from guard.evaluation.evaluate import Question, evaluate
from guard.evaluation.gathering import Asked
from guard.evaluation.layout import Layout
from guard.evaluation.sheets import as_markdown, as_plain, sheets
from guard.policy.kinds import Kind
from guard.values import Finding, Item, Needs, Role, Runs, Stage, WholeReach

POLICY = """\
version: 1
name: shop
detectors: {tone: {use: stated}, words: {use: patterns, words: [darn], category: profanity}}
rules:
  - {id: hateful, detect: tone, category: hate/*, threshold: 0.8, action: block}
  - {id: noted, detect: tone, category: [hate, toxicity], threshold: 0.4, action: flag}
  - {id: swearing, detect: words, category: profanity, action: redact}
  - {id: teens, when: 'request.headers["x-audience"] == "teen"', detect: tone, category: hate, threshold: 0.1, action: block}
  - {id: answers, on: output, detect: tone, category: harmful-response, threshold: 0.3, action: block}
"""
QUICK = Asked(timed=0)


def write(path: Path, records: Iterable[Mapping[str, Any]]) -> str:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


def stated(category: str, scores: Sequence[float], labels: Sequence[int]) -> list[dict[str, Any]]:
    return [{"text": f"{category}={score}", "labels": {category: label}} for score, label in zip(scores, labels, strict=True)]


@pytest.fixture
def policy(tmp_path: Path) -> str:
    path = tmp_path / "shop.yaml"
    path.write_text(POLICY)
    return str(path)


def found(question: Question, kinds: Mapping[str, Kind] = KINDS) -> dict[str, Any]:
    return evaluate(question, kinds).report.as_dict()


def test_figures_are_those_of_the_scores_that_the_detector_gave(tmp_path: Path):
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 300)
    scores = np.clip(rng.normal(0.4 + 0.2 * labels, 0.2), 0.01, 1).round(2)
    data = write(tmp_path / "r.jsonl", stated("hate", scores.tolist(), labels.tolist()))
    report = found(Question((data,), detectors=("stated",), asked=QUICK))
    row = report["candidates"][0]["rows"]["hate"]
    assert row["auroc"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-4)
    assert row["auprc"] == pytest.approx(average_precision_score(labels, scores), abs=1e-4)
    assert row["recall"] == pytest.approx((scores[labels == 1] >= 0.5).mean(), abs=1e-4)
    assert (row["threshold"], row["threshold_from"]) == (0.5, "default")
    assert row["intervals"]["auroc"][0] < row["auroc"] < row["intervals"]["auroc"][1]
    assert report["candidates"][0]["benign"]["flagged"] == int((scores[labels == 0] >= 0.5).sum())


def test_a_label_that_is_missing_is_unknown_and_not_zero(tmp_path: Path):
    records = [*stated("hate", [0.9, 0.1], [1, 0]), *stated("toxicity", [0.9, 0.1, 0.2], [1, 0, 0])]
    rows = found(Question((write(tmp_path / "r.jsonl", records),), ("stated",), asked=QUICK))["candidates"][0]["rows"]
    assert {name: (row["positives"], row["negatives"]) for name, row in rows.items()} == {
        "hate": (1, 1),
        "toxicity": (1, 2),
        "any harm": (2, 3),
        "flagged": (2, 3),
    }


def test_any_harm_is_the_highest_score_of_the_harm_whose_label_is_known(tmp_path: Path):
    records = [
        {"text": "hate=0.2 toxicity=0.9", "labels": {"hate": 1}},
        {"text": "hate=0.3 toxicity=0.1", "labels": {"hate": 0, "toxicity": 0}},
        {"text": "toxicity=0.6", "labels": {"any": 1}},
        {"text": "hate=0.9", "labels": {"pii/email": 0}},
    ]
    done = evaluate(Question((write(tmp_path / "r.jsonl", records),), ("stated",), asked=QUICK), KINDS)
    [row] = [row for row in done.report.rows if row.name == "any harm"]
    assert (row.scores[0].tolist(), row.labels.tolist()) == ([0.2, 0.3, 0.6], [1, 0, 1])
    assert is_harm("violence/graphic") and not is_harm("secret/jwt")


def test_a_policy_is_judged_by_what_it_decides(tmp_path: Path, policy: str):
    records = [
        {"text": "hate/threatening=0.9", "labels": {"hate/threatening": 1}},
        {"text": "hate=0.5", "labels": {"hate": 1}},
        {"text": "hate=0.2", "labels": {"hate": 1}},
        {"text": "darn", "labels": {"hate": 0, "toxicity": 0}},
        {"text": "hello", "labels": {"hate": 0}},
        {"text": "hello, unlabelled", "labels": {}},
    ]
    report = found(Question((write(tmp_path / "r.jsonl", records),), policies=(policy,), asked=QUICK))
    [of] = report["candidates"]
    assert (of["name"], of["kind"], len(of["policy"])) == ("shop.yaml", "policy", 64)
    assert of["harmful"]["actions"] == {"allow": 1, "flag": 1, "redact": 0, "revise": 0, "block": 1}
    assert of["benign"]["actions"] == {"allow": 1, "flag": 0, "redact": 1, "revise": 0, "block": 0}
    assert of["harmful"]["rules"] == {"hateful": 1, "noted": 1}
    assert of["benign"]["rules"] == {"swearing": 1}
    flagged, blocked = of["rows"]["flagged"], of["rows"]["blocked"]
    assert (flagged["recall"], flagged["false_positive_rate"]) == (pytest.approx(2 / 3, abs=1e-4), 0.5)
    assert (blocked["recall"], blocked["false_positive_rate"]) == (pytest.approx(1 / 3, abs=1e-4), 0.0)
    assert any("1 of 6 records have no label" in note for note in report["notes"])


def test_the_digest_is_the_one_under_which_the_policy_decides(tmp_path: Path, policy: str):
    from guard.engine import Guard

    [of] = found(Question((write(tmp_path / "r.jsonl", stated("hate", [0.9], [1])),), policies=(policy,), asked=QUICK))[
        "candidates"
    ]
    assert of["policy"] == Guard(policy, kinds=KINDS).policy.digest


def test_thresholds_are_those_in_force_for_the_stage(policy: str):
    [on_input] = candidates([], [policy], "", KINDS, Stage.INPUT)
    [alone] = candidates(["tone"], [policy], "", KINDS, Stage.INPUT)
    [by_kind] = candidates(["embedded"], [], "", KINDS, Stage.INPUT)
    assert on_input.thresholds["hate"] == (0.4, "rule noted")
    assert on_input.thresholds["hate/threatening"] == (0.8, "rule hateful")
    assert on_input.thresholds["harmful-response"] == (0.3, "rule answers")
    assert alone.thresholds == {name: on_input.thresholds[name] for name in alone.categories}
    assert by_kind.thresholds["hate"].origin == "detector embedded"


def test_two_candidates_are_compared_on_the_same_records(tmp_path: Path, policy: str):
    stricter = tmp_path / "stricter.yaml"
    stricter.write_text(POLICY.replace("threshold: 0.4", "threshold: 0.2"))
    scores = [0.9, 0.5, 0.3, 0.25] * 10 + [0.3, 0.1, 0.1, 0.1] * 10
    data = write(tmp_path / "r.jsonl", stated("hate", scores, [1] * 40 + [0] * 40))
    report = found(Question((data,), policies=(policy, str(stricter)), asked=QUICK))
    rows = report["comparison"]["rows"]
    assert (report["comparison"]["first"], report["comparison"]["second"]) == ("shop.yaml", "stricter.yaml")
    assert rows["hate"]["auroc"] == {"difference": 0.0, "interval": [0.0, 0.0]}
    assert rows["hate"]["recall"]["difference"] == 0.5
    assert rows["flagged"]["recall"]["interval"][0] > 0
    assert rows["flagged"]["false_positive_rate"]["difference"] == 0.25
    before, after = report["candidates"]
    assert before["rows"]["hate"]["recall"] + 0.5 == after["rows"]["hate"]["recall"]


@pytest.mark.parametrize(
    ("detectors", "policies", "against", "names"),
    [
        (["tone", "words"], ["P"], "", ["tone", "words"]),
        (["tone"], ["P", "P"], "", ["tone in P", "tone in P (second)"]),
        (["stated"], [], "embedded", ["stated", "embedded"]),
        (["tone"], ["P"], "default", ["tone", "default"]),
        (["stated"], [], "P", ["stated", "shop.yaml"]),
    ],
)
def test_candidates_are_kinds_or_detectors_of_a_policy_or_policies(
    policy: str, detectors: list[str], policies: list[str], against: str, names: list[str]
):
    given = [each.replace("P", policy) for each in policies]
    made = candidates(detectors, given, against.replace("P", policy), KINDS, Stage.INPUT)
    assert [each.name.replace(policy, "P") for each in made] == names


@pytest.mark.parametrize(
    ("detectors", "policies", "against", "said"),
    [
        ([], [], "", "expected something to evaluate"),
        (["sttaed"], [], "", "did you mean `stated`"),
        (["tune"], ["P"], "", "did you mean `tone`"),
        (["stated"], [], "nothing-like-it", "--against"),
        (["stated", "tone"], ["P"], "default", "got 3"),
        (["image"], [], "", "expected a kind that needs no options|judges images"),
        (["http"], [], "", "declare it in a policy"),
    ],
)
def test_what_cannot_be_a_candidate_is_said(policy: str, detectors: list[str], policies: list[str], against: str, said: str):
    with pytest.raises(TenetError, match=said):
        candidates(detectors, [each.replace("P", policy) for each in policies], against, KINDS, Stage.INPUT)


def test_parts_are_measured_for_themselves(tmp_path: Path):
    records = stated("hate", [0.9, 0.8, 0.1, 0.2], [1, 1, 0, 0])
    for record, language in zip(records, ["de", "en", "de", None], strict=True):
        record["language"] = language
    one = write(tmp_path / "one.jsonl", records)
    two = write(tmp_path / "two.jsonl", stated("toxicity", [0.9], [0]))
    report = found(Question((one, two), ("stated",), layout=Layout(slices=("language",)), asked=QUICK))
    slices = report["candidates"][0]["slices"]
    assert {value: list(rows) for value, rows in slices["data set"].items()} == {
        "one.jsonl": ["hate", "any harm", "flagged"],
        "two.jsonl": ["toxicity", "any harm", "flagged"],
    }
    assert {value: rows["any harm"]["positives"] for value, rows in slices["language"].items()} == {"": 0, "de": 1, "en": 1}
    assert slices["language"]["de"]["hate"]["auroc"] == 1.0


def test_what_cannot_be_told_is_null_and_says_why(tmp_path: Path):
    data = write(tmp_path / "r.jsonl", [*stated("hate", [0.9, 0.2], [0, 0]), *stated("profanity", [0.9], [1])])
    report = found(Question((data,), ("stated",), asked=QUICK))
    rows = report["candidates"][0]["rows"]
    assert (rows["hate"]["auroc"], rows["hate"]["recall"], rows["hate"]["false_positive_rate"]) == (None, None, 0.5)
    assert "no record is labelled 1" in rows["hate"]["reason"]
    assert "does not report" in rows["profanity"]["reason"]
    assert any(note.startswith("stated: hate: no record is labelled 1") for note in report["notes"])


def test_benign_texts_alone_tell_false_alarms(tmp_path: Path):
    report = found(Question((write(tmp_path / "r.jsonl", stated("hate", [0.9, 0.2, 0.1], [0, 0, 0])),), ("stated",), asked=QUICK))
    assert report["candidates"][0]["benign"]["flagged_rate"] == pytest.approx(1 / 3, abs=1e-4)
    assert "no record has a label 1, so only false alarms can be told" in report["notes"]


def test_false_alarms_on_benign_texts_are_told_by_category_though_nobody_labelled_it(tmp_path: Path):
    records = [{"text": "toxicity=0.9 hate=0.2", "labels": {"hate": 0}}, {"text": "hello", "labels": {"hate": 0}}]
    done = evaluate(Question((write(tmp_path / "r.jsonl", records),), ("stated",), asked=QUICK), KINDS)
    assert done.report.as_dict()["candidates"][0]["benign"]["categories"] == {"toxicity": {"reached": 1, "rate": 0.5}}
    [sheet] = [sheet for sheet in sheets(done.report) if "on benign texts" in sheet.title]
    assert [row[0] for row in sheet.rows] == ["toxicity"]


def test_labels_that_say_nothing_about_the_detector_are_an_error(tmp_path: Path):
    none = write(tmp_path / "none.jsonl", [{"text": "a", "labels": {}}])
    other = write(tmp_path / "other.jsonl", [{"text": "a", "labels": {"profanity": 1}}])
    with pytest.raises(TenetError, match="expected labels, found none in 1 records"):
        found(Question((none,), ("stated",), asked=QUICK))
    with pytest.raises(TenetError, match="expected labels for what stated reports"):
        found(Question((other,), ("stated",), asked=QUICK))
    with pytest.raises(TenetError, match="each data set once"):
        found(Question((none, none), ("stated",), asked=QUICK))


def test_a_value_to_slice_by_does_nothing_to_a_terminal_or_a_page(tmp_path: Path):
    records = [{**record, "by": "\x1b[31m|x|\n# y"} for record in stated("hate", [0.9, 0.1], [1, 0])]
    question = Question((write(tmp_path / "r.jsonl", records),), ("stated",), layout=Layout(slices=("by",)), asked=QUICK)
    [sheet] = [sheet for sheet in sheets(evaluate(question, KINDS).report) if sheet.title.endswith("by by")]
    assert "\x1b" not in as_plain(sheet)
    assert {line.replace("\\|", "").count("|") for line in as_markdown(sheet).splitlines()[2:]} == {len(sheet.header) + 1}


def test_a_field_with_too_many_values_is_no_slice(tmp_path: Path):
    data = write(tmp_path / "r.jsonl", [{"text": "", "labels": {"hate": 0}, "who": number} for number in range(300)])
    with pytest.raises(TenetError, match="--slice who: expected at most 200"):
        found(Question((data,), ("stated",), layout=Layout(slices=("who",)), asked=QUICK))


def test_a_record_without_a_verdict_counts_for_nobody(tmp_path: Path, policy: str):
    records = [*stated("hate", [0.9, 0.1], [1, 0]), {"text": "broken", "labels": {"hate": 1}}]
    data = write(tmp_path / "r.jsonl", records)
    report = found(Question((data,), ("stated",), against=policy, asked=QUICK))
    alone, decides = report["candidates"]
    assert alone["rows"]["hate"]["positives"] == decides["rows"]["hate"]["positives"] == 1
    assert (alone["no_verdict"], decides["no_verdict"]) == ({"stated": 1}, {"tone": 1})
    assert decides["harmful"]["actions"]["block"] == 2  # its rules block where they cannot tell
    assert any("gave no verdict on 1 records" in note for note in report["notes"])


def test_a_detector_that_never_gives_a_verdict_is_an_error(tmp_path: Path):
    data = write(tmp_path / "r.jsonl", [{"text": "broken", "labels": {"hate": 1}}] * 3)
    with pytest.raises(DetectorError, match="'stated' gave no verdict: not on one of 3 records"):
        found(Question((data,), ("stated",), asked=QUICK))


IN_LINE = Needs(reach=WholeReach(), runs=Runs.INLINE, sees="exchange")


@dataclass(frozen=True, slots=True)
class Watching:
    """Finds hate with score 1 in answers of an assistant to a question that says so."""

    name: str
    version: str = "1"
    needs: Needs = IN_LINE
    categories: tuple[str, ...] = ("hate",)

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        return [[Finding(self.name, "hate", 1.0)] if self._sees(item) else [] for item in items]

    async def detect_async(self, items: Sequence[Item]) -> list[list[Finding]]:
        return self.detect(items)

    @staticmethod
    def _sees(item: Item) -> bool:
        prompt = item.exchange.prompt if item.exchange else ()
        return item.stage is Stage.OUTPUT and item.role is Role.ASSISTANT and [each.text for each in prompt] == ["go on"]


WATCHING = Kind("watching", "", lambda name, _options: Watching(name), lambda _options: ("hate",), spans=False, reach="whole")


def test_a_record_says_which_way_its_text_travels_and_what_it_answers(tmp_path: Path):
    answer = {"text": "a", "labels": {"hate": 1}, "prompt": "go on", "stage": "output"}
    records = [answer, {**answer, "stage": "input", "labels": {"hate": 0}}, {**answer, "prompt": "no", "labels": {"hate": 0}}]
    kinds = {**KINDS, "watching": WATCHING}
    question = Question((write(tmp_path / "r.jsonl", records),), ("watching",), asked=QUICK)
    assert found(question, kinds)["candidates"][0]["rows"]["hate"]["auroc"] == 1.0
    del answer["stage"]
    question = Question((write(tmp_path / "r.jsonl", [answer]),), ("watching",), asked=Asked(stage=Stage.OUTPUT, timed=0))
    assert found(question, kinds)["candidates"][0]["rows"]["hate"]["recall"] == 1.0


def test_what_is_never_found_is_noted(tmp_path: Path):
    kinds = {**KINDS, "watching": WATCHING}
    question = Question((write(tmp_path / "r.jsonl", [{"text": "a", "labels": {"hate": 1}}]),), ("watching",), asked=QUICK)
    assert any("nothing was found in any record" in note for note in found(question, kinds)["notes"])


class Counting(Stated):
    asked: ClassVar[list[int]] = []

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        self.asked.append(len(items))
        return Stated.detect(self, items)


def test_texts_are_batched_and_times_are_those_of_judging_and_not_of_remembering(tmp_path: Path):
    Counting.asked.clear()
    kinds = {"stated": Kind("stated", "", lambda name, _: Counting(name), lambda _: Stated("x").categories, spans=False)}
    data = write(tmp_path / "r.jsonl", stated("hate", [0.9, 0.1] * 20, [1, 0] * 20))
    report = found(Question((data,), ("stated",), asked=Asked(timed=5)), kinds)
    assert sum(Counting.asked) == 45
    speed = report["candidates"][0]["speed"]
    assert speed["texts_per_second"] > 0
    assert speed["alone"]["texts"] == 5
    assert 0 < speed["alone"]["milliseconds"]["p50"] <= speed["alone"]["milliseconds"]["p99"]


def test_the_worst_mistakes_are_those_furthest_from_the_threshold(tmp_path: Path):
    scores, labels = [0.95, 0.7, 0.6, 0.1, 0.3, 0.45], [0, 0, 0, 1, 1, 1]
    data = write(tmp_path / "r.jsonl", stated("hate", scores, labels))
    done = evaluate(Question((data,), ("stated",), asked=Asked(timed=0, worst=2)), KINDS)
    [worst] = done.gathered.worst
    assert [(each.text, each.place) for each in worst.alarms] == [("hate=0.95", "r.jsonl:1"), ("hate=0.7", "r.jsonl:2")]
    assert [each.text for each in worst.misses] == ["hate=0.1", "hate=0.3"]


def test_memory_holds_scores_and_no_texts(tmp_path: Path):
    path = tmp_path / "r.jsonl"
    with path.open("w") as file:
        for number in range(800):
            file.write(json.dumps({"text": f"{number} " + "x" * 20_000, "labels": {"injection": number % 2}}) + "\n")
    question = Question((str(path),), ("injection",), asked=Asked(timed=10, together=16))
    evaluate(Question((str(path),), ("injection",), asked=Asked(timed=1, together=16)), KINDS)  # what is loaded once
    tracemalloc.start()
    try:
        report = found(question)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert report["records"] == 800
    assert peak < 5_000_000  # the file has 16,000,000
