"""Keys at the rim, over real sockets and with the openai client: who is let in, as whom, and what never gets any further."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from servers import Upstream, completion, served, stream_of

from guard.access import Access
from guard.access.book import KeyBook, Times
from guard.app import GuardApp
from guard.attribution import Attribution
from guard.detectors.registry import kinds
from guard.engine import Guard
from guard.errors import StoreUnavailable
from guard.policy.load import loads
from guard.ports import RecentDecisions
from guard.proxy import Proxy
from guard.store import open_store
from guard.store.identity import now
from guard.store.key_text import _checksum, new_key_text, parse_key
from guard.store.keys import NewKey
from guard.store.recording import StoreRecorder
from guard.store.store import Store

BODY = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
CHAT = "/v1/chat/completions"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(str(tmp_path / "store.db"))
    yield opened
    opened.close()


@pytest.fixture
def upstream() -> Upstream:
    return Upstream([json.dumps(completion("fine")).encode()])


Serve = Callable[..., str]


@pytest.fixture
def serve(store: Store, upstream: Upstream, policy_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Serves a guard with this store as often as it is asked to; gives its address."""
    monkeypatch.setenv("UPSTREAM_KEY", "sk-upstream")
    with ExitStack() as stack:
        behind = stack.enter_context(served(upstream))

        def start(used: Store = store, *, replaces: bool = False, **options: Any) -> str:
            recorder = StoreRecorder(used)
            access = Access(used.keys, replaces=replaces, **options)
            stack.callback(access.close)
            proxy = Proxy(behind, key_env="UPSTREAM_KEY" if replaces else "")
            attribution = Attribution(secret=used.secret("conversations"))
            guard = Guard(policy_file, recorder=recorder)
            return stack.enter_context(
                served(GuardApp(guard, proxy, recorder.recent, used, access=access, attribution=attribution))
            )

        yield start


def key_of(store: Store, *roles: str, tenant: str = "", **options: Any) -> NewKey:
    return store.keys.create(tenant, roles or ["caller"], **options)


def ask(address: str, key: str | None = None, **headers: str) -> httpx.Response:
    shown = {} if key is None else {"x-guard-key": key}
    return httpx.post(f"{address}{CHAT}", json=BODY, headers={**shown, **headers})


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_with_a_guard_key_is_known_and_the_upstream_sees_its_own_key_only(
    serve: Serve, store: Store, upstream: Upstream, stream: bool
):
    if stream:
        upstream.chunks, upstream.content_type = stream_of(["fine"]), "text/event-stream"
    made = key_of(store, tenant="acme")
    address = serve(require=True, replaces=True)
    client = openai.OpenAI(base_url=f"{address}/v1", api_key=made.text, max_retries=0)
    raw = client.chat.completions.with_raw_response.create(
        model="m", messages=[{"role": "user", "content": "hello"}], user="jane", stream=stream
    )
    exchange = raw.headers["x-guard-exchange"]
    if stream:
        assert "".join(event.choices[0].delta.content or "" for event in raw.parse()) == "fine"
    store.writer.flush()
    found = store.exchanges.find("acme", exchange)
    assert found is not None
    assert (found.key, found.subject) == (made.key.id, store.pseudonym("subject", "acme", "jane"))
    assert found.conversation
    assert store.exchanges.find("", exchange) is None
    assert [headers["authorization"] for headers in upstream.seen_headers] == ["Bearer sk-upstream"]
    assert made.text not in repr(upstream.seen_headers) + repr(upstream.seen)
    client.close()


def test_an_authorization_of_the_upstreams_passes_and_a_key_of_the_guards_never_does(
    serve: Serve, store: Store, upstream: Upstream
):
    address, made = serve(), key_of(store).text
    assert ask(address, made, authorization="Bearer sk-theirs").status_code == 200
    assert ask(address, authorization=f"bearer  {made}").status_code == 200
    assert ask(address, **{"x-api-key": made, "x-guard-conversation": "c1"}).status_code == 200
    assert ask(address, **{"x-api-key": "sk-ant"}).status_code == 200
    assert [headers.get("authorization") for headers in upstream.seen_headers] == ["Bearer sk-theirs", None, None, None]
    assert [headers.get("x-api-key") for headers in upstream.seen_headers] == [None, None, None, "sk-ant"]
    assert not [name for headers in upstream.seen_headers for name in headers if name.startswith("x-guard-")]
    assert made not in repr(upstream.seen_headers)


