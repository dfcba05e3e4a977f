"""Services that are slow, dead, overloaded or lying: an error that says so, and never a silent 'nothing found'."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from service_cases import CASES, ENVIRONMENT, Case
from service_formats import BAD, KEY, Asked, Fault, Speaking, speaking

from guard.detectors.registry import kinds
from guard.engine import Guard
from guard.errors import DetectorError, Transient
from guard.policy.load import loads
from guard.runtime.endpoint import ANSWER_LIMIT
from guard.values import Action, Item

USES = pytest.mark.parametrize("use", CASES)
TEXT = f"canary-5e1c {BAD}"
JSON = {"content-type": "application/json"}
Server = tuple[Case, Speaking, str]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)


@pytest.fixture
def server(use: str) -> Iterator[Server]:
    with speaking(CASES[use].answer) as (app, url):
        yield CASES[use], app, url


FAULTS: dict[str, tuple[Fault, bool, str]] = {
    "overloaded": (Fault(429, b"slow down", {"retry-after": "7"}), True, "answered 429"),
    "unavailable": (Fault(503), True, "answered 503"),
    "broken": (Fault(500, TEXT.encode() * 9_999), True, "answered 500"),
    "half an answer": (Fault(200, b'{"results": []}' * 9, JSON, cut=True), True, "ClientPayloadError"),
    "moved": (Fault(302, b"", {"location": "http://elsewhere/"}), False, "answered 302, a redirect; name its target in `url`"),
    "forbidden": (Fault(401, TEXT.encode()), False, "answered 401; (check|it wants a key)"),
    "unknown": (Fault(404, TEXT.encode()), False, "answered 404; "),
    "a page": (Fault(200, b"<html>canary-5e1c", {"content-type": "text/html"}), False, "expected JSON, got .* it is text/html"),
    "nothing": (Fault(200, b"", JSON), False, "expected JSON"),
    "no UTF-8": (Fault(200, b'{"a": "\xff"}', JSON), False, "expected JSON"),
    "too deep": (Fault(200, b"[" * 200_000, JSON), False, "expected JSON"),
    "too long": (Fault(200, b"[" + b" " * ANSWER_LIMIT, JSON), False, "at most 8,388,608 bytes"),
    "not a number": (Fault(200, b'[[{"label": "toxic", "score": NaN}]]', JSON), False, "expected JSON"),
    "null": (Fault(200, b"null", JSON), False, "the answer: .*[Ee]xpected .*got .?null"),
    "an empty object": (Fault(200, b"{}", JSON), False, "the answer: .*([Ee]xpected|missing)"),
    "an empty list": (Fault(200, b"[]", JSON), False, "([Ee]xpected)"),
}


@USES
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_an_error_that_names_the_service_and_what_it_did(server: Server, fault: str, caplog: pytest.LogCaptureFixture):
    case, app, url = server
    met, passing, words = FAULTS[fault]
    app.faults.append(met)
    with caplog.at_level(logging.DEBUG), pytest.raises(DetectorError, match=words) as raised:
        case.made(url).detect([Item(TEXT)])
    assert isinstance(raised.value, Transient) == passing
    assert url.removeprefix("http://") in str(raised.value)
    told = "".join(traceback.format_exception(raised.value)) + caplog.text
    assert "canary-5e1c" not in told
    assert KEY not in told


@USES
def test_retry_after_is_handed_on(server: Server):
    case, app, url = server
    app.faults.append(Fault(429, b"", {"retry-after": "7"}))
    with pytest.raises(Transient) as raised:
        case.made(url).detect([Item(TEXT)])
    assert raised.value.retry_after == 7


@USES
def test_a_dead_service_is_a_passing_failure(use: str):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(Transient, match="ClientConnectorError"):
            CASES[use].made(url).detect([Item(TEXT)])


def guarded(case: Case, url: str, **runtime: Any) -> Guard:
    detector = {"use": case.use, **case.at(url), "runtime": runtime}
    rule = {"id": "kind", "detect": "asked", "category": case.finds, "threshold": 0.7, "action": "block"}
    policy = {"version": 1, "name": "tested", "detectors": {"asked": detector}, "rules": [rule]}
    return Guard(loads(json.dumps(policy), kinds()))


@USES
def test_the_runtime_asks_again_and_the_verdict_stands(server: Server):
    case, app, url = server
    app.faults.append(Fault(429, b"", {"retry-after": "0"}))
    decision = asyncio.run(guarded(case, url).check(TEXT))
    assert (decision.action, decision.failed, len(app.seen) >= 2) == (Action.BLOCK, (), True)


@USES
def test_a_service_that_says_nothing_is_given_up_and_the_rule_blocks(server: Server, caplog: pytest.LogCaptureFixture):
    case, app, url = server
    app.faults.extend([Fault(silent=True)] * 2)
    with caplog.at_level(logging.DEBUG):
        decision = asyncio.run(guarded(case, url, timeout=0.2, retries=0).check("canary-5e1c, and nothing bad"))
    assert (decision.action, decision.failed) == (Action.BLOCK, ("asked",))
    assert "canary-5e1c" not in caplog.text
    assert KEY not in caplog.text


def changed(change: Callable[[Any], Any]) -> Callable[[Case], Callable[[Asked], Any]]:
    """A server whose answers are changed on their way."""

    def lying(case: Case) -> Callable[[Asked], Any]:
        def answer(asked: Asked) -> Any:
            honest = case.answer(asked)
            return honest if (lie := change(honest)) is None else lie

        return answer

    return lying


def result(answer: Any, **new: Any) -> None:
    answer["results"][0]["category_scores"].update(new)


def filters(answer: Any, **new: Any) -> None:
    answer["assessments"][0]["contentPolicy"]["filters"][0].update(new)


def output(answer: Any, **new: Any) -> None:
    answer["outputs"][0].update(new)


def entry(answer: Any, **new: Any) -> None:
    answer["data"][0][0].update(new)


def label(answer: Any, **new: Any) -> None:
    answer[0][0].update(new)


def severity(answer: Any, **new: Any) -> None:
    answer.get("categoriesAnalysis", [{}])[0].update(new)


LIES: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "a score beyond 1": ("openai", lambda a: result(a, hate=1.5), "<= 1.0 - at `\\$.results\\[0\\].category_scores"),
    "a score below 0": ("openai", lambda a: result(a, hate=-0.1), ">= 0.0"),
    "a score in words": ("openai", lambda a: result(a, hate="high"), "got `str`"),
    "a score that is true": ("openai", lambda a: result(a, hate=True), "got `bool`"),
    "a score that is null": ("openai", lambda a: result(a, hate=None), "`hate`, got none"),
    "a category less": ("openai", lambda a: a["results"][0]["category_scores"].pop("hate") and None, "a number for `hate`"),
    "a result less": ("openai", lambda a: a["results"].clear(), "results: expected 1, one for each text, got 0"),
    "a result more": ("openai", lambda a: a["results"].append(a["results"][0]), "got 2"),
    "results of another kind": ("openai", lambda a: {"results": {}}, "Expected `array`, got `object`"),
    "an attribute less": ("perspective", lambda a: a["attributeScores"].pop("INSULT") and None, "`INSULT`, which was asked for"),
    "no summary": ("perspective", lambda a: a["attributeScores"].update(INSULT={}), "missing required field `summaryScore`"),
    "a severity beyond 7": ("azure-content-safety", lambda a: severity(a, severity=8), "<= 7"),
    "half a severity": ("azure-content-safety", lambda a: severity(a, severity=2.5), "Expected `int`"),
    "a category that is another": ("azure-content-safety", lambda a: severity(a, category="Love"), "`Hate`, which was asked"),
    "no verdict on a prompt": (
        "azure-content-safety",
        lambda a: a.pop("userPromptAnalysis", None) and None,
        "userPromptAnalysis",
    ),
    "a list that was not applied": (
        "azure-content-safety",
        lambda a: "blocklistsMatch" in a and a["blocklistsMatch"].append({"blocklistName": "x", "blocklistItemText": "y"}),
        "one of `blocklists`",
    ),
    "confidence in a new word": ("bedrock-guardrails", lambda a: filters(a, confidence="SURE"), "filters.confidence"),
    "a filter of a new type": ("bedrock-guardrails", lambda a: filters(a, type="RUDENESS"), "filters.type"),
    "a filter without a type": ("bedrock-guardrails", lambda a: filters(a, type=None), "got `null`"),
    "an action in a new word": ("bedrock-guardrails", lambda a: a.update(action="MAYBE"), "action: expected `NONE`"),
    "an intervention without a reason": ("bedrock-guardrails", lambda a: a.update(assessments=[{}]), "a reason for the interv"),
    "no assessments": ("bedrock-guardrails", lambda a: a.pop("assessments") and None, "missing required field `assessments`"),
    "too few rows": ("triton", lambda a: output(a, shape=[0, 2], data=[]), "outputs.shape: expected \\[1, 2\\]"),
    "too few numbers": ("triton", lambda a: output(a, data=[0.5]), "outputs.data: expected 2 numbers, got 1"),
    "numbers in words": ("triton", lambda a: output(a, data=["0.5", "0.5"]), "the answer: .*got `str`"),
    "no numbers": ("triton", lambda a: output(a, datatype="BYTES"), "outputs.datatype"),
    "no output": ("triton", lambda a: a["outputs"].clear(), "outputs: expected one"),
    "two outputs": ("triton", lambda a: a["outputs"].append(a["outputs"][0]), "name the one to read in `output`"),
    "a label that nobody mapped": ("tei", lambda a: label(a, label="canary-5e1c"), "`toxic`, which `labels` maps"),
    "a label more": ("tei", lambda a: a[0].append({"label": "canary-5e1c", "score": 0.1}), "map every label"),
    "a list less": ("tei", lambda a: a[0], "Expected `array`, got `object`"),
    "a text without labels": ("tei", lambda a: [[]], "which `labels` maps"),
    "a mapped score in words": ("http", lambda a: entry(a, p="0.5"), "score: expected a number, got a text"),
    "a mapped score beyond 1": ("http", lambda a: entry(a, p=93), "score: expected a number in \\[0, 1\\]"),
    "a mapped label of another kind": ("http", lambda a: entry(a, name=3), "label: expected a text, got a number"),
    "a mapped label that nobody knows": ("http", lambda a: entry(a, name="canary-5e1c"), "one of `labels`"),
    "a mapped field less": ("http", lambda a: a["data"][0][0].pop("p") and None, "score: expected `p`, got none"),
    "mapped results less": ("http", lambda a: a["data"].clear(), "results: expected 1, one for each text, got 0"),
    "mapped results of another kind": ("http", lambda a: a.update(data={}), "results: expected a list, got an object"),
}


@pytest.mark.parametrize("lie", LIES)
def test_an_answer_that_its_format_does_not_allow_is_an_error_that_names_the_field(lie: str):
    use, change, words = LIES[lie]
    with (
        speaking(changed(change)(CASES[use])) as (_, url),
        pytest.raises(DetectorError, match=words) as raised,
    ):
        CASES[use].made(url).detect([Item(TEXT)])
    assert not isinstance(raised.value, Transient)
    assert "canary-5e1c" not in "".join(traceback.format_exception(raised.value))
