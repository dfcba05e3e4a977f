"""Model servers: text-embeddings-inference, the Open Inference Protocol, and any JSON by a mapping."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import service_formats as formats
from service_cases import CASES, ENVIRONMENT
from service_formats import BAD, KEY, Asked, Fault

from guard.detectors.registry import kinds
from guard.detectors.services.tensors import activated
from guard.errors import DetectorError
from guard.policy.load import loads
from guard.values import Finding, Item, Span

TEI = CASES["tei"]
TRITON = CASES["triton"]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SERVICE_KEY", ENVIRONMENT["SERVICE_KEY"])


def placed(findings: list[Finding]) -> dict[tuple[str, Span | None], float]:
    return {(one.category, one.span): round(one.score, 3) for one in findings}


def test_a_batch_that_is_too_large_for_the_server_is_asked_in_halves():
    def answer(asked: Asked) -> Any:
        assert len(asked.json["inputs"]) <= 3
        return formats.tei(asked)

    with formats.speaking(answer) as (app, url):
        app.faults.extend([Fault(413, b'{"error": "batch size", "error_type": "Validation"}')] * 2)
        found = TEI.made(url).detect([Item(f"{number} {BAD * (number == 3)}") for number in range(6)])
        assert [one[0].score > 0.5 for one in found] == [number == 3 for number in range(6)]


def test_a_text_of_too_many_tokens_is_cut_in_two():
    asked_for: list[int] = []

    def answer(asked: Asked) -> Any:
        asked_for.extend(len(text) for [text] in asked.json["inputs"])
        return formats.tei(asked)

    with formats.speaking(answer) as (app, url):
        long = "语" * 600 + BAD
        app.faults.append(Fault(413, b'{"error": "inputs must have less than 512 tokens", "error_type": "Validation"}'))
        [findings] = TEI.made(url).detect([Item(long)])
        assert placed(findings) == {("toxicity", None): 0.93}
        assert len(asked_for) == 2
        assert max(asked_for) < 512


def test_a_short_text_that_is_refused_as_too_long_is_an_error_with_a_way_out():
    with (
        formats.speaking(formats.tei) as (app, url),
        pytest.raises(DetectorError, match=r"413; .*lower `longest`"),
    ):
        app.faults.extend([Fault(413)] * 20)
        TEI.made(url).detect([Item("Hello.")])


def test_a_server_without_a_classifier_says_so():
    with (
        formats.speaking(formats.tei) as (app, url),
        pytest.raises(DetectorError, match=r"424; .*no sequence classifier"),
    ):
        app.faults.append(Fault(424))
        TEI.made(url).detect([Item("Hello.")])


def test_labels_that_speak_for_themselves_need_no_map():
    with formats.speaking(formats.tei) as (_, url):
        [findings] = kinds()["tei"].make("own", {"url": url}).detect([Item(BAD)])
        assert placed(findings) == {("toxicity", None): 0.93}


ROWS = {
    "softmax": ([2.0, -1.0], (0.953, 0.047)),
    "sigmoid": ([2.0, -1.0], (0.881, 0.269)),
    "none": ([0.6, 0.3], (0.6, 0.3)),
}


@pytest.mark.parametrize("activation", ROWS)
def test_a_row_becomes_scores_by_the_activation(activation: str):
    row, scores = ROWS[activation]

    def answer(_: Asked) -> Any:
        return {"outputs": [{"name": "out", "datatype": "FP32", "shape": [1, 2], "data": row}]}

    with formats.speaking(answer) as (_, url):
        detector = TRITON.made(url, activation=activation, labels=["toxicity", ["hate", "harassment"]], model_version="2")
        [findings] = detector.detect([Item("Hello.")])
    assert placed(findings) == {("toxicity", None): scores[0], ("hate", None): scores[1], ("harassment", None): scores[1]}


def test_extreme_logits_are_scores_too():
    assert activated([1e308, -1e308], "softmax") == [1.0, 0.0]
    assert activated([1e308, -1e308], "sigmoid") == [1.0, 0.0]
    assert math.isclose(sum(activated([0.1, 0.2, 0.3], "softmax")), 1)


def test_numbers_beyond_0_and_1_are_no_probabilities():
    with (
        formats.speaking(formats.triton) as (_, url),
        pytest.raises(DetectorError, match="as `activation` is `none`"),
    ):
        TRITON.made(url, activation="none").detect([Item("Hello.")])


def test_tensors_have_the_names_and_shapes_that_the_policy_gives():
    def answer(asked: Asked) -> Any:
        assert asked.path == "/v2/models/tox/versions/7/infer"
        assert asked.headers["authorization"] == f"Bearer {KEY}"
        assert asked.json == {
            "inputs": [{"name": "texts", "shape": [1], "datatype": "BYTES", "data": ["Hello."]}],
            "outputs": [{"name": "p"}],
        }
        other = {"name": "embedding", "datatype": "FP32", "shape": [1, 3], "data": [1.0, 2.0, 3.0]}
        return {"outputs": [other, {"name": "p", "datatype": "FP64", "shape": [1], "data": [[0.75]]}]}

    options = {"input": "texts", "shape": "[n]", "output": "p", "labels": ["toxicity"], "activation": "none"}
    with formats.speaking(answer) as (_, url):
        detector = TRITON.made(url, key_env="SERVICE_KEY", model_version="7", **options)
        assert placed(detector.detect([Item("Hello.")])[0]) == {("toxicity", None): 0.75}


TEXT = 'Hello you, {texts} and "quotes"'
MAPPINGS: dict[str, tuple[Mapping[str, Any], Any, Any, dict[tuple[str, Span | None], float]]] = {
    "one text, one object of scores": (
        {"body": {"q": "{text}"}, "score": "scores", "labels": {"bad": "toxicity", "good": None}},
        {"q": TEXT},
        {"scores": {"bad": 0.9, "good": 0.1}},
        {("toxicity", None): 0.9},
    ),
    "one text, one number": (
        {"body": ["{text}"], "results": "$.out[0]", "score": "p", "category": "injection"},
        [TEXT],
        {"out": [{"p": 0.7}]},
        {("injection", None): 0.7},
    ),
    "one text, a bare number": ({"body": {"q": "{text}"}, "category": "hate"}, {"q": TEXT}, 1, {("hate", None): 1.0}),
    "one text, entities with places": (
        {
            "body": {"q": "{text}"},
            "results": "entities[*]",
            "label": "type",
            "score": "score",
            "start": "at[0]",
            "end": "at[1]",
            "labels": {"GREETING": "custom/greeting", "NAME": "pii/person"},
        },
        {"q": TEXT},
        {
            "entities": [
                {"type": "GREETING", "score": 0.5, "at": [0, 5]},
                {"type": "NAME", "score": 0.4, "at": [6, 9]},
                {"type": "NAME", "score": 0.8, "at": [6, 9]},
            ]
        },
        {("custom/greeting", Span(0, 5)): 0.5, ("pii/person", Span(6, 9)): 0.8},
    ),
    "one text, no entities": (
        {"body": {"q": "{text}"}, "results": "entities", "label": "type", "labels": {"NAME": "pii/person"}},
        {"q": TEXT},
        {"entities": []},
        {},
    ),
    "many texts, lists of labels": (
        {"body": {"inputs": "{texts}"}, "label": "label"},
        {"inputs": [TEXT]},
        [[{"label": "toxic", "score": 0.6}, {"label": "neutral", "score": 0.4}]],
        {("toxicity", None): 0.6},
    ),
    "many texts, an object for each": (
        {"body": {"inputs": "{texts}"}, "results": "items[*].scores", "labels": {"a": "hate", "b": "sexual"}},
        {"inputs": [TEXT]},
        {"items": [{"scores": {"a": 0.6, "b": 0.2}}]},
        {("hate", None): 0.6, ("sexual", None): 0.2},
    ),
    "per cent": (
        {"body": {"q": "Say: {text}!"}, "score": "percent", "category": "toxicity", "scale": 100.0},
        {"q": f"Say: {TEXT}!"},
        {"percent": 55},
        {("toxicity", None): 0.55},
    ),
}


@pytest.mark.parametrize("name", MAPPINGS)
def test_any_json_classifier_is_read_by_its_mapping(name: str):
    options, body, answered, found = MAPPINGS[name]

    def answer(asked: Asked) -> Any:
        assert asked.json == body
        return answered

    assert kinds()["http"].check({"url": "http://host/x", **options}) == []
    with formats.speaking(answer) as (_, url):
        detector = kinds()["http"].make("own", {"url": url, **options})
        assert placed(detector.detect([Item(TEXT)])[0]) == found
        assert {category for category, _ in found} <= set(detector.categories)


def test_a_get_request_carries_the_text_in_its_query():
    def answer(asked: Asked) -> Any:
        assert (asked.method, asked.body) == ("GET", b"")
        assert parse_qs(asked.query) == {"q": [TEXT], "v": ["2"], "model": ["m"]}
        assert asked.headers["x-team"] == "safety"
        assert asked.headers["authorization"] == f"Key {KEY}"
        return {"p": 0.5}

    options = {"method": "GET", "params": {"q": "{text}", "v": 2}, "score": "p", "category": "toxicity"}
    more = {"headers": {"X-Team": "safety"}, "key_env": "SERVICE_KEY", "key_prefix": "Key "}
    with formats.speaking(answer) as (_, url):
        [findings] = kinds()["http"].make("own", {"url": f"{url}/x?model=m", **options, **more}).detect([Item(TEXT)])
        assert placed(findings) == {("toxicity", None): 0.5}


def test_a_batch_is_as_large_as_the_policy_says():
    options = CASES["http"]
    with formats.speaking(options.answer) as (app, url):
        options.made(url, batch=2).detect([Item(f"text {number}") for number in range(5)])
        assert sorted(len(json.loads(asked.body)["inputs"]) for asked in app.seen) == [1, 2, 2]


@pytest.mark.parametrize(
    "entry",
    [{"at": [0, 99]}, {"at": [3, 3]}, {"at": [-1, 2]}, {"at": ["0", 2]}, {"at": [0]}, {"at": None}, {"at": [0, True]}],
)
def test_places_outside_the_text_are_an_error(entry: Any):
    options = {"body": {"q": "{text}"}, "score": "p", "start": "at[0]", "end": "at[1]", "category": "toxicity"}
    with formats.speaking(lambda _: {"p": 0.5, **entry}) as (_, url), pytest.raises(DetectorError, match=r"start|end"):
        kinds()["http"].make("own", {"url": url, **options}).detect([Item("Hello.")])


def test_the_guide_s_mapping_sends_and_reads_what_the_guide_says():
    page = (Path(__file__).parents[3] / "docs/hosted-classifiers.md").read_text()
    [policy] = [block for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "use: http" in block]
    [answered] = re.findall(r"```json\n(.*?)```", page, re.DOTALL)

    def answer(asked: Asked) -> Any:
        assert asked.json == {"documents": ["Bad.", "Good."], "options": {"language": "en"}}
        assert (asked.headers["x-api-key"], asked.headers["x-team"]) == (KEY, "safety")
        return json.loads(answered)

    options = loads(policy, kinds(), name="page").detectors["ours"].options
    with formats.speaking(answer) as (_, url):
        detector = kinds()["http"].make("own", {**options, "url": url, "key_env": "SERVICE_KEY"})
        assert [placed(found) for found in detector.detect([Item("Bad."), Item("Good.")])] == [{("toxicity", None): 0.91}, {}]
