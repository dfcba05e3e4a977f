"""Rules that look at several findings, at time, languages and the conversation, where they are in force: whole and streamed."""

from __future__ import annotations

import json

import pytest

from guard.asking import pump_sync
from guard.detectors.registry import kinds
from guard.engine import Guard, new_exchange
from guard.errors import MissingExtra
from guard.formats.openai_chat import OpenAIChat
from guard.policy.load import loads
from guard.remembering import RecentConversations
from guard.text_stream import TextStream
from guard.values import Action, Caller, Decision, Exchange, Stage

DETECTORS = """version: 1
detectors:
  names: {use: patterns, words: [alpha], category: custom/name}
  deeds: {use: patterns, words: [beta], category: custom/deed}
  excuse: {use: patterns, words: [gamma], category: custom/excuse}
"""
BOTH = """
rules:
  - id: both
    action: %s
    all:
      - {detect: names, category: custom/name}
      - {detect: deeds, category: custom/deed}
      - not: {detect: excuse, category: custom/excuse}
"""
THIRD = """
rules:
  - {id: named, detect: names, category: custom/name, action: flag}
  - {id: third, action: block, count: {rule: named, at_least: 3}, message: Enough.}
"""


def guard(rules: str, **more: object) -> Guard:
    return Guard(loads(DETECTORS + rules, kinds()), **more)  # type: ignore[arg-type]


def streamed(guarded: Guard, pieces: list[str], exchange: Exchange | None = None) -> tuple[str, Decision]:
    stream = TextStream(guarded.judge_of(exchange or new_exchange()))
    released = "".join(pump_sync(stream, pieces, guarded.detectors))
    guarded.record_stream(exchange or new_exchange(), stream.judge.decision, [(None, stream.judge)])
    return released, stream.judge.decision


@pytest.mark.parametrize("action", ["block", "redact", "flag"])
@pytest.mark.parametrize(
    "text", ["first alpha then beta", "beta and alpha", "beta alone", "alpha, beta, gamma", "gamma alpha and beta", ""]
)
def test_a_rule_on_several_findings_says_the_same_however_a_stream_is_cut(action: str, text: str) -> None:
    guarded = guard(BOTH % action)
    whole = guarded.check_sync(text, Stage.OUTPUT)
    fires = "alpha" in text and "beta" in text and "gamma" not in text
    assert whole.action is (Action[action.upper()] if fires else Action.ALLOW)
    expected = text
    if fires and action != "flag":
        expected = "" if action == "block" else text.replace("alpha", "[NAME]").replace("beta", "[DEED]")
    cuts = [list(text), *([text[:at], text[at:]] for at in range(len(text)))]
    for pieces in cuts:
        released, decision = streamed(guarded, pieces)
        assert (released, decision.action, decision.rules) == (expected, whole.action, whole.rules)


def test_a_rule_that_only_flags_several_findings_holds_nothing() -> None:
    stream = TextStream(guard(BOTH % "flag").judge_of(new_exchange()))
    stream.feed("alpha was here ")
    assert stream.take() == "alpha was here "


def test_the_third_strike_blocks_at_once_and_the_conversation_stays_blocked() -> None:
    guarded = guard(THIRD)
    asked = [new_exchange(conversation="c") for _ in range(5)]
    said = [guarded.check_sync("alpha", exchange=exchange) for exchange in asked[:3]]
    assert [decision.action for decision in said] == [Action.FLAG, Action.FLAG, Action.BLOCK]
    assert said[2].message == "Enough."
    assert guarded.check_sync("fine words", exchange=asked[3]).rules == ("third",)
    released, decision = streamed(guarded, ["fine ", "words"], asked[4])
    assert (released, decision.rules) == ("", ("third",))


def test_a_strike_in_an_answer_counts_and_each_conversation_has_its_own() -> None:
    guarded = guard(THIRD)
    for _ in range(2):
        streamed(guarded, ["al", "pha"], new_exchange(conversation="c"))
    assert guarded.check_sync("alpha", exchange=new_exchange(conversation="d")).action is Action.FLAG
    assert guarded.check_sync("alpha", exchange=new_exchange(conversation="")).action is Action.FLAG
    other = new_exchange(conversation="c", caller=Caller(tenant="other"))
    assert guarded.check_sync("alpha", exchange=other).action is Action.FLAG
    exchange = new_exchange(conversation="c")
    assert [streamed(guarded, list("so alpha."), exchange)[1].action for _ in range(1)] == [Action.BLOCK]


