"""What an answer is worth: the policy says it, and small things that are measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignment.rewards.build import build
from alignment.rewards.measured import LengthScorer, RepetitionScorer
from alignment.rewards.policy import PolicyScorer
from alignment.rewards.settings import LengthReward, PolicyReward, RepetitionReward
from guard.errors import TenetError
from guard.values import Decision, Finding, Role

POLICY = """\
version: 1
name: rewarding
detectors:
  words: {use: patterns, words: [kraken], category: custom/word}
  mild: {use: patterns, words: [squid], category: custom/mild}
  harm: {use: embedded}
rules:
  - {id: word, detect: words, category: custom/word, action: block}
  - {id: mild, detect: mild, category: custom/mild, action: flag}
  - {id: insults, on: output, detect: harm, category: harassment, threshold: 0.8, action: block}
  - {id: questions, on: input, detect: mild, category: custom/mild, action: block}
"""


@pytest.fixture
def scorer(tmp_path: Path) -> PolicyScorer:
    (tmp_path / "p.yaml").write_text(POLICY)
    return PolicyScorer(str(tmp_path / "p.yaml"))


def test_an_answer_costs_what_the_strictest_rule_that_fires_costs(scorer: PolicyScorer):
    answers = ["Water flows.", "A squid.", "A kraken and a squid."]
    assert scorer(["Tell me of the sea, squid."] * 3, answers) == [0, -0.25, -1]


def test_what_nearly_fires_costs_a_share_and_less_the_farther_it_is(scorer: PolicyScorer):
    def worth(score: float) -> float:
        finding = Finding("harm", "harassment", score, role=Role.ASSISTANT)
        return scorer.worth(Decision(findings=(finding,)))

    assert -0.5 < worth(0.7) < worth(0.4) < worth(0.1) < 0
    assert worth(0.7) == pytest.approx(-0.5 * 0.7 / 0.8)


def test_a_detector_without_a_verdict_is_never_taken_for_harmless(scorer: PolicyScorer, monkeypatch: pytest.MonkeyPatch):
    def fails(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(scorer.guard.detectors["words"], "detect", fails)
    monkeypatch.setattr(scorer.guard.detectors["words"], "scan", fails, raising=False)
    assert scorer(["x"], ["Water flows."]) == [-1]


def test_lengths_and_repetitions_are_worth_what_they_say():
    assert LengthScorer(LengthReward(least=10, most=20))([""] * 4, ["", "x" * 5, "x" * 15, "x" * 60]) == [-1, -0.5, 0, -1]
    scores = RepetitionScorer(RepetitionReward(words=2))([""] * 3, ["a b c d", "no no no no", ""])
    assert scores[0] == 0
    assert scores[1] == pytest.approx(1 / 3 - 1)
    assert scores[2] == 0


def test_rewards_say_what_they_were_and_want_a_policy_where_they_read_one(tmp_path: Path):
    (tmp_path / "p.yaml").write_text(POLICY)
    policy, length = build((PolicyReward(weight=2), LengthReward()), str(tmp_path / "p.yaml"))
    assert (policy.name, policy.weight, length.name) == ("policy", 2, "length")
    assert "rewarding, digest " in policy.described
    assert policy.function([[{"role": "user", "content": "x"}]], [[{"role": "assistant", "content": "A kraken."}]]) == [-1]
    with pytest.raises(TenetError, match="expected a policy"):
        build((PolicyReward(),), "")
