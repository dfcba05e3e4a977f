"""`guard serve --policies` as a process: keys of two tenants, forged headers, streams across a reload, tampering."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
from policies_written import write_policy
from servers import Upstream, completion, guard_serving, line_with, served, stream_of

from guard.choosing.keys import new_key
from guard.choosing.policies import load_all
from guard.choosing.signing import sign
from guard.store import open_store

CHOICES = """version: 1
choices:
  - {when: {tenant: acme, headers: {x-audience: teen}}, policy: teen.yaml}
  - {when: {tenant: acme}, policy: acme.yaml}
  - {when: {tenant: globex}, policy: globex.yaml}
default: usual.yaml
"""


def write(folder: Path, **words: str) -> Path:
    for name, word in {"acme": "alpha", "globex": "beta", "usual": "delta", "teen": "gamma", **words}.items():
        more = "extends: ./acme.yaml" if name == "teen" else ""
        write_policy(folder, name, word, more)
    (folder / "p.yaml").write_text(CHOICES)
    return folder / "p.yaml"


def serving(folder: Path, upstream: str, *more: str) -> AbstractContextManager[tuple[str, subprocess.Popen[str]]]:
    where = ("--policies", str(folder / "p.yaml"), "--store", str(folder / "s.db"))
    return guard_serving("--upstream", upstream, *where, *more)


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    store = open_store(str(tmp_path / "s.db"))
    try:
        made = {tenant: store.keys.create(tenant, ["caller", "policy-author"]).text for tenant in ("acme", "globex", "")}
    finally:
        store.close()
    return made


def ask(url: str, text: str, key: str, **headers: str) -> str:
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    answer = httpx.post(f"{url}/v1/chat/completions", json=body, headers={"x-guard-key": key, **headers}, timeout=15)
    assert answer.status_code == 200, answer.text
    return answer.headers["x-guard-action"]


def test_each_tenant_gets_its_policy_and_headers_only_tighten(tmp_path: Path, keys: dict[str, str]) -> None:
    write(tmp_path)
    upstream = Upstream([json.dumps(completion("fine")).encode()])
    with served(upstream) as behind, serving(tmp_path, behind, "--require-key") as (url, _process):

        def blocked(tenant: str, **headers: str) -> set[str]:
            words = ("alpha", "beta", "gamma", "delta")
            return {word for word in words if ask(url, word, keys[tenant], **headers) == "block"}

        assert [blocked(tenant) for tenant in ("acme", "globex", "")] == [{"alpha"}, {"beta"}, {"delta"}]
        assert blocked("acme", **{"x-audience": "Teen"}) == {"alpha", "gamma"}
        forged = {"x-audience": "teen", "x-tenant": "acme", "x-guard-tenant": "acme", "x-guard-policy": "acme"}
        assert blocked("globex", **forged) == {"beta"}
        for tenant, scored in (("acme", "alpha"), ("globex", "beta")):
            found = [
                httpx.post(f"{url}/v1/moderations", json={"input": word}, headers={"x-guard-key": keys[tenant]}).json()
                for word in ("alpha", "beta")
            ]
            flagged = [each["results"][0]["flagged"] for each in found]
            assert flagged == [word == scored for word in ("alpha", "beta")]
        for tenant, status in (("acme", 403), ("", 200)):
            answer = httpx.post(f"{url}/guard/policy/reload", headers={"x-guard-key": keys[tenant]}, timeout=20)
            assert answer.status_code == status, answer.text
    store = open_store(str(tmp_path / "s.db"))
    try:
        assert {(each.kind, each.name) for each in store.policies.history("acme")} == {("chosen", "acme"), ("chosen", "teen")}
        assert [(each.kind, each.name) for each in store.policies.history("")] == [("in-force", "usual")]
    finally:
        store.close()


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
def test_a_stream_ends_under_the_policy_it_began_with_while_all_are_loaded_again(tmp_path: Path, keys: dict[str, str]) -> None:
    write(tmp_path)
    reloaded = threading.Event()
    words = ["one ", *["two "] * 200, "beta ", "alpha "]

    async def wait(index: int) -> None:
        import asyncio

        if index == len(words) - 1:
            await asyncio.to_thread(reloaded.wait, 15)

    upstream = Upstream(stream_of(words), content_type="text/event-stream", before_chunk=wait)
    with served(upstream) as behind, serving(tmp_path, behind, "--require-key") as (url, process):
        body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hello"}]}
        head = {"x-guard-key": keys["acme"], "x-guard-decision": "event"}
        with httpx.stream("POST", f"{url}/v1/chat/completions", json=body, headers=head, timeout=20) as answer:
            begun = answer.headers["x-guard-policy"]
            lines = answer.iter_lines()
            assert any("one" in line for line in lines)
            before = httpx.get(f"{url}/readyz").json()
            write(tmp_path, acme="nothing", globex="other")
            os.kill(process.pid, signal.SIGHUP)
            line_with(process, "is in force")
            after = httpx.get(f"{url}/readyz").json()
            assert after["policies"] != before["policies"] and after["policy"] == before["policy"]
            assert ask_input(url, keys["acme"]) != begun
            reloaded.set()
            rest = "\n".join(lines)
        assert '"action": "block"' in rest and begun in rest and "alpha" not in rest.partition("event: guard.decision")[0]


def ask_input(url: str, key: str) -> str:
    body = {"model": "m", "messages": [{"role": "user", "content": "nothing"}]}
    answer = httpx.post(f"{url}/v1/chat/completions", json=body, headers={"x-guard-key": key}, timeout=15)
    assert answer.headers["x-guard-action"] == "block"
    return answer.headers["x-guard-policy"]


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
def test_what_is_changed_without_a_signature_changes_nothing(tmp_path: Path, keys: dict[str, str]) -> None:
    file = write(tmp_path)
    new_key(tmp_path / "key")

    def signed() -> None:
        sign(file, load_all(file, serving=False).files, tmp_path / "key")

    signed()
    upstream = Upstream([json.dumps(completion("fine")).encode()])
    option = ("--policies-key", str(tmp_path / "key.pub"))
    with served(upstream) as behind, serving(tmp_path, behind, *option) as (url, process):
        write(tmp_path, acme="nothing", globex="other")
        os.kill(process.pid, signal.SIGHUP)
        assert "changed after it was signed" in line_with(process, "acme.yaml: expected a file as it was signed")
        assert (ask(url, "alpha", keys["acme"]), ask(url, "other", keys["globex"])) == ("block", "allow")
        refused = httpx.post(f"{url}/guard/policy/reload", headers={"x-guard-key": keys[""]}, timeout=20)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "policy_refused")
        assert httpx.get(f"{url}/readyz").json()["newer_policy"] == "refused"
        signed()
        taken = httpx.post(f"{url}/guard/policy/reload", headers={"x-guard-key": keys[""]}, timeout=20)
        assert taken.status_code == 200, taken.text
        assert (ask(url, "alpha", keys["acme"]), ask(url, "other", keys["globex"])) == ("allow", "block")


def test_nothing_is_served_of_policies_that_are_not_signed_or_not_read_only(tmp_path: Path) -> None:
    write(tmp_path)
    new_key(tmp_path / "key")
    for option in (("--policies-key", str(tmp_path / "key.pub")), ("--policies-require", "read-only")):
        command = [str(Path(sys.executable).with_name("guard")), "serve", "--demo", "--port", "0"]
        done = subprocess.run(
            [*command, "--policies", str(tmp_path / "p.yaml"), *option], capture_output=True, text=True, timeout=20, check=False
        )
        assert done.returncode == 2 and not done.stdout
        assert "expected a signature" in done.stderr or "a place that this process can't write" in done.stderr
