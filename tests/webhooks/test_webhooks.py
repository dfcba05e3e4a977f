"""Others are told: signed, at least once, across restarts, without words, and only where webhooks may go."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers import body_of, served

from guard.errors import TenetError
from guard.store import open_store, schema
from guard.store.connecting import reading
from guard.store.outbox import EVENTS, Happening, Outbox, OutboxSink
from guard.store.reviewing import Review, review
from guard.store.store import Store
from guard.webhooks.addresses import CheckedResolver, Forbidden, check_url, is_public
from guard.webhooks.delivering import Deliverer, Pace
from guard.webhooks.hooks import Webhook, webhooks_of
from guard.webhooks.signing import is_signed, signature

SECRET = b"a secret of sixteen"
QUICK = Pace(look=0.02, first=0.02, longest=0.1, patience=2.0)


class Receiver:
    """A server outside the project that is told; answers with each of the statuses in turn, and the last one from then on."""

    def __init__(self, statuses: Sequence[int] = (204,)) -> None:
        self.statuses = list(statuses)
        self.came: list[tuple[bytes, dict[str, str]]] = []
        self._changed = threading.Condition()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = await body_of(scope, receive, send)
        if body is None:
            return
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        headers = [(b"location", b"http://127.0.0.1:1/elsewhere")] if 300 <= status < 400 else []
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        with self._changed:
            self.came.append((body, {name.decode(): value.decode() for name, value in scope["headers"]}))
            self._changed.notify_all()

    def wait(self, count: int) -> list[dict[str, Any]]:
        """Return what came, once it is so many."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.came) >= count, 10), self.came
        return [json.loads(body) for body, _ in self.came]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(str(tmp_path / "store.db"))
    yield opened
    opened.close()


@contextmanager
def delivering(store: Store, *hooks: Webhook, **options: Any) -> Iterator[Deliverer]:
    deliverer = Deliverer(store, hooks, pace=QUICK, **options)
    deliverer.start()
    yield deliverer
    deliverer.close()


def register(store: Store, *hooks: Webhook) -> None:
    Outbox(store).register({hook.id: hook.url for hook in hooks})


def tell(store: Store, about: str, event: str = "block", tenant: str = "") -> int:
    return int(store.writer.write_sync(OutboxSink(), Happening(tenant, event, about, {"exchange": about})))


def deliveries(store: Store) -> list[Any]:
    with reading(store.engine) as connection:
        return list(connection.execute(schema.deliveries.select().order_by(schema.deliveries.c.created)).all())


def until(true: Any) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def test_what_happened_is_told_signed_and_once_for_each_webhook(store: Store):
    first, second = Receiver(), Receiver()
    with served(first) as one, served(second) as other:
        hooks = Webhook(f"{one}/hook", SECRET), Webhook(f"{other}/hook", b"another secret, longer")
        register(store, *hooks)
        assert tell(store, "ex_1", tenant="acme") == 2
        tell(store, "ex_1", tenant="acme")
        with delivering(store, *hooks):
            said = first.wait(1) + second.wait(1)
            until(lambda: all(each.delivered for each in deliveries(store)))
    assert [(each["event"], each["exchange"], each["tenant"]) for each in said] == [("block", "ex_1", "acme")] * 2
    body, headers = first.came[0]
    assert is_signed(SECRET, body, headers["x-guard-signature"])
    assert not is_signed(b"another secret, longer", body, headers["x-guard-signature"])
    assert headers["x-guard-delivery"] == json.loads(body)["id"]
    assert headers["x-guard-event"] == "block"
    assert len(first.came) == len(second.came) == 1


def test_a_receiver_that_fails_is_told_again_and_a_redirect_is_a_failure(store: Store):
    receiver = Receiver([500, 302, 429, 200])
    with served(receiver) as address:
        hook = Webhook(address, SECRET)
        register(store, hook)
        tell(store, "ex_1")
        with delivering(store, hook) as deliverer:
            said = receiver.wait(4)
            until(lambda: deliveries(store)[0].delivered)
            assert (deliverer.failed, deliverer.delivered) == (3, 1)
    assert len({each["id"] for each in said}) == 1
    assert (deliveries(store)[0].attempts, deliveries(store)[0].due) == (4, None)