def test_where_a_key_is_needed_others_are_told_as_the_openai_client_expects(serve: Serve, store: Store, upstream: Upstream):
    address = serve(require=True, replaces=True)

    def call(key: str) -> Any:
        with openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0) as client:
            return client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hello"}])

    with pytest.raises(openai.AuthenticationError, match="what cannot be one"):
        call("sk-something")
    with pytest.raises(openai.AuthenticationError, match="none of this server's"):
        call(new_key_text().text)
    with pytest.raises(openai.PermissionDeniedError, match="caller"):
        call(key_of(store, "viewer").text)
    with pytest.raises(openai.AuthenticationError, match="expired"):
        call(key_of(store, expires=now() - 1).text)
    revoked = key_of(store)
    store.keys.revoke("", revoked.key.id)
    with pytest.raises(openai.AuthenticationError, match="revoked"):
        call(revoked.text)
    assert code(ask(address)) == (401, "missing_key")
    assert ask(address).headers["www-authenticate"].startswith("Bearer")
    assert code(httpx.post(f"{address}/v1/moderations", json={"input": "x"})) == (401, "missing_key")
    assert code(httpx.get(f"{address}/v1/models")) == (401, "missing_key")
    assert upstream.seen == []
    assert httpx.get(f"{address}/healthz").status_code == httpx.get(f"{address}/readyz").status_code == 200
    assert call(key_of(store, "admin").text).choices[0].message.content == "fine"


def test_where_none_is_needed_a_key_that_is_none_is_still_refused_and_others_keys_are_not_looked_at(
    serve: Serve, store: Store, upstream: Upstream
):
    address = serve(replaces=True)
    assert ask(address).status_code == 200
    assert ask(address, authorization="Bearer sk-whatever").status_code == 200
    assert code(ask(address, new_key_text().text)) == (401, "invalid_key")
    assert code(ask(address, "sk-whatever")) == (401, "invalid_key")
    assert code(ask(address, authorization=f"Bearer {new_key_text().text}")) == (401, "invalid_key")
    assert len(upstream.seen) == 2


def test_a_revocation_counts_in_every_server_within_two_seconds(serve: Serve, store: Store, tmp_path: Path):
    other = open_store(str(tmp_path / "store.db"))
    addresses = [serve(require=True), serve(other, require=True)]
    made = key_of(store)
    assert [ask(address, made.text).status_code for address in addresses] == [200, 200]
    store.keys.revoke("", made.key.id)
    began = time.monotonic()
    for address in addresses:
        while (answer := ask(address, made.text)).status_code == 200:
            assert time.monotonic() - began < 2.5
        assert code(answer) == (401, "key_revoked")
    assert time.monotonic() - began < 2.5
    other.close()


def test_an_exchange_is_shown_to_its_own_tenant_and_to_the_roles_that_may_see_it(serve: Serve, store: Store):
    address = serve()
    mine, exchange = key_of(store, "caller", "viewer", tenant="a").text, ""
    exchange = ask(address, mine).headers["x-guard-exchange"]

    def look(key: str) -> httpx.Response:
        return httpx.get(f"{address}/guard/exchanges/{exchange}", headers={"authorization": f"Bearer {key}"})

    for written in (False, True):  # among the recent ones, and in the store
        if written:
            store.writer.flush()
            address = serve()
        assert look(mine).json()["id"] == exchange
        for role in ("viewer", "reviewer", "policy-author", "admin"):
            assert look(key_of(store, role, tenant="a").text).status_code == 200
            assert code(look(key_of(store, role, tenant="b").text)) == (404, "unknown_exchange")
        assert code(look(key_of(store, "admin").text)) == (404, "unknown_exchange")
        assert code(look(key_of(store, "caller", tenant="a").text)) == (403, "insufficient_role")
        assert code(httpx.get(f"{address}/guard/exchanges/{exchange}")) == (401, "missing_key")


def test_a_machine_of_ones_own_needs_no_key_until_there_is_one(serve: Serve, store: Store):
    address = serve()
    path = f"{address}/guard/exchanges/{ask(address).headers['x-guard-exchange']}"
    assert httpx.get(path).status_code == 200
    assert httpx.get(path, headers={"host": "localhost:80", "origin": "http://127.0.0.1:3000"}).status_code == 200
    assert code(httpx.get(path, headers={"host": "rebound.example"})) == (403, "not_local")
    assert code(httpx.get(path, headers={"origin": "https://page.example"})) == (403, "not_local")
    assert code(httpx.get(path, headers={"origin": "null"})) == (403, "not_local")
    assert code(httpx.get(path, headers={"x-forwarded-for": "192.0.2.1"})) == (403, "not_local")
    made = key_of(store, "viewer")
    deadline = time.monotonic() + 3
    while httpx.get(path).status_code == 200:
        assert time.monotonic() < deadline
    assert code(httpx.get(path)) == (401, "missing_key")
    assert httpx.get(path, headers={"x-guard-key": made.text}).status_code == 200
    store.keys.revoke("", made.key.id)
    assert code(httpx.get(path)) == (401, "missing_key")


