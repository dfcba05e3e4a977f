"""`guard keys`, and what `guard serve` says of keys."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from guard.cli.access import AccessOptions, access_of, attribution_of, check, is_public, notes
from guard.cli.main import app
from guard.errors import StoreError, TenetError
from guard.store import open_store
from guard.store.key_text import parse_key
from guard.store.keys import KeyState

GUARD = str(Path(sys.executable).with_name("guard"))


def keys(*arguments: str, store: Path) -> Any:
    return CliRunner().invoke(app, ["keys", *arguments, "--store", str(store)], env={"COLUMNS": "200"})


def test_a_key_is_printed_once_alone_on_its_line(tmp_path: Path):
    path = tmp_path / "store.db"
    first = keys("create", store=path)
    second = keys("create", "--tenant", "acme", "--expires", "90d", "--name", "the website", store=path)
    assert parse_key(first.stdout.strip())
    assert "admin" in first.stderr
    assert "caller of acme" in second.stderr
    listed = keys("list", store=path).stdout
    assert first.stdout.strip() not in listed
    assert second.stdout.strip().rpartition("_")[2] not in listed
    assert "the website" in listed
    found = json.loads(keys("list", "--json", store=path).stdout)
    assert [(key["tenant"], key["roles"], key["state"]) for key in found] == [
        ("", ["admin"], "active"),
        ("acme", ["caller"], "active"),
    ]
    assert json.loads(keys("list", "--json", "--tenant", "acme", store=path).stdout) == found[1:]
    days = (open_key(path, "acme", found[1]["id"]).expires or 0) - open_key(path, "acme", found[1]["id"]).created
    assert abs(days / 86_400_000_000 - 90) < 0.01


def open_key(path: Path, tenant: str, key_id: str) -> Any:
    store = open_store(str(path))
    try:
        return store.keys.find(tenant, key_id)
    finally:
        store.close()


@pytest.mark.parametrize("by", ["id", "key"])
def test_a_key_is_revoked_by_its_id_or_by_itself(tmp_path: Path, by: str):
    path = tmp_path / "store.db"
    made = json.loads(keys("create", "--role", "viewer", "--role", "caller", "--tenant", "a", "--json", store=path).stdout)
    assert made["roles"] == ["viewer", "caller"]
    assert made["id"] in keys("revoke", made[by], store=path).stdout
    assert "already" in keys("revoke", made[by], store=path).stdout
    assert open_key(path, "a", made["id"]).state() is KeyState.REVOKED


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "--role", "root"], "role"),
        (["create", "--expires", "tomorrow"], "--expires"),
        (["create", "--expires", "0d"], "--expires"),
        (["create", "--tenant", "a b"], "tenant"),
        (["revoke", "gk_none"], "guard keys list"),
        (["revoke", "' or 1=1"], "guard keys list"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path: Path, arguments: list[str], said: str):
    keys("create", store=tmp_path / "store.db")
    result = keys(*arguments, store=tmp_path / "store.db")
    assert isinstance(result.exception, StoreError)
    assert said in str(result.exception)


def test_there_is_nothing_to_list_where_there_is_no_store(tmp_path: Path):
    assert "no such file" in str(keys("list", store=tmp_path / "none.db").exception)


def test_a_fresh_store_gets_its_first_key_when_it_is_served_and_only_then(tmp_path: Path, policy_file: Path):
    command = [GUARD, "serve", "--demo", "--port", "0", "--policy", str(policy_file), "--store", str(tmp_path / "store.db")]
    said = []
    for _ in range(2):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            try:
                assert process.stdout is not None
                address = process.stdout.readline().split()[-1]
                key = said[0] if said else next(filter(None, map(shown_key, process.stdout)))
                headers = {"authorization": f"Bearer {key}"}
                assert httpx.get(f"{address}/guard/exchanges/ex_1", headers=headers).status_code == 404
                assert httpx.get(f"{address}/guard/exchanges/ex_1").status_code == 401
            finally:
                process.terminate()
                rest = process.stdout.read() if process.stdout else ""
            said.append(key)
    assert shown_key(rest) == ""


def shown_key(line: str) -> str:
    found = re.search(r"tg_\w+", line)
    return found[0] if found else ""


def test_keys_cannot_be_needed_where_there_can_be_none(tmp_path: Path):
    required = AccessOptions(require_key=True)
    with pytest.raises(TenetError, match="--store"):
        check(required, None, fresh=False)
    store = open_store(str(tmp_path / "store.db"))
    with pytest.raises(TenetError, match="guard keys create"):
        check(required, store, fresh=False)
    check(required, store, fresh=True)
    check(AccessOptions(), None, fresh=False)
    store.keys.create("", ["admin"])
    check(required, store, fresh=False)
    store.close()


@pytest.mark.parametrize(
    ("host", "required", "has_keys", "expected"),
    [
        ("127.0.0.1", None, True, False),
        ("127.0.0.1", True, True, True),
        ("0.0.0.0", None, True, True),
        ("0.0.0.0", None, False, False),
        ("0.0.0.0", False, True, False),
        ("::", None, True, True),
        ("::1", None, True, False),
    ],
)
def test_generation_needs_keys_where_others_can_reach_it(
    tmp_path: Path, host: str, required: bool | None, has_keys: bool, expected: bool
):
    store = open_store(str(tmp_path / "store.db"))
    if has_keys:
        store.keys.create("", ["admin"])
    _, needed = access_of(AccessOptions(require_key=required), store, host)
    assert needed is expected
    said = "\n".join(notes(store, "", host, required=needed))
    assert ("every request needs a key" in said) is expected
    assert ("guard keys create" in said) is (is_public(host) and not has_keys)
    store.close()


@pytest.mark.parametrize(
    ("host", "public"),
    [("127.0.0.1", False), ("127.8.8.8", False), ("localhost", False), ("0.0.0.0", True), ("", True), ("192.0.2.1", True)],
)
def test_what_only_this_machine_reaches_is_not_public(host: str, public: bool):
    assert is_public(host) is public


@pytest.mark.parametrize("name", ["a b", "authorization", "x-guard-key", "Cookie", "x" * 101, "é"])
def test_a_header_that_cannot_name_a_subject_is_refused(name: str):
    with pytest.raises(TenetError, match="--trusted-subject-header"):
        attribution_of(AccessOptions(subject_header=name), None)


def test_a_header_names_a_subject_in_any_case():
    assert attribution_of(AccessOptions(subject_header="X-User"), None).subject_header == "x-user"
