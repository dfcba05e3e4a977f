"""What can be wrong with the options of a service is told when the policy is loaded, and no key is shown."""

from __future__ import annotations

from typing import Any

import pytest
from service_cases import CASES
from service_formats import KEY

from guard.detectors.registry import kinds
from guard.errors import PolicyError
from guard.policy.load import loads

HTTP = {"url": "https://host/x", "body": {"q": "{text}"}, "score": "p", "category": "toxicity"}
TRITON = {"url": "https://host", "model": "m", "labels": ["toxicity", None]}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_REGION", "eu-west-1")


MISTAKES: dict[str, tuple[str, dict[str, Any], tuple[str, ...], str]] = {
    "no URL": ("openai", {"url": "moderation.internal"}, ("url",), "a URL such as"),
    "another protocol": ("tei", {"url": "ftp://host"}, ("url",), "a URL such as"),
    "a password in the URL": ("tei", {"url": f"https://me:{KEY}@host"}, ("url",), "without a user and a password"),
    "a query in the URL": ("tei", {"url": f"https://host?key={KEY}"}, ("url",), "without `?`"),
    "a port that is none": ("tei", {"url": "https://host:99999"}, ("url",), "a URL such as"),
    "a key for a variable": ("perspective", {"key_env": KEY}, ("key_env",), "the name of an environment variable"),
    "a window in a whole": ("openai", {"reach": "whole", "most": 100}, ("most",), "no `most`"),
    "a window that ends before it may": ("openai", {"after": 700}, ("after",), "at most `most`, 600"),
    "an unknown category": ("openai", {"labels": {"toxic": "toxicty"}}, ("labels", "toxic"), "a category of Tenet's"),
    "nothing looked for": ("tei", {"url": "https://host", "labels": {"ok": None}}, ("labels",), "a category for at least one"),
    "an unknown category of a blocklist": (
        "azure-content-safety",
        {"url": "https://host", "blocklists": {"words": "words"}},
        ("blocklists", "words"),
        "a category of Tenet's",
    ),
    "blocklists that nobody asks": (
        "azure-content-safety",
        {"url": "https://host", "checks": ["attacks"], "blocklists": {"words": "custom/words"}},
        ("blocklists",),
        "`harm` among `checks`",
    ),
    "no guardrail": ("bedrock-guardrails", {"guardrail": "My Guardrail"}, ("guardrail",), "the id of a guardrail"),
    "no version": ("bedrock-guardrails", {"guardrail": "gr1", "version": "latest"}, ("version",), "a number in quotes"),
    "no region": ("bedrock-guardrails", {"guardrail": "gr1", "region": "Ireland!"}, ("region",), "a region"),
    "an unknown category of a column": (
        "triton",
        {**TRITON, "labels": ["toxicity", "bad"]},
        ("labels", 1),
        "a category of Tenet",
    ),
    "a softmax of one": ("triton", {**TRITON, "labels": ["toxicity"]}, ("activation",), "the softmax of a single column"),
    "a model that leaves its path": ("triton", {**TRITON, "model": "../secret"}, ("model",), "a name of letters"),
    "no place for the text": ("http", {**HTTP, "body": {"q": "text"}}, ("body",), "a place for what is judged"),
    "two kinds of places": ("http", {**HTTP, "body": ["{text}", "{texts}"]}, ("body",), "either `{text}` or `{texts}`"),
    "a body for GET": ("http", {**HTTP, "method": "GET"}, ("body",), "no body for GET"),
    "many texts in a query": ("http", {**HTTP, "params": {"q": "{texts}"}}, ("params",), "a parameter holds a single text"),
    "a batch without a place": ("http", {**HTTP, "batch": 8}, ("batch",), "1, as the body has no `{texts}`"),
    "a key among the headers": (
        "http",
        {**HTTP, "headers": {"X-Api-Key": KEY}},
        ("headers", "X-Api-Key"),
        "no header that holds a",
    ),
    "a header that is two": ("http", {**HTTP, "headers": {"a": "b\nc: d"}}, ("headers", "a"), "printable ASCII"),
    "a header's name that is none": (
        "http",
        {**HTTP, "key_env": "A", "key_header": "a b"},
        ("key_header",),
        "the name of a header",
    ),
    "a header without a key": ("http", {**HTTP, "key_header": "x-key"}, ("key_header",), "`key_env`, the environment variable"),
    "a selector that makes no sense": ("http", {**HTTP, "results": "a..b"}, ("results",), "a selector, such as"),
    "a selector of many values": ("http", {**HTTP, "score": "p[*]"}, ("score",), "put `[*]` into `results`"),
    "a start without an end": ("http", {**HTTP, "start": "at"}, (), "`start` and `end` together"),
    "an unknown category of all": ("http", {**HTTP, "category": "toxicty"}, ("category",), "a category of Tenet's"),
    "a category beside labels": ("http", {**HTTP, "label": "l"}, ("category",), "no `category` where results have a `label`"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_its_place(name: str):
    use, options, path, expected = MISTAKES[name]
    mistakes = kinds()[use].check(options)
    assert [mistake.path for mistake in mistakes] == [path]
    assert expected in mistakes[0].expected
    assert KEY not in str(mistakes)


@pytest.mark.parametrize("use", CASES)
def test_options_without_a_mistake_have_none(use: str):
    assert list(kinds()[use].check(CASES[use].at("http://127.0.0.1:1"))) == []


def test_the_loader_shows_the_line():
    text = "version: 1\nname: x\ndetectors:\n  asked: {use: openai, url: nowhere}\nrules: []\n"
    with pytest.raises(PolicyError, match=r"x:4:29: detectors.asked.url: expected a URL such as `https://host/path`"):
        loads(text, kinds(), name="x")


@pytest.mark.parametrize("use", CASES)
def test_the_catalogue_tells_what_a_service_needs(use: str):
    kind = kinds()[use]
    assert kind.remote
    assert kind.reach == "window"
    assert {"longest", "reach", "after", "most", "context", "url", "key_env"} <= kind.options.keys()
    assert set(CASES[use].made("http://127.0.0.1:1").categories) == set(kind.categories(CASES[use].at("http://127.0.0.1:1")))
