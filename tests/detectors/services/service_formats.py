"""Servers that speak the formats of moderation services and model servers, and are strict about what they are asked.

A text is bad where it holds the word AWFUL. `Speaking.faults` is what the next requests meet instead of an answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from servers import served

from guard.categories import OPENAI

BAD = "AWFUL"
KEY = "sk-canary-8d1f7c"


class Asked(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        assert self.headers.get("content-type") == "application/json"
        return json.loads(self.body)


class Fault(NamedTuple):
    """What a request meets instead of an answer.

    Attributes:
        cut: Whether the connection ends after half of the body.
        silent: Whether nothing is answered at all.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = {}
    cut: bool = False
    silent: bool = False


@dataclass
class Speaking:
    """An ASGI app that answers what `answer` returns.

    Attributes:
        wrong: What was asked against the format.
    """

    answer: Callable[[Asked], Any]
    faults: list[Fault] = field(default_factory=list)
    seen: list[Asked] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        asked = Asked(scope["method"], scope["raw_path"].decode(), scope["query_string"].decode(), headers, body)
        self.seen.append(asked)
        if self.faults:
            await _meet(self.faults.pop(0), receive, send)
            return
        try:
            status, answered = 200, json.dumps(self.answer(asked)).encode()
        except (AssertionError, KeyError, TypeError, ValueError) as error:
            self.wrong.append(repr(error))
            status, answered = 400, b"{}"
        await _meet(Fault(status, answered, {"content-type": "application/json"}), receive, send)


@contextmanager
def speaking(answer: Callable[[Asked], Any]) -> Iterator[tuple[Speaking, str]]:
    """Serve an app; gives it and its URL, and fails where it was asked against its format."""
    app = Speaking(answer)
    with served(app) as url:
        yield app, url
    assert app.wrong == []


async def _meet(fault: Fault, receive: Any, send: Any) -> None:
    if fault.silent:
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    body = fault.body[: len(fault.body) // 2] if fault.cut else fault.body
    headers = {"content-length": str(len(fault.body)), **fault.headers}
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": fault.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body, "more_body": fault.cut})


def score_of(text: str) -> float:
    assert isinstance(text, str)
    assert text.strip()
    return 0.93 if BAD in text else 0.02


def openai(asked: Asked) -> Any:
    """`POST /v1/moderations`, as omni-moderation-latest answers."""
    assert (asked.method, asked.path, asked.query) == ("POST", "/v1/moderations", "")
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    body = asked.json
    assert body.keys() == {"model", "input"}
    assert body["model"] == "omni-moderation-latest"
    assert 1 <= len(body["input"]) <= 32
    results = []
    for text in body["input"]:
        score = score_of(text)
        scores = {name: 0.0004 for name in OPENAI} | {"harassment": score}
        flags = {name: value > 0.5 for name, value in scores.items()}
        kinds = {name: ["text"] for name in OPENAI}
        results.append(
            {"flagged": score > 0.5, "categories": flags, "category_scores": scores, "category_applied_input_types": kinds}
        )
    return {"id": "modr-1", "model": "omni-moderation-latest", "results": results}


def perspective(asked: Asked) -> Any:
    """`POST /v1alpha1/comments:analyze`."""
    assert (asked.method, asked.path, asked.query) == ("POST", "/v1alpha1/comments:analyze", "")
    assert asked.headers["x-goog-api-key"] == KEY
    body = asked.json
    assert body.keys() <= {"comment", "requestedAttributes", "doNotStore", "languages", "spanAnnotations"}
    assert body["doNotStore"] is True
    text = body["comment"]["text"]
    assert len(text.encode()) <= 20_480
    return {
        "attributeScores": {name: _attribute(text, body.get("spanAnnotations", False)) for name in body["requestedAttributes"]},
        "languages": body.get("languages", ["en"]),
        "detectedLanguages": ["en"],
    }


def _attribute(text: str, spans: bool) -> Any:
    whole = {"summaryScore": {"value": score_of(text), "type": "PROBABILITY"}}
    sentences = [(one.start(), one.end()) for one in re.finditer(r"[^.]+\.?", text)] if spans else []
    scored = [
        {"begin": begin, "end": end, "score": {"value": 0.8 if BAD in text[begin:end] else 0.01, "type": "PROBABILITY"}}
        for begin, end in sentences
    ]
    return {"spanScores": scored, **whole} if spans else whole


def azure(asked: Asked) -> Any:
    """`POST /contentsafety/text:analyze` and `text:shieldPrompt`."""
    assert (asked.method, asked.query) == ("POST", "api-version=2024-09-01")
    assert asked.headers["ocp-apim-subscription-key"] == KEY
    body = asked.json
    if asked.path == "/contentsafety/text:shieldPrompt":
        assert body.keys() == {"userPrompt", "documents"}
        assert sum(map(len, (body["userPrompt"], *body["documents"]))) <= 10_000
        attacks = [{"attackDetected": "ignore" in text} for text in body["documents"]]
        return {"userPromptAnalysis": {"attackDetected": "ignore" in body["userPrompt"]}, "documentsAnalysis": attacks}
    assert asked.path == "/contentsafety/text:analyze"
    assert body["outputType"] == "EightSeverityLevels"
    assert len(body["text"]) <= 10_000
    listed = [
        {"blocklistName": name, "blocklistItemId": "1", "blocklistItemText": "nightjar"}
        for name in body.get("blocklistNames", [])
        if "nightjar" in body["text"].lower()
    ]
    severity = 6 if score_of(body["text"]) > 0.5 else 0
    analysis = [{"category": name, "severity": severity if name == "Hate" else 0} for name in body["categories"]]
    return {"blocklistsMatch": listed, "categoriesAnalysis": analysis}


USAGE = {
    "topicPolicyUnits": 1,
    "contentPolicyUnits": 1,
    "wordPolicyUnits": 1,
    "sensitiveInformationPolicyUnits": 1,
    "sensitiveInformationPolicyFreeUnits": 0,
    "contextualGroundingPolicyUnits": 0,
}
SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/\d{8}/eu-west-1/bedrock/aws4_request, "
    r"SignedHeaders=content-type;host;x-amz-date(;x-amz-security-token)?, Signature=[0-9a-f]{64}"
)