def test_an_exchange_counts_once_however_many_of_its_stages_a_rule_fires_in() -> None:
    guarded = guard(THIRD)
    exchange = new_exchange(conversation="c")
    guarded.check_sync("alpha", Stage.INPUT, exchange=exchange)
    guarded.check_sync("alpha", Stage.OUTPUT, exchange=exchange)
    assert guarded.check_sync("alpha", exchange=new_exchange(conversation="c")).action is Action.FLAG


def test_the_memory_is_bounded() -> None:
    memory = RecentConversations(conversations=2, exchanges=3)
    for number in range(5):
        memory.remember(new_exchange(conversation="a"), Decision(rules=(str(number),)))
    memory.remember(new_exchange(conversation="b"), Decision())
    assert [past.rules for past in memory.recall(new_exchange(conversation="a"))] == [{"2"}, {"3"}, {"4"}]
    memory.remember(new_exchange(conversation="c"), Decision())
    assert memory.recall(new_exchange(conversation="a")) == ()


def test_a_schedule_goes_by_the_clock_that_the_guard_is_given() -> None:
    rules = "rules: [{id: r, detect: names, category: custom/name, action: block, schedule: {from: 2026-12-01}}]"
    assert guard(rules, clock=lambda: 1_764_547_199.0).check_sync("alpha").action is Action.ALLOW
    assert guard(rules, clock=lambda: 1_796_083_200.0).check_sync("alpha").action is Action.BLOCK


def test_a_threshold_by_language_goes_by_what_the_user_writes() -> None:
    pytest.importorskip("py3langid")
    detector = "  weak: {use: patterns, patterns: [{pattern: alpha, category: custom/weak, score: 0.6}]}\n"
    guarded = guard(
        detector + "rules: [{id: r, detect: weak, category: custom/weak, action: block, threshold: 0.5, by_language: {de: 0.7}}]"
    )
    assert guarded.check_sync("Could you please tell me what alpha means?").action is Action.BLOCK
    assert guarded.check_sync("Kannst du mir bitte sagen, was alpha bedeutet?").action is Action.ALLOW


def test_a_policy_that_needs_languages_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guard.situation.is_installed", lambda: False)
    with pytest.raises(MissingExtra, match=r"tenet-guard\[language\]"):
        guard("rules: [{id: r, detect: names, category: custom/name, action: block, when: '\"de\" in languages'}]")


def test_conditions_read_what_the_request_offers_and_asks_for() -> None:
    when = "'\"pay\" in tools && turn == 2 && request.parameters.temperature > 1.0'"
    guarded = guard(f"rules: [{{id: r, detect: names, category: custom/name, action: block, when: {when}}}]")
    said = [("user", "hello"), ("assistant", "hi"), ("user", "alpha")]
    body = {
        "messages": [{"role": role, "content": words} for role, words in said],
        "tools": [{"type": "function", "function": {"name": "pay", "parameters": {}}}],
    }
    for temperature, action in ((1.5, Action.BLOCK), (1.0, Action.ALLOW)):
        request = OpenAIChat().read_request(json.dumps({**body, "temperature": temperature}).encode())
        exchange = guarded.described(new_exchange(), request)
        assert guarded.judge_sync(request.document.texts, Stage.INPUT, exchange).decision.action is action


def test_a_condition_on_findings_lets_some_of_them_count_whole_and_streamed() -> None:
    when = "finding.length > 5"
    long = "  long: {use: patterns, patterns: [{pattern: 'x+', category: custom/x}]}\n"
    guarded = guard(f"{long}rules: [{{id: r, detect: long, category: custom/x, action: redact, when: {when}}}]")
    text = "xxx then xxxxxxx"
    assert guarded.check_sync(text, Stage.OUTPUT).action is Action.REDACT
    for at in range(len(text)):
        assert streamed(guarded, [text[:at], text[at:]])[0] == "xxx then [X]"


def test_a_policy_that_asks_for_nothing_works_nothing_out() -> None:
    guarded = guard("rules: [{id: r, detect: names, category: custom/name, action: block}]", clock=lambda: pytest.fail("asked"))
    exchange = new_exchange(conversation="c")
    assert guarded.check_sync("alpha", exchange=exchange).action is Action.BLOCK
    assert guarded.memory.recall(exchange) == ()
