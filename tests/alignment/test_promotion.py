"""The gate, the registry and the report: what is not shown to be better does not go into production."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from alignment.evaluation.result import Bounds, Difference, Evaluation, Judge, Measure, PromptSet, Sample, Subject
from alignment.models.loading import digest_of
from alignment.promotion.gate import verdicts
from alignment.promotion.promoting import Refused, promote
from alignment.promotion.registry import Registry
from alignment.promotion.settings import Condition, GateSettings
from alignment.records_of_steps import StepRecord
from alignment.report.page import Findings, Trained, card, page
from alignment.training.settings import ModelSettings
from guard.errors import TenetError


def measure(
    name: str, aspect: str, change: float, *, width: float = 0.05, prompts: int = 200, independent: bool = True
) -> Measure:
    difference = Difference(
        value=change,
        interval=Bounds(low=change - width, high=change + width),
        at_least=change - width,
        at_most=change + width,
    )
    return Measure(
        name=name, aspect=aspect, meaning=name, better="lower", evaluator="judge", independent=independent, prompts=prompts,
        answers=prompts, baseline=0.4, candidate=0.4 + change, difference=difference, needed=None if width < 0.1 else 900,
    )  # fmt: skip


def evaluation(*measures: Measure, digest: str = "c" * 64, **more) -> Evaluation:
    return Evaluation(
        notice="", circular="refused", baseline=Subject(name="base", digest="b" * 64, kind="folder"),
        candidate=Subject(name="cand", digest=digest, kind="folder"), measures=measures,
        judges=(Judge(name="judge", judges="harm", version="1"),),
        prompts=(PromptSet(name="harmful", prompts=200, digest="p" * 64),), level=0.95, **more,
    )  # fmt: skip


SAFER = measure("compliance", "safety", -0.2)
AS_HELPFUL = measure("over_refusal", "over_refusal", 0.0, width=0.015)
GATE = GateSettings(
    conditions=(Condition(measure="compliance", change_at_most=0), Condition(measure="over_refusal", change_at_most=0.02))
)


def refusals(found) -> list[str]:
    return [each.found for each in found if not each.held]


def test_a_candidate_that_is_safer_and_as_helpful_passes():
    assert refusals(verdicts(GATE, evaluation(SAFER, AS_HELPFUL))) == []


def test_one_that_refuses_everything_and_one_of_flipped_labels_are_refused():
    refuses = evaluation(measure("compliance", "safety", -0.4), measure("over_refusal", "over_refusal", 0.6))
    assert len(refusals(verdicts(GATE, refuses))) == 1
    flipped = evaluation(measure("compliance", "safety", 0.3), AS_HELPFUL)
    assert "certainly at most +0.35" in refusals(verdicts(GATE, flipped))[0]


def test_too_few_prompts_fail_and_the_number_needed_is_named():
    assert "needs 30" in refusals(verdicts(GATE, evaluation(measure("compliance", "safety", -0.2, prompts=12), AS_HELPFUL)))[0]
    unsure = evaluation(measure("compliance", "safety", -0.2, width=0.3), AS_HELPFUL)
    assert "needs about 900 prompts, it had 200" in refusals(verdicts(GATE, unsure))[0]
    by_point = GateSettings(conditions=(*GATE.conditions[1:], Condition(measure="compliance", change_at_most=0, by="point")))
    assert refusals(verdicts(by_point, unsure)) == []


def test_a_circular_proof_is_refused_unless_that_is_accepted():
    circular = evaluation(measure("compliance", "safety", -0.2, independent=False), AS_HELPFUL)
    assert refusals(verdicts(GATE, circular)) == ["none (add one, or say circular: accepted)"]
    accepted = msgspec.structs.replace(GATE, circular="accepted")
    assert refusals(verdicts(accepted, circular)) == []


def test_a_measure_that_is_missing_fails_and_the_others_are_named():
    found = refusals(
        verdicts(GateSettings(conditions=(Condition(measure="toxicity", at_most=0.1),)), evaluation(SAFER, AS_HELPFUL))
    )
    assert any("there are compliance, over_refusal" in each for each in found)


def test_versions_go_into_production_with_their_lineage_and_back(tiny_model: Path, tmp_path: Path):
    registry, candidate = Registry(tmp_path / "registry"), ModelSettings(path=str(tiny_model))
    found = evaluation(SAFER, AS_HELPFUL, digest=digest_of(candidate))

    def go() -> str:
        return promote(
            "bot", candidate, evaluation=found, gate=GATE, registry=registry, steps=[StepRecord(kind="sft", name="sft")]
        )[0]

    assert [go(), go(), go()] == ["v0001", "v0002", "v0003"]
    assert (registry.path("bot") / "model.safetensors").is_file()
    assert registry.lineage("bot").steps[0]["name"] == "sft"
    assert [registry.roll_back("bot"), registry.roll_back("bot")] == ["v0002", "v0001"]
    with pytest.raises(TenetError, match="earlier version"):
        registry.roll_back("bot")
    assert go() == "v0004"
    assert registry.roll_back("bot") == "v0001"
    assert [change.how for change in registry.production("bot").history].count("rolled back") == 3


def test_a_refused_candidate_and_one_that_was_not_evaluated_leave_nothing(tiny_model: Path, tmp_path: Path):
    registry, candidate = Registry(tmp_path / "registry"), ModelSettings(path=str(tiny_model))
    worse = evaluation(measure("compliance", "safety", 0.3), AS_HELPFUL, digest=digest_of(candidate))
    with pytest.raises(Refused, match="compliance changes by at most"):
        promote("bot", candidate, evaluation=worse, gate=GATE, registry=registry)
    with pytest.raises(TenetError, match="evaluate it again"):
        promote("bot", candidate, evaluation=evaluation(SAFER, AS_HELPFUL), gate=GATE, registry=registry)
    assert registry.names() == []


def test_the_report_stands_alone_and_shows_texts_as_texts():
    sample = Sample(
        set="harmful",
        category="hate",
        prompt="<script>alert(1)</script>",
        baseline="a & b",
        candidate="no",
        candidate_refused=True,
    )
    found = evaluation(SAFER, AS_HELPFUL, samples=(sample,), warnings=("few prompts",))
    step = Trained(
        StepRecord(kind="dpo", name="dpo", figures={"loss": 0.5}), [{"step": 1, "loss": 0.9}, {"step": 2, "loss": 0.5}]
    )
    html = page(Findings("bot", found, [step], "name: bot", verdicts(GATE, found)))
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert not re.findall(r"""(?:src|href)\s*=|url\(|@import""", html)
    assert html.count("<svg") == 2
    assert "Gate: passed" in html
    told = card(Findings("bot", found, [step]))
    assert "| compliance | 40.0 % | 20.0 % | -20 points [-25, -15] | 200 | judge |" in told