def bedrock(asked: Asked) -> Any:
    """`POST /guardrail/ID/version/V/apply`, with a signature."""
    assert (asked.method, asked.path, asked.query) == ("POST", "/guardrail/gr1/version/DRAFT/apply", "")
    assert SIGNED.fullmatch(asked.headers["authorization"])
    body = asked.json
    assert body.keys() == {"source", "content", "outputScope"}
    assert body["source"] in ("INPUT", "OUTPUT")
    [content] = body["content"]
    text = content["text"]["text"]
    bad = score_of(text) > 0.5
    filters = [
        {"type": kind, "confidence": confidence, "filterStrength": "HIGH", "action": action, "detected": action == "BLOCKED"}
        for kind, confidence, action in (
            ("INSULTS", "HIGH" if bad else "NONE", "BLOCKED" if bad else "NONE"),
            ("HATE", "LOW", "NONE"),
        )
    ]
    return {
        "usage": USAGE,
        "action": "GUARDRAIL_INTERVENED" if bad else "NONE",
        "outputs": [{"text": "No."}] if bad else [],
        "assessments": [{"contentPolicy": {"filters": filters}}],
        "guardrailCoverage": {"textCharacters": {"guarded": len(text), "total": len(text)}},
    }


def labelled(asked: Asked) -> Any:
    """`POST /classify` of a classifier of nobody's: `{"inputs": [texts]}`."""
    assert (asked.method, asked.path, asked.query) == ("POST", "/classify", "")
    assert asked.headers["x-key"] == KEY
    body = asked.json
    assert body.keys() == {"inputs", "options"}
    assert body["options"] == {"wait": True}
    return {"data": [[{"name": "toxic", "p": score_of(text)}, {"name": "fine", "p": 0.5}] for text in body["inputs"]]}


def triton(asked: Asked) -> Any:
    """`POST /v2/models/NAME/infer`, with logits of two columns."""
    assert (asked.method, asked.path, asked.query) == ("POST", "/v2/models/tox/infer", "")
    body = asked.json
    [tensor] = body["inputs"]
    assert tensor.keys() == {"name", "shape", "datatype", "data"}
    assert (tensor["name"], tensor["datatype"]) == ("TEXT", "BYTES")
    assert tensor["shape"] == [len(tensor["data"]), 1]
    rows = [[1.5, -1.5] if score_of(text) > 0.5 else [-2.5, 2.5] for text in tensor["data"]]
    output = {"name": "LOGITS", "datatype": "FP32", "shape": [len(rows), 2], "data": [value for row in rows for value in row]}
    return {"model_name": "tox", "model_version": "1", "outputs": [output]}


def tei(asked: Asked) -> Any:
    """`POST /predict` of text-embeddings-inference, for a batch."""
    assert (asked.method, asked.path, asked.query) == ("POST", "/predict", "")
    body = asked.json
    assert body.keys() == {"inputs", "raw_scores", "truncate"}
    assert (body["raw_scores"], body["truncate"]) == (False, False)
    assert all(len(pair) == 1 for pair in body["inputs"])
    answers = []
    for [text] in body["inputs"]:
        score = score_of(text)
        answers.append([{"label": "toxic", "score": score}, {"label": "neutral", "score": 1 - score}])
    return answers
