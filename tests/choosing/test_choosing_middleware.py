"""`GuardMiddleware(policies=…)`, `GuardApp` and `guard policy which`: the policy that is meant for the request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from policies_written import write_policy
from servers import Upstream, completion, served
from typer.testing import CliRunner

from guard import GuardMiddleware
from guard.app import GuardApp
from guard.asgi import CALLER
from guard.choosing import Policies
from guard.cli.main import app as commands
from guard.engine import Guard
from guard.errors import PolicyError, TenetError
from guard.ports import RecentDecisions
from guard.store import open_store
from guard.store.recording import StoreRecorder
from guard.values import Caller

CHOICES = """version: 1
choices:
  - {when: {route: /kids/**}, policy: kids.yaml}
  - {when: {tenant: acme}, policy: acme.yaml}
default: usual.yaml
"""


@pytest.fixture
def choices(tmp_path: Path) -> Path:
    for name, word, more in (("kids", "alpha", ""), ("acme", "beta", "routes: {unknown: reject}"), ("usual", "gamma", "")):
        write_policy(tmp_path, name, word, more)
    (tmp_path / "p.yaml").write_text(CHOICES)
    return tmp_path / "p.yaml"


def as_tenant(app: Any) -> Any:
    """Say who is calling, as whatever authenticates requests does."""

    async def known(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            tenant = dict(scope["headers"]).get(b"x-test-tenant", b"").decode()
            scope = {**scope, CALLER: Caller(tenant)}
        await app(scope, receive, send)

    return known


def ask(url: str, text: str, tenant: str = "", path: str = "/v1/chat/completions") -> httpx.Response:
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    return httpx.post(f"{url}{path}", json=body, headers={"x-test-tenant": tenant}, timeout=15)


def test_a_request_gets_the_policy_of_its_route_and_its_caller(choices: Path) -> None:
    upstream = Upstream([json.dumps(completion("fine")).encode()])
    guarded = GuardMiddleware(upstream, policies=choices)
    with served(as_tenant(guarded)) as url:

        def blocked(tenant: str, path: str = "/v1/chat/completions") -> list[str]:
            words = ("alpha", "beta", "gamma")
            return [word for word in words if ask(url, word, tenant, path).headers["x-guard-action"] == "block"]

        assert (blocked("acme"), blocked("globex")) == (["beta"], ["gamma"])
        assert blocked("acme", "/kids/v1/chat/completions") == blocked("", "/KIDS/v1/chat/completions") == ["alpha"]
        for path in ("//kids/v1/chat/completions", "/x/%2e%2e/kids/v1/chat/completions", "/kids%252fv1/chat/completions"):
            refused = ask(url, "alpha", path=path)
            assert (refused.status_code, refused.json()["error"]["code"]) == (400, "ambiguous_path"), path
        unknown = [httpx.get(f"{url}/other", headers={"x-test-tenant": tenant}).status_code for tenant in ("acme", "globex")]
        assert unknown == [404, 200]
        write_policy(choices.parent, "acme", "delta")
        guarded.swap(Policies(choices))
        assert ask(url, "delta", "acme").headers["x-guard-action"] == "block"
        assert blocked("acme") == []


@pytest.mark.anyio
async def test_a_websocket_of_which_nobody_can_tell_the_policy_is_closed(choices: Path) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    scope = {"type": "websocket", "path": "/kids//x", "headers": []}
    await GuardMiddleware(Upstream(), policies=choices)(scope, receive, send)
    assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 1008)]


def test_suggested_scores_are_judged_and_kept_as_the_callers_policy_says(choices: Path) -> None:
    store = open_store(str(choices.parent / "s.db"))
    store.writer.start()
    try:
        recorder = StoreRecorder(store)
        write_policy(choices.parent, "acme", "beta", "store: none")
        policies = Policies(choices, make=lambda policy: Guard(policy, recorder=recorder))
        with served(as_tenant(GuardApp(policies, Upstream(), recorder.recent, store))) as url:
            body = {"comment": {"text": "a mild day"}, "attributeScores": {"TOXICITY": {"summaryScore": {"value": 1}}}}
            for tenant, guard in (("acme", policies.guards[str(choices.parent / "acme.yaml")]), ("", policies.default)):
                answer = httpx.post(f"{url}/v1alpha1/comments:suggestscore", json=body, headers={"x-test-tenant": tenant})
                assert answer.status_code == 200, answer.text
                (kept,) = store.exchanges.every(tenant)
                assert kept.policy == guard.policy.digest
                texts = [text for each in store.exchanges.texts(tenant, kept.id).values() for text in each.texts]
                assert bool(texts) == (tenant == "")
    finally:
        store.close()


def test_a_server_says_what_is_in_force_of_all_policies(choices: Path) -> None:
    policies = Policies(choices)
    with served(GuardApp(policies, Upstream(), RecentDecisions())) as url:
        said = httpx.get(f"{url}/readyz").json()
    assert said == {"status": "ok", "policy": policies.default.policy.digest, "policies": policies.digest}


def test_which_says_which_policy_and_why(choices: Path) -> None:
    command = ["policy", "which", "--policies", str(choices), "--tenant", "acme"]
    told = CliRunner().invoke(commands, command).stdout
    assert told.splitlines() == [
        "acme.yaml (acme, 1 rules)",
        "  choices[0] kids.yaml: no, `route` is another",
        "  choices[1]: every condition holds",
    ]
    found = json.loads(CliRunner().invoke(commands, [*command, "--route", "/kids/x", "--json"]).stdout)
    assert (found["policy"], found["choice"]) == ("kids.yaml", 0)
    ambiguous = CliRunner().invoke(commands, [*command, "--route", "//kids/x"])
    assert isinstance(ambiguous.exception, TenetError) and "ambiguous_path" in str(ambiguous.exception)


def test_which_tells_every_mistake(choices: Path) -> None:
    choices.write_text(CHOICES.replace("usual.yaml", "gone.yaml").replace("tenant:", "tennant:"))
    outcome = CliRunner().invoke(commands, ["policy", "which", "--policies", str(choices)])
    assert isinstance(outcome.exception, PolicyError) and len(outcome.exception.problems) == 2
