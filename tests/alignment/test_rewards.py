"""What an answer is worth: the policy says it, and small things that are measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from servers import body_of, served

from alignment.rewards.build import build
from alignment.rewards.measured import LengthScorer, RepetitionScorer
from alignment.rewards.policy import PolicyScorer
from alignment.rewards.settings import JudgeReward, LengthReward, PolicyReward, RepetitionReward
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


PRINCIPLED = """\
version: 1
name: principled
principles:
  - {id: calm, text: Stay calm.}
  - {id: honest, text: Say what is true.}
"""


def judge(reply: Callable[[str], str]) -> Any:
    """A server that speaks OpenAI's format."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = await body_of(scope, receive, send)
        if body is None:
            return
        message = {"role": "assistant", "content": reply(body.decode())}
        answer = {"id": "c", "object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    return app


def judged(asked: str) -> str:
    """Minds shouting under the principle of calm, and is silent about what is true of the moon."""
    if "Say what is true" in asked and "moon" in asked:
        return "I would rather not say."
    violates = "Stay calm" in asked and "AAH" in asked
    return json.dumps({"violates": violates, "confidence": 0.8, "quote": ""})


def test_a_judge_says_what_an_answer_is_worth_by_each_principle(tmp_path: Path):
    (tmp_path / "p.yaml").write_text(PRINCIPLED)
    with served(judge(judged)) as address:
        (reward,) = build((JudgeReward(url=address, model="m", weight=2, retries=0),), str(tmp_path / "p.yaml"))
        prompts = [[{"role": "user", "content": "Tell me."}]] * 3
        assert reward.function(prompts, ["Water flows.", "AAH!", "AAH, the moon!"]) == [
            0,
            pytest.approx(-0.4),
            pytest.approx(-0.8),
        ]
    assert (reward.name, reward.weight, reward.scorer.unanswered) == ("judge", 2, 1)


def test_an_answer_of_which_a_judge_says_nothing_has_no_reward(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "p.yaml").write_text(PRINCIPLED)
    with served(judge(lambda _: "no")) as address:
        (reward,) = build((JudgeReward(url=address, model="m", retries=0),), str(tmp_path / "p.yaml"))
        assert reward.function(["x"], ["Water flows."]) == [None]
    assert "no verdict" in caplog.text


@pytest.mark.parametrize(
    ("policy", "principles", "told"),
    [(POLICY, (), "found none"), (PRINCIPLED, ("clam",), r"got 'clam' \(did you mean `calm`\?\)")],
)
def test_a_judge_wants_principles_that_there_are(tmp_path: Path, policy: str, principles: tuple[str, ...], told: str):
    (tmp_path / "p.yaml").write_text(policy)
    with pytest.raises(TenetError, match=told):
        build((JudgeReward(url="http://127.0.0.1:9", model="m", principles=principles),), str(tmp_path / "p.yaml"))