def test_on_a_public_address_without_keys_the_guards_own_routes_are_closed(serve: Serve):
    address = serve(public=True)
    assert ask(address).status_code == 200
    for method, path in (("GET", "exchanges/ex_1"), ("POST", "feedback"), ("GET", "console"), ("PUT", "anything")):
        answer = httpx.request(method, f"{address}/guard/{path}", headers={"x-guard-feedback-token": "t"})
        assert code(answer) == (403, "no_keys_yet")
        assert "guard keys create" in answer.json()["error"]["message"]


def test_a_route_that_is_not_listed_is_for_admins(serve: Serve, store: Store):
    address = serve()
    for role, status in (("reviewer", 403), ("caller", 403), ("admin", 404)):
        headers = {"x-guard-key": key_of(store, role).text}
        assert httpx.post(f"{address}/guard/anything", headers=headers).status_code == status


def test_a_key_in_an_address_is_refused_and_goes_nowhere(serve: Serve, store: Store, upstream: Upstream):
    address, made = serve(require=True), key_of(store, "admin").text
    for shown in (f"key={made}", f"a=1&api_key={made.replace('_', '%5F')}", f"x={made[:70]}"):
        for key in (None, made):
            answer = httpx.post(f"{address}{CHAT}?{shown}", json=BODY, headers={"x-guard-key": key} if key else {})
            assert code(answer) == (400, "key_in_address")
            assert made not in answer.text
    assert upstream.seen == []
    assert httpx.post(f"{address}{CHAT}?group=tg_7", json=BODY, headers={"x-guard-key": made}).status_code == 200


@pytest.mark.parametrize(
    "shown",
    [
        b"tg_" + b"x" * 10_000,
        b"x" * 10_000,
        "ключ".encode(),
        b"\xff\xfe\xf0",
        b"tg_" + b"0" * 24 + b"_" + b"z" * 49,
        b"tg_' or 1=1 --_x",
        b"Bearer tg_x",
    ],
)
def test_whatever_is_shown_as_a_key_is_answered_and_never_repeated(serve: Serve, shown: bytes, caplog: Any):
    caplog.set_level(logging.DEBUG)
    address = serve(require=True)
    answer = httpx.post(f"{address}{CHAT}", json=BODY, headers=[(b"x-guard-key", shown)])
    assert code(answer) == (401, "invalid_key")
    assert shown.decode("latin-1") not in answer.text
    assert shown.decode("latin-1") not in "".join(record.getMessage() for record in caplog.records if "guard" in record.name)


def test_two_different_keys_in_one_request_are_one_too_many(serve: Serve, store: Store):
    address, first, second = serve(require=True), key_of(store).text, key_of(store, "admin", tenant="b").text
    both = [("x-guard-key", first), ("x-guard-key", second)]
    assert code(httpx.post(f"{address}{CHAT}", json=BODY, headers=both)) == (401, "several_keys")
    assert code(ask(address, first, authorization=f"Bearer {second}")) == (401, "several_keys")
    assert ask(address, first, authorization=f"Bearer {first}").status_code == 200


def guessed_like(text: str) -> str:
    """A key of the same id with another secret, and a checksum that is right."""
    body = text[:28] + new_key_text().text[28:-6]
    return body + _checksum(body)


def test_a_key_of_a_known_id_with_another_secret_is_none(serve: Serve, store: Store):
    address, made = serve(require=True), key_of(store)
    assert ask(address, made.text).status_code == 200
    guessed = guessed_like(made.text)
    assert parse_key(guessed) == (made.key.id, guessed)
    assert code(ask(address, guessed)) == (401, "invalid_key")
    assert ask(address, made.text).status_code == 200


