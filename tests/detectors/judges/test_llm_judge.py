"""A chat model as a judge, through a policy, against servers that speak OpenAI's and Anthropic's formats."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from servers import served
from speaking import Server, called, chat, message, verdict

from guard.detectors.registry import kinds
from guard.engine import Guard, new_exchange
from guard.errors import DetectorError, PolicyError, Transient
from guard.policy.load import loads
from guard.values import Action, Exchange, Finding, Item, Location, Role, Span, Stage

POLICY = """
version: 1
name: kindness
principles: [{id: kind, text: Answer without insulting anyone.}]
detectors:
  judge: %s
rules:
  - {id: insults, on: [input, output], detect: judge, category: harassment, action: %s}
"""


def judge(url: str, **options: Any) -> Any:
    return kinds()["llm-judge"].make("judge", {"url": url, "model": "m", "principle": "Be kind.", **options})


def policy(url: str, action: str = "block", **options: Any) -> Guard:
    given = {"use": "llm-judge", "url": url, "model": "m", "category": "harassment", "runtime": {"retries": 0}, **options}
    if "principle" not in given:
        given["principles"] = ["kind"]
    return Guard(loads(POLICY % (json.dumps(given), action), kinds(), name="kindness"))


def insulting(request: dict[str, Any]) -> Any:
    """A model that finds the word fool."""
    shown = request["messages"][-1]["content"]
    return chat(verdict("fool" in shown, 0.9, "You fool" if "You fool" in shown else ""))


@pytest.fixture
def server() -> Iterator[tuple[Server, str]]:
    app = Server(insulting)
    with served(app) as url:
        yield app, url


@pytest.mark.anyio
async def test_a_policy_s_principle_is_judged_and_enforced(server: tuple[Server, str]) -> None:
    app, url = server
    guard = policy(url)
    blocked = await guard.check("Well. You fool!", Stage.OUTPUT)
    assert (blocked.action, blocked.rules, blocked.findings[0].score) == (Action.BLOCK, ("insults",), 0.9)
    assert blocked.findings[0].span == Span(6, 14)
    assert (await guard.check("Good day.", Stage.OUTPUT)).action is Action.ALLOW
    request = app.seen[0]
    assert "The principle: Answer without insulting anyone." in request["messages"][0]["content"]
    assert (request["model"], request["temperature"], request["max_tokens"]) == ("m", 0, 1024)
    assert request["response_format"]["json_schema"]["schema"]["required"] == ["violates", "confidence", "quote"]
    assert app.paths[0] == "/v1/chat/completions"
    assert "authorization" not in app.keys[0]


@pytest.mark.anyio
async def test_what_the_judge_quotes_can_be_redacted(server: tuple[Server, str]) -> None:
    from guard.formats.base import Piece, Text

    texts = (Text((Piece("/text", "Well. You fool! Bye."),), Role.ASSISTANT),)
    judgement = await policy(server[1], "redact").judge(texts, Stage.OUTPUT, new_exchange())
    assert judgement.changes["/text"] == "Well. [HARASSMENT]! Bye."


def test_an_answer_is_shown_with_its_prompt_where_the_policy_says_so(server: tuple[Server, str]) -> None:
    app, url = server
    prompt = (Item("Be curt.", role=Role.SYSTEM), Item("What am I?", role=Role.USER))
    item = Item("You fool", Stage.OUTPUT, Role.ASSISTANT, exchange=Exchange("ex", prompt=prompt))
    judge(url).detect([item])
    judge(url, sees="exchange").detect([item])
    alone, together = (request["messages"][1]["content"] for request in app.seen)
    assert "What am I?" not in alone
    assert [line.rsplit(" ", 1)[0] for line in together.splitlines() if line.startswith("BEGIN")] == [
        "BEGIN prompt: instructions",
        "BEGIN prompt: message",
        "BEGIN answer",
    ]
    assert judge(url).needs.sees == "text"
    assert judge(url, sees="exchange").needs.sees == "exchange"


def test_context_is_shown_and_neither_judged_nor_reported(server: tuple[Server, str]) -> None:
    app, url = server
    item = Item("You fool. You fool indeed.", Stage.OUTPUT, Role.ASSISTANT, Location("/a", 1), judged_from=10)
    [[finding]] = judge(url).detect([item])
    assert finding == Finding("judge", "custom", 0.9, Span(10, 18), Location("/a", 1), Role.ASSISTANT)
    assert "BEGIN beginning" in app.seen[0]["messages"][1]["content"]


def test_a_long_text_is_judged_in_pieces_that_overlap_and_the_surest_counts(server: tuple[Server, str]) -> None:
    app, url = server
    text = "a" * 970 + "You fool" + "b" * 1500
    [[finding]] = judge(url, longest=1000).detect([Item(text, Stage.OUTPUT, Role.ASSISTANT)])
    assert finding.span == Span(970, 978)
    assert len(app.seen) == 4
    assert all(len(request["messages"][1]["content"]) < 1300 for request in app.seen)


def test_nothing_is_asked_about_no_text(server: tuple[Server, str]) -> None:
    app, url = server
    assert judge(url).detect([]) == []
    assert judge(url).detect([Item(""), Item(" \n"), Item("context", judged_from=7)]) == [[], [], []]
    assert app.seen == []


@pytest.mark.parametrize("text", ["x" * 30_000, "\ud800 half", "Плохо 你好 مرحبا", "\x00\x1b", "{judged} %s {0}"])
def test_any_text_can_be_judged(server: tuple[Server, str], text: str) -> None:
    assert judge(server[1]).detect([Item(text)]) == [[]]


def test_the_same_text_gets_the_same_request_alone_and_among_others(server: tuple[Server, str]) -> None:
    app, url = server
    detector = judge(url)
    detector.detect([Item("one")])
    detector.detect([Item("two"), Item("one")])
    assert app.seen.count(app.seen[0]) == 2


def test_a_quote_that_is_not_in_the_text_gives_no_span() -> None:
    with served(Server(lambda _: chat(verdict(True, 0.6, "something else")))) as url:
        [[finding]] = judge(url).detect([Item("You fool")])
    assert (finding.span, finding.score) == (None, 0.6)


@pytest.mark.parametrize(("structured", "format_"), [("json_object", {"type": "json_object"}), ("none", None)])
def test_servers_without_schemas_are_asked_otherwise(server: tuple[Server, str], structured: str, format_: Any) -> None:
    app, url = server
    assert len(judge(url, structured=structured).detect([Item("You fool")])[0]) == 1
    assert app.seen[0].get("response_format") == format_


def test_the_policy_s_own_fields_are_sent_and_a_null_takes_one_out(server: tuple[Server, str]) -> None:
    app, url = server
    judge(url, body={"max_completion_tokens": 9, "max_tokens": None, "temperature": None, "seed": 7}).detect([Item("hi")])
    assert {"max_tokens", "temperature"}.isdisjoint(app.seen[0])
    assert (app.seen[0]["max_completion_tokens"], app.seen[0]["seed"]) == (9, 7)


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/", "/v1/chat/completions"])
def test_an_address_may_be_a_server_its_version_or_the_whole_route(server: tuple[Server, str], path: str) -> None:
    app, url = server
    judge(url + path).detect([Item("hi")])
    assert app.paths == ["/v1/chat/completions"]


def test_the_key_comes_from_the_environment(server: tuple[Server, str], monkeypatch: pytest.MonkeyPatch) -> None:
    app, url = server
    with pytest.raises(DetectorError, match="JUDGE_KEY is not set"):
        judge(url, key_env="JUDGE_KEY").detect([Item("hi")])
    monkeypatch.setenv("JUDGE_KEY", "sk-secret")
    judge(url, key_env="JUDGE_KEY").detect([Item("hi")])
    assert app.keys[0]["authorization"] == "Bearer sk-secret"


def test_the_probability_of_the_verdict_can_be_the_score() -> None:
    tokens = [
        {'{"violates"': 1.0},
        {": ": 1.0},
        {"true": 0.6, "false": 0.3, "tru": 0.05},
        {', "confidence": 1, "quote": ""}': 1.0},
    ]
    answer = '{"violates": true, "confidence": 1, "quote": ""}'
    app = Server(lambda _: chat(answer, tokens))
    with served(app) as url:
        [[finding]] = judge(url, score="logprobs").detect([Item("hi")])
        assert finding.score == pytest.approx(0.65 / 0.95)
        assert app.seen[0]["logprobs"] is True
        app.reply = lambda _: chat(answer)
        with pytest.raises(DetectorError, match="use `score: stated`"):
            judge(url, score="logprobs").detect([Item("hi")])


def test_a_doubtful_acquittal_is_reported_by_its_probability() -> None:
    tokens = [{'{"violates":': 1.0}, {" false": 0.7, " true": 0.3}, {', "confidence": 1, "quote": ""}': 1.0}]
    with served(Server(lambda _: chat('{"violates": false, "confidence": 1, "quote": ""}', tokens))) as url:
        [[finding]] = judge(url, score="logprobs").detect([Item("hi")])
    assert finding.score == pytest.approx(0.3)


BAD_CHATS = {
    "no choices": ({"choices": []}, "one choice, got 0"),
    "two choices": ({"choices": chat("{}")["choices"] * 2}, "one choice, got 2"),
    "an error body": ({"error": {"message": "You fool"}}, "another JSON than a completion"),
    "a list": ([1], "another JSON than a completion"),
    "no JSON": (b"<html>You fool", "expected JSON"),
    "an empty answer": (chat(""), "empty"),
    "null": (chat(None), "empty"),
    "prose": (chat("The text is fine."), "one JSON object"),
    "a refusal in words": (chat("I'm sorry, I can't assist with that."), "declined"),
    "a refusal": (chat(None, message={"content": None, "refusal": "I can't"}), "declined to judge"),
    "a filter": (chat("", finish_reason="content_filter"), "declined to judge"),
    "a cut answer": (chat('{"violates": fal', finish_reason="length"), "cut off after `max_tokens`"),
    "truncated JSON": (chat('{"violates": fal'), "one JSON object"),
    "two verdicts": (chat(verdict(False) + verdict(True)), "one JSON object"),
    "a key twice": (chat('{"violates": true, "violates": false, "confidence": 1, "quote": ""}'), "got one twice"),
    "endless thought": (chat("<think>hm " + verdict(False)), "without an end"),
    "another type": (chat(verdict("no")), "another one"),
    "another share": (chat(verdict(True, 7)), "another one"),
}


@pytest.mark.parametrize("case", BAD_CHATS)
def test_what_is_no_verdict_fails_closed_and_is_told_without_the_text(case: str) -> None:
    answer, expected = BAD_CHATS[case]
    with served(Server(lambda _: answer)) as url:
        with pytest.raises(DetectorError, match=expected) as error:
            judge(url).detect([Item("You fool")])
        assert not isinstance(error.value, Transient)
        assert "fool" not in str(error.value)
        decision = policy(url).check_sync("You fool", Stage.OUTPUT)
    assert (decision.action, decision.failed, decision.findings) == (Action.BLOCK, ("judge",), ())


@pytest.mark.parametrize(
    ("status", "passing"), [(400, False), (401, False), (404, False), (302, False), (429, True), (500, True)]
)
def test_a_status_says_whether_asking_again_may_help(status: int, passing: bool) -> None:
    with served(Server(lambda _: {"error": "no"}, status)) as url, pytest.raises(DetectorError, match=str(status)) as error:
        judge(url).detect([Item("hi")])
    assert isinstance(error.value, Transient) is passing


def test_reasoning_before_the_verdict_is_left_out() -> None:
    with served(Server(lambda _: chat('<think>{"violates": false}</think>\n\n' + verdict(True, 0.7)))) as url:
        assert judge(url).detect([Item("hi")])[0][0].score == 0.7


def anthropic(url: str, **options: Any) -> Any:
    return judge(url, api="anthropic", **options)


def test_anthropic_is_asked_by_a_forced_tool_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_KEY", "sk-ant")
    app = Server(lambda _: message(called({"violates": True, "confidence": 0.8, "quote": "You fool"})))
    with served(app) as url:
        [[finding]] = anthropic(url, key_env="JUDGE_KEY").detect([Item("Oh! You fool")])
        decision = policy(url, api="anthropic").check_sync("Oh! You fool", Stage.OUTPUT)
    assert (finding.score, finding.span) == (0.8, Span(4, 12))
    assert decision.rules == ("insults",)
    request = app.seen[0]
    assert app.paths[0] == "/v1/messages"
    assert (app.keys[0]["x-api-key"], app.keys[0]["anthropic-version"]) == ("sk-ant", "2023-06-01")
    assert "authorization" not in app.keys[0]
    assert request["tool_choice"] == {"type": "tool", "name": "verdict"}
    assert request["tools"][0]["input_schema"]["required"] == ["violates", "confidence", "quote"]
    assert [entry["role"] for entry in request["messages"]] == ["user"]
    assert "The principle: Be kind." in request["system"]


def test_anthropic_can_be_asked_for_words() -> None:
    said = {"type": "text", "text": verdict(True, 0.8)}
    app = Server(lambda _: message(said, stop="end_turn"))
    with served(app) as url:
        assert anthropic(url, structured="none").detect([Item("hi")])[0][0].score == 0.8
    assert "tools" not in app.seen[0]


GOOD = {"violates": False, "confidence": 0.8, "quote": ""}
BAD_MESSAGES = {
    "a refusal": (message(stop="refusal"), "declined to judge"),
    "a cut answer": (message(called({}), stop="max_tokens"), "cut off"),
    "no call": (message({"type": "text", "text": verdict(False)}, stop="end_turn"), "got 0 calls"),
    "two calls": (message(called(GOOD), called(GOOD)), "got 2 calls"),
    "another tool": (message(called(GOOD, "weather")), "call of the tool `verdict`"),
    "no arguments": (message(called({})), "another one"),
    "a string for arguments": (message(called("{}")), "another JSON than"),
    "an unknown argument": (message(called({**GOOD, "note": ""})), "another one"),
    "an error": ({"type": "error", "error": {"type": "overloaded_error"}}, "another JSON than"),
}


@pytest.mark.parametrize("case", BAD_MESSAGES)
def test_what_is_no_verdict_of_anthropic_s_fails_closed(case: str) -> None:
    answer, expected = BAD_MESSAGES[case]
    with served(Server(lambda _: answer)) as url, pytest.raises(DetectorError, match=expected):
        anthropic(url).detect([Item("hi")])


def mistakes(options: str) -> str:
    text = (
        f"version: 1\nname: p\nprinciples: [{{id: kind, text: Be kind.}}]\ndetectors:\n  judge: {{use: llm-judge, {options}}}\n"
    )
    with pytest.raises(PolicyError) as error:
        loads(text + "rules: [{id: r, detect: judge, category: custom, action: block}]\n", kinds(), name="p.yaml")
    return str(error.value)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("model: m, principle: Be kind.", "url"),
        ("url: http://h, principle: Be kind.", "model"),
        ("url: http://h, model: m", "either `principle` or `principles`, got neither"),
        ("url: http://h, model: m, principle: x, principles: [kind]", "got both"),
        ("url: http://h, model: m, principles: [kidn]", "did you mean `kind`?"),
        ("url: ftp://h, model: m, principle: x", "an http or https address"),
        ("url: 'http://h?key=1', model: m, principle: x", "an http or https address"),
        ("url: http://me:pass@h, model: m, principle: x", "without a key or a user"),
        ("url: http://h, model: m, principle: x, key_env: sk-live-1", "the name of an environment variable"),
        ("url: http://h, model: m, principle: x, api: gemini", "api"),
        ("url: http://h, model: m, principle: x, api: anthropic, score: logprobs", "`stated`"),
        ("url: http://h, model: m, principle: x, api: anthropic, structured: json_object", "json_schema or none"),
        ("url: http://h, model: m, principle: x, examples: [fool]", "a mapping with `text` and `violates`"),
        ("url: http://h, model: m, principle: x, examples: [{text: fool, violates: maybe}]", "true or false"),
        ("url: http://h, model: m, principle: x, examples: [{text: 1, violates: true}]", "strings"),
        ("url: http://h, model: m, principle: x, examples: [{text: a, violates: true, reason: b}]", "one of text, violates, why"),
    ],
)
def test_mistakes_in_options_are_told_at_load(options: str, expected: str) -> None:
    told = mistakes(options)
    assert expected in told
    assert "pass@" not in told
    assert "sk-live" not in told


def test_principles_are_part_of_the_digest() -> None:
    one = policy("http://localhost:1", principle="Be kind.").policy.digest
    assert one != policy("http://localhost:1", principle="Be brief.").policy.digest
    assert one == policy("http://localhost:1", principle="Be kind.").policy.digest


def test_windows_are_judged_where_the_policy_says_how_long_they_are() -> None:
    from guard.values import WholeReach, WindowReach

    assert judge("http://h").needs.reach == WholeReach()
    assert judge("http://h", after=50, most=300).needs.reach == WindowReach(50, 300, 200)
