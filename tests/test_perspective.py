"""The Perspective API's routes, through Google's own client and by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from googleapiclient import discovery
from googleapiclient.errors import HttpError
from servers import Upstream, served

from guard.app import GuardApp
from guard.detectors.registry import kinds
from guard.engine import Guard
from guard.formats.perspective import ATTRIBUTES, MOST_BYTES
from guard.policy.load import loads
from guard.ports import RecentDecisions
from guard.store import open_store
from guard.store.recording import StoreRecorder
from guard.store.store import Store

ALL = {name: {} for name in ATTRIBUTES}
POLICY = """
version: 1
name: tested
detectors: {words: {use: patterns, words: [forbidden], category: custom/word}}
rules: [{id: no-forbidden, detect: words, category: custom/word, action: block}]
"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(GuardApp(Guard("default"), Upstream(), RecentDecisions())) as address:
        yield address


def analyze(address: str, **fields: object) -> httpx.Response:
    body = {"requestedAttributes": {"TOXICITY": {}}, "comment": {"text": "a mild day"}, **fields}
    return httpx.post(f"{address}/v1alpha1/comments:analyze?key=any", json=body)


def detail(answer: httpx.Response) -> str:
    return answer.json()["error"]["details"][0]["errorType"]


def test_googles_client_works_when_only_its_address_is_changed(address):
    with discovery.build(
        "commentanalyzer",
        "v1alpha1",
        developerKey="any",
        discoveryServiceUrl=f"{address}/$discovery/rest?version=v1alpha1",
        static_discovery=False,
    ) as client:
        body = {"comment": {"text": "you are a disgusting idiot"}, "requestedAttributes": ALL, "clientToken": "t"}
        answer = client.comments().analyze(body=body).execute()
        with pytest.raises(HttpError, match="Comment must be non-empty"):
            client.comments().analyze(body={**body, "comment": {"text": " "}}).execute()
    scores = {name: found["summaryScore"]["value"] for name, found in answer["attributeScores"].items()}
    assert set(scores) == set(ATTRIBUTES)
    assert min(scores["TOXICITY"], scores["INSULT"]) > 0.5
    assert max(scores["SEXUALLY_EXPLICIT"], scores["THREAT"]) < 0.5
    assert answer["attributeScores"]["TOXICITY"]["summaryScore"]["type"] == "PROBABILITY"
    assert (answer["languages"], answer["detectedLanguages"], answer["clientToken"]) == (["en"], ["en"], "t")


def test_each_sentence_gets_its_span_where_spans_are_asked_for(address):
    text = "The talk was good. Shut your mouth, you stupid pig. See you on Monday."
    found = analyze(address, comment={"text": text}, spanAnnotations=True).json()["attributeScores"]["TOXICITY"]
    spans = {text[span["begin"] : span["end"]]: span["score"]["value"] for span in found["spanScores"]}
    assert list(spans) == ["The talk was good.", "Shut your mouth, you stupid pig.", "See you on Monday."]
    assert max(spans, key=lambda sentence: spans[sentence]) == "Shut your mouth, you stupid pig."
    alone = analyze(address, comment={"text": text}).json()["attributeScores"]["TOXICITY"]["spanScores"]
    assert [(span["begin"], span["end"]) for span in alone] == [(0, len(text))]


def test_scores_below_the_threshold_are_left_out(address):
    asked = {"TOXICITY": {"scoreThreshold": 0.9, "scoreType": "PROBABILITY"}, "INSULT": {}}
    assert set(analyze(address, requestedAttributes=asked).json()["attributeScores"]) == {"INSULT"}


def test_both_spellings_of_fields_are_understood(address):
    body = {
        "requested_attributes": {"TOXICITY": {"score_threshold": 0.0}},
        "comment": {"text": "a mild day"},
        "do_not_store": True,
    }
    assert httpx.post(f"{address}/v1alpha1/comments:analyze", json=body).status_code == 200


@pytest.mark.parametrize(
    ("fields", "kind", "message"),
    [
        ({"comment": {"text": ""}}, "COMMENT_EMPTY", "Comment must be non-empty."),
        ({"comment": {}}, "COMMENT_EMPTY", "Comment must be non-empty."),
        ({"comment": {"text": "ä" * MOST_BYTES}}, "COMMENT_TOO_LONG", "Comment text too long."),
        ({"comment": {"text": "x", "type": "HTML"}}, "INVALID_REQUEST", "only 'PLAIN_TEXT' comments"),
        ({"requestedAttributes": {}}, "NO_REQUESTED_ATTRIBUTES", "Missing requested_attributes"),
        ({"requestedAttributes": {"FLIRTATION": {}}}, "INVALID_REQUEST", "Unknown requested attribute: FLIRTATION"),
        ({"requestedAttributes": {"TOXICITY": {"scoreThreshold": 2}}}, "INVALID_REQUEST", "a number from 0 to 1"),
        ({"languages": ["de"]}, "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE", "TOXICITY does not support request languages: de"),
        ({"comment": {"text": "добрый день"}}, "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE", "request languages: und"),
        ({"spanAnnotation": True}, "INVALID_REQUEST", 'Unknown name "spanAnnotation"'),
        ({"comment": 5}, "INVALID_REQUEST", "comment: expected an object, got a number"),
    ],
)
def test_a_bad_request_gets_the_errors_that_clients_of_the_api_know(address, fields, kind, message):
    answer = analyze(address, **fields)
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert detail(answer) == kind
    assert message in answer.json()["error"]["message"]