def test_what_could_not_be_told_is_told_after_a_restart(store: Store, tmp_path: Path):
    receiver = Receiver([503])
    with served(receiver) as address:
        hook = Webhook(address, SECRET)
        register(store, hook)
        tell(store, "ex_1")
        with delivering(store, hook) as deliverer:
            until(lambda: deliverer.failed)
        assert not deliveries(store)[0].delivered
        receiver.statuses = [204]
        again = open_store(str(tmp_path / "store.db"))
        with delivering(again, hook) as deliverer:
            until(lambda: deliverer.delivered)
        again.close()
    assert {json.loads(body)["exchange"] for body, _ in receiver.came} == {"ex_1"}


def test_of_two_processes_one_delivers(store: Store, tmp_path: Path):
    receiver, other = Receiver(), open_store(str(tmp_path / "store.db"))
    with served(receiver) as address:
        hook = Webhook(address, SECRET)
        register(store, hook)
        with delivering(store, hook), delivering(other, hook):
            for number in range(40):
                tell(store, f"ex_{number}")
            receiver.wait(40)
            until(lambda: all(each.delivered for each in deliveries(store)))
    other.close()
    assert len(receiver.came) == 40


def test_what_is_claimed_by_a_process_that_died_is_due_again(store: Store):
    hook = Webhook("http://127.0.0.1:9/", SECRET)
    register(store, hook)
    tell(store, "ex_1")
    outbox = Outbox(store)
    assert len(outbox.claim([hook.id], 5, 60.0)) == 1
    assert outbox.claim([hook.id], 5, 60.0) == ()
    tell(store, "ex_2")
    assert [each.attempts for each in outbox.claim([hook.id], 5, 0.0)] == [1]
    assert [each.attempts for each in outbox.claim([hook.id], 5, 0.0)] == [2]


def test_a_webhook_that_is_no_longer_an_option_is_not_told(store: Store):
    hook = Webhook("http://127.0.0.1:9/", SECRET)
    register(store, hook)
    register(store)
    assert tell(store, "ex_1") == 0
    register(store, hook)
    assert tell(store, "ex_1") == 1


def test_waits_grow_and_end(store: Store):
    pace = Pace()
    waits = [pace.wait(attempt) for attempt in range(1, 12)]
    assert waits[:3] == [5, 15, 45]
    assert waits == sorted(waits)
    assert waits[-1] == pace.longest
    hook = Webhook("http://127.0.0.1:9/", SECRET)
    register(store, hook)
    store.writer.write_sync(OutboxSink(), Happening("", "block", "ex_old", {}, at=1))
    with delivering(store, hook) as deliverer:
        until(lambda: deliverer.failed)
        until(lambda: deliveries(store)[0].due is None)
    assert deliveries(store)[0].delivered is None


@given(st.binary(max_size=200), st.integers(0, 10**10), st.binary(min_size=1, max_size=40))
def test_a_signature_is_of_this_body_this_time_and_this_secret(body: bytes, at: int, secret: bytes):
    header = signature(secret, body, at)
    assert is_signed(secret, body, header, clock=at + 299)
    assert not is_signed(secret, body, header, clock=at + 301)
    assert not is_signed(secret, body + b"x", header, clock=at)
    assert not is_signed(secret + b"x", body, header, clock=at)
    assert not is_signed(secret, body, header.replace(f"t={at}", f"t={at + 1}"), clock=at)


@pytest.mark.parametrize("header", ["", "t=,v1=", "v1=abc", "t=1", "t=x,v1=y", "t=1,v1=é", "t=" + "9" * 5_000 + ",v1=a"])
def test_a_header_that_is_none_is_no_signature(header: str):
    assert not is_signed(SECRET, b"", header, clock=1)


@pytest.mark.parametrize(
    "url",
    [
        *("", "example.org", "ftp://example.org/", "file:///etc/passwd", "http://example.org/", "https://u:p@example.org/"),
        *("http://169.254.169.254/latest/meta-data", "https://169.254.169.254/", "https://10.0.0.1/", "https://[fd00::1]/"),
        *(
            "https://[::ffff:10.0.0.1]/",
            "https://0.0.0.0/",
            "https://[::ffff:169.254.169.254]/",
            "http://[",
            "https://224.0.0.1/",
        ),
        *("https://[64:ff9b::a00:1]/", "https://[2002:a00:1::]/", "https://192.168.1.1:8443/hook"),
    ],
)
def test_a_webhook_does_not_go_into_private_networks(url: str):
    with pytest.raises(TenetError, match="--webhook"):
        check_url(url)


@pytest.mark.parametrize(
    "url", ["https://example.org/hook", "http://127.0.0.1:9/", "http://localhost/", "https://[::1]/", "https://1.1.1.1/"]
)
def test_a_webhook_may_go_to_the_public_and_to_this_machine(url: str):
    check_url(url)


