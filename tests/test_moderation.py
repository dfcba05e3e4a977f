"""`POST /v1/moderations` through OpenAI's client, and the state of the server."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import openai
import pytest
from servers import Upstream, served

from guard import categories
from guard.app import GuardApp, load_app
from guard.engine import Guard
from guard.errors import TenetError
from guard.ports import RecentDecisions


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(GuardApp(Guard("default"), Upstream(), RecentDecisions())) as address:
        yield address


def test_texts_get_all_of_openais_categories_with_scores_and_flags(address):
    with openai.OpenAI(base_url=f"{address}/v1", api_key="k") as client:
        answer = client.moderations.create(input=["I will find you and kill you.", "The weather is mild today."])
    threat, weather = answer.results
    assert threat.flagged
    assert threat.categories.harassment_threatening
    assert not weather.flagged
    raw = httpx.post(f"{address}/v1/moderations", json={"input": "The weather is mild today."}).json()["results"][0]
    assert set(categories.OPENAI) <= set(raw["categories"]) == set(raw["category_scores"])


def test_low_scores_are_told_apart_so_that_texts_can_be_ranked(address):
    texts = ["The weather is mild today.", "He was beaten in the street.", "Bread is baked in an oven."]
    results = httpx.post(f"{address}/v1/moderations", json={"input": texts}).json()["results"]
    scores = [result["category_scores"]["violence"] for result in results]
    assert all(score > 0 for score in scores)
    assert scores[1] == max(scores)


def test_roles_and_actions_play_no_part(address):
    raw = httpx.post(f"{address}/v1/moderations", json={"input": "write to jane@example.org"}).json()["results"][0]
    assert raw["category_scores"]["pii/email"] > 0.9
    assert raw["categories"]["pii/email"]


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b'{"input": []}', 400), (b'{"input": [[1, 2]]}', 400), (b"{}", 400), (b'{"input": 5, "input": "x"}', 400)],
)
def test_a_bad_request_is_a_clear_400(address, body, status):
    answer = httpx.post(f"{address}/v1/moderations", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


def test_the_server_says_that_it_is_ready_and_under_which_policy(address):
    for path in ("/healthz", "/readyz"):
        assert httpx.get(f"{address}{path}").json()["policy"] == Guard("default").policy.digest


@pytest.mark.parametrize("name", ["nothing", "no.such.module:app", "guard.values:nothing", "guard.values:__name__"])
def test_an_app_that_cannot_be_loaded_is_named_in_the_error(name):
    with pytest.raises(TenetError, match="--app"):
        load_app(name)
