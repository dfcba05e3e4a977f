"""What is particular to each moderation service: its words, its places, its keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import service_formats as formats
from service_cases import CASES, ENVIRONMENT
from service_formats import BAD, KEY, Asked, Fault

from guard.detectors.registry import kinds
from guard.errors import DetectorError
from guard.values import Finding, Item, Role, Span, Stage

PERSPECTIVE = CASES["perspective"]
AZURE = CASES["azure-content-safety"]
BEDROCK = CASES["bedrock-guardrails"]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)


def placed(findings: list[Finding]) -> dict[tuple[str, Span | None], float]:
    return {(one.category, one.span): round(one.score, 3) for one in findings}


def test_openai_s_own_endpoint_is_asked_with_its_usual_key():
    detector = kinds()["openai"].make("own", {})
    assert detector.endpoint.url == "https://api.openai.com/v1"
    assert detector.endpoint.secret_headers == {"authorization": ("OPENAI_API_KEY", "Bearer {}")}


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/", "/v1/moderations"])
def test_the_url_of_a_compatible_server_may_be_its_host_its_base_or_its_route(path: str):
    with formats.speaking(formats.openai) as (app, url):
        kinds()["openai"].make("own", {"url": url + path, "key_env": "SERVICE_KEY"}).detect([Item("Hello.")])
        assert app.seen[0].path == "/v1/moderations"


def test_many_texts_are_one_call_of_openai_s():
    with formats.speaking(formats.openai) as (app, url):
        found = CASES["openai"].made(url).detect([Item(f"text {number} {BAD * (number % 2)}") for number in range(32)])
        assert [one[0].score > 0.5 for one in found] == [number % 2 == 1 for number in range(32)]
        assert len(app.seen) == 1


def test_a_compatible_server_may_have_names_of_its_own():
    def answer(asked: Asked) -> Any:
        return {"results": [{"category_scores": {"toxic": 0.8, "spam": 0.9, "other": 0.9}} for _ in asked.json["input"]]}

    with formats.speaking(answer) as (_, url):
        labels = {"toxic": ["toxicity", "harassment"], "spam": None}
        [findings] = kinds()["openai"].make("own", {"url": url, "labels": labels}).detect([Item("Hello.")])
        assert placed(findings) == {("toxicity", None): 0.8, ("harassment", None): 0.8}


def test_perspective_tells_the_sentence_and_its_score_of_the_whole_counts_for_the_worst():
    with formats.speaking(formats.perspective) as (app, url):
        detector = PERSPECTIVE.made(url, spans=True, attributes=["TOXICITY"], languages=["en", "de"])
        [findings] = detector.detect([Item(f"All is well. You are {BAD}. Bye.")])
        assert placed(findings) == {
            ("toxicity", Span(0, 12)): 0.01,
            ("toxicity", Span(12, 27)): 0.93,
            ("toxicity", Span(27, 32)): 0.01,
        }
        assert app.seen[0].json["languages"] == ["en", "de"]
        assert app.seen[0].json["requestedAttributes"] == {"TOXICITY": {}}
        [findings] = detector.detect([Item(f"All is well. \U0001f600 You are {BAD}. Bye.")])
        assert placed(findings) == {("toxicity", None): 0.93}


def test_a_span_in_mere_context_is_not_reported():
    with formats.speaking(formats.perspective) as (_, url):
        text = f"You are {BAD}. Bye then."
        [findings] = PERSPECTIVE.made(url, spans=True, attributes=["TOXICITY"]).detect([Item(text, judged_from=14)])
        assert placed(findings) == {("toxicity", Span(14, 24)): 0.01}


@pytest.mark.parametrize(("begin", "end"), [(0, 99), (5, 5), (9, 3)])
def test_a_span_outside_the_text_is_an_error(begin: int, end: int):
    def answer(asked: Asked) -> Any:
        honest = formats.perspective(asked)
        honest["attributeScores"]["TOXICITY"]["spanScores"][0].update(begin=begin, end=end)
        return honest

    with (
        formats.speaking(answer) as (_, url),
        pytest.raises(DetectorError, match="spanScores: expected spans within 12 char"),
    ):
        PERSPECTIVE.made(url, spans=True, attributes=["TOXICITY"]).detect([Item("All is well.")])


def test_azure_judges_harm_by_severity_and_shields_prompts_and_documents_by_who_speaks():
    with formats.speaking(formats.azure) as (app, url):
        detector = AZURE.made(url)
        text = f"ignore that, you {BAD} thing"
        found = {role: detector.detect([Item(text, role=role)])[0] for role in (Role.USER, Role.TOOL_RESULT, Role.ASSISTANT)}
        assert placed(found[Role.USER]) == {("hate", None): 0.857, ("jailbreak", None): 1.0}
        assert placed(found[Role.TOOL_RESULT]) == {("hate", None): 0.857, ("injection", None): 1.0}
        assert placed(found[Role.ASSISTANT]) == {("hate", None): 0.857}
        sent = [asked.json for asked in app.seen if asked.path.endswith("shieldPrompt")]
        assert sent == [{"userPrompt": text, "documents": []}, {"userPrompt": "", "documents": [text]}]


@pytest.mark.parametrize(("checks", "operation"), [(["harm"], "analyze"), (["attacks"], "shieldPrompt")])
def test_azure_is_asked_only_what_the_policy_wants(checks: list[str], operation: str):
    with formats.speaking(formats.azure) as (app, url):
        AZURE.made(url, checks=checks).detect([Item("Hello.")])
        assert [asked.path for asked in app.seen] == [f"/contentsafety/text:{operation}"]


def test_azure_s_blocklists_have_the_policy_s_categories_and_their_words_are_found_in_the_text():
    with formats.speaking(formats.azure) as (_, url):
        detector = AZURE.made(url, checks=["harm"], blocklists={"projects": "custom/project"})
        [findings] = detector.detect([Item("On Nightjar, and nightjar again.")])
        assert placed(findings) == {("custom/project", Span(3, 11)): 1.0, ("custom/project", Span(17, 25)): 1.0}
        assert "custom/project" in detector.categories


def assessed(*assessments: Any, action: str = "GUARDRAIL_INTERVENED") -> Callable[[Asked], Any]:
    def answer(asked: Asked) -> Any:
        formats.bedrock(asked)
        return {"usage": formats.USAGE, "action": action, "outputs": [], "assessments": list(assessments)}

    return answer


def test_every_policy_of_a_guardrail_has_its_findings():
    assessment = {
        "topicPolicy": {
            "topics": [
                {"name": "Investments", "type": "DENY", "action": "BLOCKED"},
                {"name": "Politics", "type": "DENY", "action": "NONE", "detected": False},
                {"name": "Diets", "type": "DENY", "action": "NONE", "detected": True},
            ]
        },
        "contentPolicy": {
            "filters": [
                {"type": "VIOLENCE", "confidence": "MEDIUM", "action": "BLOCKED"},
                {"type": "MISCONDUCT", "confidence": "LOW", "action": "NONE", "detected": False},
                {"type": "PROMPT_ATTACK", "confidence": "HIGH", "action": "BLOCKED"},
                {"type": "SEXUAL", "confidence": "NONE", "action": "NONE"},
            ]
        },
        "wordPolicy": {
            "customWords": [{"match": "nightjar", "action": "BLOCKED"}],
            "managedWordLists": [{"match": "darn", "type": "PROFANITY", "action": "BLOCKED"}],
        },
        "sensitiveInformationPolicy": {
            "piiEntities": [
                {"match": "ann@example.org", "type": "EMAIL", "action": "ANONYMIZED"},
                {"match": "7", "type": "PIN", "action": "NONE", "detected": False},
                {"match": "somewhere else", "type": "VEHICLE_IDENTIFICATION_NUMBER", "action": "ANONYMIZED"},
            ],
            "regexes": [{"name": "ticket", "match": "AB-12", "regex": "[A-Z]+-[0-9]+", "action": "BLOCKED"}],
        },
        "contextualGroundingPolicy": {"filters": [{"type": "GROUNDING", "score": 0.25, "threshold": 0.7, "action": "BLOCKED"}]},
        "invocationMetrics": {"guardrailProcessingLatency": 12},
    }
    labels = {"Diets": "custom/diet", "ticket": ["custom/ticket", "pii"]}
    with formats.speaking(assessed(assessment)) as (_, url):
        [findings] = BEDROCK.made(url, labels=labels).detect([Item("ann@example.org, darn NIGHTJAR AB-12")])
    assert placed(findings) == {
        ("topic", None): 1.0,
        ("custom/diet", None): 1.0,
        ("violence", None): 0.7,
        ("illicit", None): 0.35,
        ("jailbreak", None): 1.0,
        ("custom", Span(22, 30)): 1.0,
        ("profanity", Span(17, 21)): 1.0,
        ("pii/email", Span(0, 15)): 1.0,
        ("pii", None): 1.0,
        ("custom/ticket", Span(31, 36)): 1.0,
        ("pii", Span(31, 36)): 1.0,
        ("ungrounded", None): 0.75,
    }


def test_a_prompt_attack_in_what_a_tool_brought_is_an_injection():
    attack = {"contentPolicy": {"filters": [{"type": "PROMPT_ATTACK", "confidence": "HIGH", "action": "BLOCKED"}]}}
    with formats.speaking(assessed(attack)) as (_, url):
        [findings] = BEDROCK.made(url).detect([Item("Hello.", role=Role.TOOL_RESULT)])
    assert placed(findings) == {("injection", None): 1.0}


def test_the_source_is_the_stage():
    with formats.speaking(formats.bedrock) as (app, url):
        detector = BEDROCK.made(url)
        detector.detect([Item("Hello.", Stage.INPUT), Item("Hello.", Stage.OUTPUT)])
        assert sorted(json.loads(asked.body)["source"] for asked in app.seen) == ["INPUT", "OUTPUT"]


def test_a_session_s_token_goes_with_the_signature(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-of-a-session")
    with formats.speaking(formats.bedrock) as (app, url):
        BEDROCK.made(url).detect([Item("Hello.")])
        assert app.seen[0].headers["x-amz-security-token"] == "token-of-a-session"
        assert "x-amz-security-token" in app.seen[0].headers["authorization"]


def test_a_guardrail_s_arn_is_one_step_of_the_path():
    arn = "arn:aws:bedrock:eu-west-1:123456789012:guardrail/gr1"

    def answer(asked: Asked) -> Any:
        assert asked.path == "/guardrail/arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Aguardrail%2Fgr1/version/3/apply"
        return {"action": "NONE", "assessments": []}

    with formats.speaking(answer) as (_, url):
        assert BEDROCK.made(url, guardrail=arn, version="3").detect([Item("Hello.")]) == [[]]


def test_a_key_of_bedrock_s_takes_the_place_of_a_signature():
    def answer(asked: Asked) -> Any:
        assert asked.headers["authorization"] == f"Bearer {KEY}"
        return {"action": "NONE", "assessments": []}

    with formats.speaking(answer) as (_, url):
        assert BEDROCK.made(url, key_env="SERVICE_KEY").detect([Item("Hello.")]) == [[]]


def test_the_region_decides_the_endpoint_and_none_is_an_error(monkeypatch: pytest.MonkeyPatch):
    make = kinds()["bedrock-guardrails"].make
    assert make("own", {"guardrail": "gr1"}).endpoint.url == "https://bedrock-runtime.eu-west-1.amazonaws.com"
    assert "us-west-2" in make("own", {"guardrail": "gr1", "region": "us-west-2"}).endpoint.url
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(DetectorError, match="set `region` or AWS_REGION"):
        make("own", {"guardrail": "gr1"})


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_a_missing_key_of_aws_is_told_by_its_name(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(name)
    with (
        formats.speaking(formats.bedrock) as (app, url),
        pytest.raises(DetectorError, match=f"{name} is not set"),
    ):
        BEDROCK.made(url).detect([Item("Hello.")])
    assert app.seen == []


def test_what_is_more_than_a_service_takes_is_asked_in_halves():
    with formats.speaking(formats.azure) as (app, url):
        app.faults.append(Fault(413))
        text = "fine " * 50 + BAD
        [findings] = AZURE.made(url, checks=["harm"]).detect([Item(text)])
        assert placed(findings) == {("hate", None): 0.857}
        assert [len(asked.json["text"]) for asked in app.seen] == [len(text), 159, 135]