def test_it_may_go_anywhere_if_that_is_asked_for():
    check_url("http://10.0.0.1/", anywhere=True)
    with pytest.raises(TenetError):
        check_url("file:///etc/passwd", anywhere=True)


def test_a_name_that_leads_into_a_private_network_is_not_followed(monkeypatch: pytest.MonkeyPatch):
    async def look_up(host: str) -> Any:
        resolver = CheckedResolver()

        async def private(*_: Any) -> Any:
            return [{"host": "10.0.0.1", "port": 443}]

        monkeypatch.setattr(resolver._inner, "resolve", private)
        return await resolver.resolve(host)

    for host in ("hooks.example.org", "localhost"):
        with pytest.raises(Forbidden):
            asyncio.run(look_up(host))
    assert not is_public("127.0.0.1")
    assert is_public("1.1.1.1")


def test_each_webhook_has_its_secret_or_one_is_for_all():
    known = {"ONE": "1" * 16, "TWO": "2" * 16, "SHORT": "x"}
    urls = ["https://a.example/", "https://b.example/"]
    assert [hook.secret for hook in webhooks_of(urls, ["ONE", "TWO"], environment=known)] == [b"1" * 16, b"2" * 16]
    assert [hook.secret for hook in webhooks_of(urls, ["ONE"], environment=known)] == [b"1" * 16] * 2
    assert webhooks_of([], [], environment=known) == ()
    assert "1111" not in repr(webhooks_of(urls, ["ONE"], environment=known))
    for wrong in (
        (urls, []),
        (urls, ["ONE", "TWO", "ONE"]),
        ([], ["ONE"]),
        (urls[:1], ["SHORT"]),
        (urls[:1], ["NONE"]),
        (urls[:1] * 2, ["ONE"]),
    ):
        with pytest.raises(TenetError, match="--webhook"):
            webhooks_of(*wrong, environment=known)


def test_a_server_tells_of_blocks_appeals_and_labels_without_any_words(tmp_path: Path):
    receiver, canary = Receiver(), "AKIAIOSFODNN7EXAMPLE"
    store = str(tmp_path / "served.db")
    with served(receiver) as address:
        options = ["--store", store, "--webhook", f"{address}/hook", "--webhook-secret-env", "HOOK_SECRET"]
        command = [
            str(Path(sys.executable).with_name("guard")),
            "serve",
            "--demo",
            "--port",
            "0",
            "--policy",
            _policy(tmp_path),
            *options,
        ]
        environment = {**os.environ, "HOOK_SECRET": SECRET.decode()}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            try:
                assert process.stdout is not None
                found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
                assert found
                body = {"model": "demo", "messages": [{"role": "user", "content": f"kraken {canary}"}]}
                answer = httpx.post(f"{found[0]}/v1/chat/completions", json=body)
                exchange, token = answer.headers["x-guard-exchange"], answer.headers["x-guard-feedback-token"]
                said = {"exchange": exchange, "token": token, "appeal": True, "comment": canary}
                feedback = httpx.post(f"{found[0]}/guard/feedback", json=said).json()["id"]
                receiver.wait(2)
                opened = open_store(store)
                label = review(
                    opened, "", feedback, Review("reviewer", status="accepted", category="hate", violates=False, note=canary)
                )
                opened.close()
                told = {each["event"]: each for each in receiver.wait(3)}
            finally:
                process.kill()
    assert set(told) == set(EVENTS)
    assert {each["exchange"] for each in told.values()} == {exchange}
    assert told["block"]["rules"] == ["no-kraken"]
    assert told["block"]["categories"] == ["custom/word"]
    assert told["appeal"]["feedback"] == feedback
    assert told["label"]["verdict"] == "allowed"
    assert label["label"]["id"]
    for sent, headers in receiver.came:
        assert canary.encode() not in sent
        assert b"kraken" not in sent.replace(b"no-kraken", b"")
        assert is_signed(SECRET, sent, headers["x-guard-signature"])


def _policy(folder: Path) -> str:
    words = "{words: {use: patterns, words: [kraken], category: custom/word}}"
    rule = "{id: no-kraken, detect: words, category: custom/word, action: block}"
    (folder / "policy.yaml").write_text(f"version: 1\nname: tested\ndetectors: {words}\nrules: [{rule}]\n")
    return str(folder / "policy.yaml")
