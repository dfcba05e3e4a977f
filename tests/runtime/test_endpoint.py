"""An endpoint: what it sends, what it reads, and what it says when something is wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest
from servers import Upstream, served

from guard.errors import DetectorError, Transient
from guard.runtime.endpoint import Endpoint, TooLarge
from guard.runtime.loop import runtime_loop

JSON = (b'{"ok": true}',)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch):
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def upstream() -> Iterator[tuple[Upstream, str]]:
    app = Upstream(JSON)
    with served(app) as url:
        yield app, url


Server = tuple[Upstream, str]


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return runtime_loop().run(work, 10)


def test_a_post_sends_json_and_returns_what_is_answered(upstream: Server):
    app, url = upstream
    assert run(Endpoint("own", url + "/", {"x-own": "a"}).post("/x", {"text": "é"}, headers={"x-more": "b"})) == {"ok": True}
    assert json.loads(app.seen[0]) == {"text": "é"}
    headers = app.seen_headers[0]
    assert (headers["content-type"], headers["x-own"], headers["x-more"]) == ("application/json", "a", "b")
    assert "authorization" not in headers


def test_raw_bytes_are_sent_as_they_are(upstream: Server):
    app, url = upstream
    run(Endpoint("own", url).post("/x", None, raw=b"{ }"))
    assert app.seen == [b"{ }"]


def test_half_a_surrogate_pair_does_not_stop_a_request(upstream: Server):
    app, url = upstream
    run(Endpoint("own", url).post("/x", {"text": "a\ud800b"}))
    assert json.loads(app.seen[0]) == {"text": "a?b"}


def test_a_get_has_no_body(upstream: Server):
    app, url = upstream
    assert run(Endpoint("own", url).get("/x", params={"q": "a b&c"})) == {"ok": True}
    assert app.seen == [b""]
    assert "content-type" not in app.seen_headers[0]


def test_a_key_is_read_at_each_request(upstream: Server, monkeypatch: pytest.MonkeyPatch):
    app, url = upstream
    endpoint = Endpoint("own", url, secret_headers={"authorization": ("ENDPOINT_KEY", "Bearer {}")})
    for value in ("old", "new"):
        monkeypatch.setenv("ENDPOINT_KEY", value)
        run(endpoint.post("/x", {}))
    assert [headers["authorization"] for headers in app.seen_headers] == ["Bearer old", "Bearer new"]


def test_a_signature_is_over_what_is_sent(upstream: Server):
    app, url = upstream
    signed: list[Any] = []

    def sign(*request: Any) -> dict[str, str]:
        signed.append(request)
        return {"x-signature": "s"}

    run(Endpoint("own", url, {"x-own": "a"}, sign=sign).post("/a%3Ab", {"n": 1}, params={"v": "é"}))
    [(method, sent_to, headers, body)] = signed
    assert (method, sent_to, body) == ("POST", f"{url}/a%3Ab?v=%C3%A9", b'{"n":1}')
    assert headers == {"content-type": "application/json", "x-own": "a"}
    assert app.seen == [body]
    assert app.seen_headers[0]["x-signature"] == "s"


def test_it_may_be_asked_from_another_loop(upstream: Server):
    _, url = upstream
    assert asyncio.run(Endpoint("own", url).post("/x", {})) == {"ok": True}


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 529])
def test_a_status_that_passes_is_transient(upstream: Server, status: int):
    app, url = upstream
    app.status = status
    with pytest.raises(Transient, match=f"answered {status}$"):
        run(Endpoint("own", url).post("/x", {}))


WAITS = {
    (b"retry-after", b"3"): 3.0,
    (b"retry-after", b"Wed, 21 Oct 2015 07:28:00 GMT"): 0.0,
    (b"retry-after", b"soon"): None,
    (b"retry-after", b"-4"): None,
    (b"retry-after", "²".encode("latin-1")): None,
    (b"retry-after-ms", b"1500"): 1.5,
}


@pytest.mark.parametrize("header", WAITS)
def test_retry_after_is_read_in_its_forms(upstream: Server, header: tuple[bytes, bytes]):
    app, url = upstream
    app.status, app.headers = 503, (header,)
    with pytest.raises(Transient) as raised:
        run(Endpoint("own", url).post("/x", {}))
    assert raised.value.retry_after == WAITS[header]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "answered 400$"),
        (401, "answered 401; it wants a key: name its variable in `key_env`"),
        (404, "answered 404; check `url`"),
        (301, "answered 301, a redirect; name its target in `url`"),
        (204, "expected JSON"),
    ],
)
def test_a_status_that_stays_is_an_error_with_a_way_out(upstream: Server, status: int, words: str):
    app, url = upstream
    app.status, app.chunks = status, (b"",)
    with pytest.raises(DetectorError, match=words) as raised:
        run(Endpoint("own", url).post("/x", {}))
    assert not isinstance(raised.value, Transient)


def test_a_service_may_give_a_status_a_meaning_of_its_own(upstream: Server):
    app, url = upstream
    app.status = 413
    with pytest.raises(TooLarge, match="413; too many, send fewer"):
        run(Endpoint("own", url, hints={413: "too many, send fewer"}).post("/x", {}))


def test_what_an_error_says_is_not_repeated_and_not_waited_for(upstream: Server):
    app, url = upstream
    app.status, app.chunks = 500, (b"canary" * 100_000,) * 40
    with pytest.raises(Transient) as raised:
        run(Endpoint("own", url).post("/x", {}))
    assert "canary" not in str(raised.value)


def test_a_proxy_of_the_environment_is_asked_and_no_proxy_is_heeded(upstream: Server, monkeypatch: pytest.MonkeyPatch):
    app, url = upstream
    monkeypatch.setenv("http_proxy", url)
    assert run(Endpoint("own", "http://moderation.invalid").post("/x", {})) == {"ok": True}
    assert app.seen_headers[0]["host"] == "moderation.invalid"
    monkeypatch.setenv("no_proxy", "moderation.invalid")
    with pytest.raises(Transient):
        run(Endpoint("own", "http://moderation.invalid").post("/x", {}))


def test_a_name_and_a_password_of_netrc_are_left_alone(upstream: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Any):
    app, url = upstream
    (tmp_path / "netrc").write_text("default login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    run(Endpoint("own", url, {"authorization": "Bearer mine"}).post("/x", {}))
    assert app.seen_headers[0]["authorization"] == "Bearer mine"