def test_who_keeps_failing_has_to_wait_and_a_good_key_never_has_to(serve: Serve, store: Store):
    address, made = serve(require=True), key_of(store)
    answers = [ask(address, new_key_text().text) for _ in range(14)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 4
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert answers[-1].json()["error"]["code"] == "too_many_attempts"
    assert ask(address, made.text).status_code == 200
    assert ask(address, guessed_like(made.text)).status_code == 429
    assert ask(address, made.text).status_code == 200
    assert code(ask(address)) == (401, "missing_key")


def test_neither_keys_nor_their_secrets_are_logged(serve: Serve, store: Store, caplog: Any):
    caplog.set_level(logging.DEBUG)
    address, made = serve(require=True), key_of(store)
    ask(address, made.text)
    wrong = new_key_text().text
    for _ in range(12):
        ask(address, wrong)
    said = "".join(record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore")))
    assert "too many attempts" in said
    for key in (made.text, wrong):
        assert key not in said
        assert key.rpartition("_")[2] not in said


def test_the_use_of_a_key_is_noted_once_for_many_requests(serve: Serve, store: Store):
    address, made = serve(require=True), key_of(store)
    before = now()
    written = store.writer.counters.accepted
    for _ in range(3):
        httpx.get(f"{address}/v1/models", headers={"x-guard-key": made.text})
    store.writer.flush()
    found = store.keys.find("", made.key.id)
    assert found is not None
    assert found.used is not None
    assert found.used >= before
    assert store.writer.counters.accepted == written + 1


def test_headers_that_a_client_makes_up_do_not_make_it_somebody(serve: Serve, store: Store):
    address = serve()
    claims = {"x-guard-tenant": "acme", "x-guard-roles": "admin", "x-forwarded-user": "root", "guard.caller": "admin"}
    exchange = ask(address, **claims).headers["x-guard-exchange"]
    store.writer.flush()
    found = store.exchanges.find("", exchange)
    assert found is not None
    assert (found.key, found.subject) == ("", "")


def test_a_websocket_is_closed_before_the_app_hears_of_it(store: Store, policy_file: Path):
    heard: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        heard.append(scope["type"])

    policy = loads(policy_file.read_text() + "routes: {unknown: pass}\n", kinds())
    guarded = GuardApp(Guard(policy), app, RecentDecisions(), store, access=Access(store.keys, require=True))
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    def connect(key: str) -> None:
        scope = {"type": "websocket", "path": "/live", "query_string": b"", "headers": [(b"x-guard-key", key.encode())]}
        asyncio.run(guarded(scope, receive, send))

    connect(new_key_text().text)
    assert (heard, sent[0]["type"], sent[0]["code"]) == ([], "websocket.close", 1008)
    connect(key_of(store).text)
    assert heard == ["websocket"]


def test_the_store_gone_means_503_for_keys_that_nobody_knows_and_nothing_for_others(serve: Serve, store: Store):
    class Line:
        cut = False

        def read(self, ids: Any) -> Any:
            if self.cut:
                raise StoreUnavailable("gone")
            return store.keys.read(ids)

    line = Line()
    address, made = serve(require=True, book=KeyBook(line, Times(fresh=0.1, again=0.03, slow=0.05))), key_of(store)
    assert ask(address, made.text).status_code == 200
    line.cut = True
    unknown = ask(address, key_of(store).text)
    assert code(unknown) == (503, "store_unavailable")
    assert unknown.headers["retry-after"] == "1"
    for _ in range(20):
        assert ask(address, made.text).status_code == 200
    line.cut = False
    deadline = time.monotonic() + 5
    while ask(address, key_of(store).text).status_code == 503:
        assert time.monotonic() < deadline


def test_whom_it_is_for_is_what_the_trusted_header_says(store: Store, upstream: Upstream, policy_file: Path):
    recorder = StoreRecorder(store)
    app = GuardApp(Guard(policy_file, recorder=recorder), upstream, recorder.recent, store, attribution=Attribution("x-user"))
    with served(app) as address:
        body = {**BODY, "user": "claimed"}
        exchange = httpx.post(f"{address}{CHAT}", json=body, headers={"X-User": "jane"}).headers["x-guard-exchange"]
        twice = httpx.post(f"{address}{CHAT}", json=body, headers=[("x-user", "jane"), ("x-user", "claimed")])
    store.writer.flush()
    found = store.exchanges.find("", exchange)
    assert found is not None
    assert found.subject == store.pseudonym("subject", "", "jane")
    assert code(twice) == (400, "repeated_header")


def test_many_clients_with_many_keys_are_all_known_at_once(serve: Serve, store: Store):
    address = serve(require=True)
    made = [key_of(store, tenant=f"t{number}") for number in range(40)]

    async def run() -> list[int]:
        async with httpx.AsyncClient(base_url=address, timeout=20) as client:
            shown = [key.text for key in made] + [new_key_text().text for _ in range(5)]
            answers = await asyncio.gather(*(client.get("/v1/models", headers={"x-guard-key": key}) for key in shown))
            return [answer.status_code for answer in answers]

    statuses = asyncio.run(run())
    assert statuses == [200] * 40 + [401] * 5
