"""`guard audit`, and what other commands leave in the audit."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from guard.store import open_store
from guard.store.connecting import reading, writing
from guard.store.schema import audit


def guard(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from guard.cli.main import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment})


@pytest.fixture
def url(tmp_path: Path) -> str:
    store = open_store(str(tmp_path / "store.db"))
    store.audit.noted_sync("export", by="gk_1")
    store.close()
    return str(tmp_path / "store.db")


def entries(url: str) -> list[Any]:
    store = open_store(url)
    with reading(store.engine) as connection:
        rows = list(connection.execute(select(audit).order_by(audit.c.created, audit.c.sequence)))
    store.close()
    return rows


def test_a_whole_audit_is_0_a_tampered_one_1_and_an_unreadable_one_2(url: str, tmp_path: Path):
    whole = guard("audit", "verify", "--store", url)
    assert (whole.returncode, whole.stdout, whole.stderr) == (0, "2 entries in 1 chain: nothing wrong\n", "")
    store = open_store(url)
    with writing(store.engine) as connection:
        connection.execute(update(audit).where(audit.c.sequence == 2).values(actor="gk_2"))
    store.close()
    tampered = guard("audit", "verify", "--store", url)
    assert tampered.returncode == 1
    assert re.search(r"^wr_\w+ at 2: changed: expected .*, found ", tampered.stdout)
    as_json = json.loads(guard("audit", "verify", "--store", url, "--json").stdout)
    assert [(fault["kind"], fault["sequence"]) for fault in as_json["faults"]] == [("changed", 2)]
    for arguments in (
        ["--store", str(tmp_path / "none.db")],
        ["--store", url, "--since", "lately"],
        ["--store", url, "--head", url],
    ):
        refused = guard("audit", "verify", *arguments)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_head_that_is_kept_elsewhere_shows_what_is_gone(url: str, tmp_path: Path, options: list[str]):
    printed = guard("audit", "head", "--store", url, *options)
    assert printed.returncode == 0
    head = tmp_path / "head"
    head.write_text(printed.stdout)
    assert guard("audit", "verify", "--store", url, "--head", str(head)).returncode == 0
    store = open_store(url)
    with writing(store.engine) as connection:
        connection.execute(delete(audit).where(audit.c.event == "export", audit.c.actor == "gk_1"))
    store.close()
    found = guard("audit", "verify", "--store", url, "--head", str(head))
    assert found.returncode == 1
    assert "the head that was kept elsewhere saw" in found.stdout


def test_commands_note_what_they_did_and_what_they_leave_verifies(url: str, tmp_path: Path):
    backup, other = str(tmp_path / "backup.zip"), str(tmp_path / "other.db")
    for arguments in (
        ["store", "backup", backup, "--store", url],
        ["store", "restore", backup, "--store", other],
        ["store", "prune", "--older-than", "1h", "--audit", "--store", other],
        ["keys", "create", "--store", other],
    ):
        done = guard(*arguments)
        assert done.returncode == 0, done.stderr
        assert "audit" not in done.stderr
    assert [(row.event, row.details.get("state")) for row in entries(other) if row.event != "writer.started"] == [
        ("export", None),
        ("restore", None),
        ("prune", "begun"),
        ("prune", "done"),
        ("key.created", None),
    ]
    assert entries(url)[-1].event == "backup"
    for store in (url, other):
        assert guard("audit", "verify", "--store", store).returncode == 0


def test_a_key_from_outside_is_adopted_once_and_then_needed(url: str):
    key = {"TENET_AUDIT_KEY": "k" * 40}
    unvouched = guard("audit", "verify", "--store", url, **key)
    assert unvouched.returncode == 1
    assert "guard audit adopt" in unvouched.stdout
    assert guard("audit", "adopt", "--store", url, **key).stdout == "the key vouches for 1 chain of before\n"
    assert guard("audit", "verify", "--store", url, **key).returncode == 0
    assert guard("audit", "adopt", "--store", url).returncode == 2
    assert guard("store", "prune", "--older-than", "1h", "--store", url).returncode == 0
    assert guard("audit", "verify", "--store", url, **key).returncode == 1