def test_attributes_that_cannot_be_answered_are_dropped_on_request(address):
    asked = {"TOXICITY": {}, "FLIRTATION": {}}
    answer = analyze(address, requestedAttributes=asked, dropUnsupportedAttributes=True)
    assert set(answer.json()["attributeScores"]) == {"TOXICITY"}
    assert "attributeScores" not in analyze(address, languages=["de"], dropUnsupportedAttributes=True).json()


def test_a_suggestion_is_refused_where_nothing_can_keep_it(address):
    body = {"comment": {"text": "a mild day"}, "attributeScores": {"TOXICITY": {"summaryScore": {"value": 1}}}}
    answer = httpx.post(f"{address}/v1alpha1/comments:suggestscore", json=body)
    assert (answer.status_code, answer.json()["error"]["status"]) == (501, "UNIMPLEMENTED")
    assert "--store" in answer.json()["error"]["message"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(str(tmp_path / "store.db"))
    yield opened
    opened.close()


@contextmanager
def keeping(store: Store, settings: str) -> Iterator[str]:
    recorder = StoreRecorder(store)
    guard = Guard(loads(f"{POLICY}\nstore: {settings}\n", kinds()), recorder=recorder)
    with served(GuardApp(guard, Upstream(), recorder.recent, store)) as address:
        yield address


def suggest(address: str, **fields: object) -> httpx.Response:
    scores = {"TOXICITY": {"summaryScore": {"value": 1}}, "INSULT_EXPERIMENTAL": {"spanScores": [{"score": {"value": 0.75}}]}}
    body = {"comment": {"text": "write to jane.doe@example.org, you pest"}, "attributeScores": scores, **fields}
    return httpx.post(f"{address}/v1alpha1/comments:suggestscore", json=body)


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ("redacted", ["write to [EMAIL], you pest"]),
        ("full", ["write to jane.doe@example.org, you pest"]),
        ("none", []),
        ("{text: redacted, durability: commit}", ["write to [EMAIL], you pest"]),
    ],
)
def test_a_suggestion_is_kept_as_the_policy_says_when_it_is_acknowledged(store: Store, settings: str, kept: list[str]):
    with keeping(store, settings) as address:
        answer = suggest(address, clientToken="c", communityId="a forum of gardeners")
        assert (answer.status_code, answer.json()) == (200, {"detectedLanguages": ["en"], "clientToken": "c"})
        toxicity, insult = sorted(store.feedback.every(""), key=lambda said: said.category, reverse=True)
    store.writer.flush()
    assert (toxicity.kind, toxicity.value, toxicity.category) == ("score", 1.0, "toxicity")
    assert (insult.kind, insult.value, insult.category) == ("score", 0.75, "harassment")
    assert insult.details["attribute"] == "INSULT_EXPERIMENTAL"
    assert "gardeners" not in str(insult.details)
    assert insult.details["community"] == toxicity.details["community"] != ""
    assert insult.exchange_id == toxicity.exchange_id
    exchange = store.exchanges.find("", insult.exchange_id)
    assert exchange is not None
    assert (exchange.route, exchange.status) == ("/v1alpha1/comments:suggestscore", 200)
    texts = store.exchanges.texts("", insult.exchange_id)
    assert [text.text for part in texts.values() for text in part.texts] == kept


def test_a_suggestion_is_not_acknowledged_by_a_store_that_is_closed(store: Store):
    with keeping(store, "redacted") as address:
        assert suggest(address).status_code == 200
        store.writer.close()
        answer = suggest(address)
    assert (answer.status_code, answer.json()["error"]["status"]) == (503, "UNAVAILABLE")


@pytest.mark.parametrize("scores", [{}, {"TOXICITY": {}}, {"TOXICITY": {"summaryScore": {"value": -1}}}, {"WIT": {}}])
def test_a_suggestion_without_a_score_is_refused(address, scores):
    body = {"comment": {"text": "a mild day"}, "attributeScores": scores}
    assert httpx.post(f"{address}/v1alpha1/comments:suggestscore", json=body).status_code == 400


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"comment": {"text": "x"}, "comment": {"text": "y"}}', b"\xff"])
def test_a_body_that_is_no_object_is_a_clear_400(address, body):
    answer = httpx.post(f"{address}/v1alpha1/comments:analyze", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, detail(answer)) == (400, "INVALID_REQUEST")
