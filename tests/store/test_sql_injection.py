"""Statements of SQL in whatever somebody can say: they are words, or they are refused, and every row stays what it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from feedback_given import keep_answers, say
from feedback_server import feedback_server
from sqlalchemy import func, select
from typer.testing import CliRunner

from guard.cli.main import app
from guard.errors import TenetError
from guard.store import schema
from guard.store.audit_verifying import verify
from guard.store.connecting import reading
from guard.store.importing.importing import Asked, import_file
from guard.store.store import Store

STATEMENTS = (
    "'; DROP TABLE feedback; --",
    '"; DELETE FROM exchanges; --',
    "' OR '1'='1",
    "') UNION SELECT value FROM secrets --",
    "%",
    "\\'; UPDATE keys SET roles='[\"admin\"]' --",
    "{0}:name %(name)s %s ? $1",
)


def counted(store: Store) -> dict[str, int]:
    """How many rows each table has that somebody could be after."""
    with reading(store.engine) as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in schema.metadata.sorted_tables
            if table.name not in ("audit", "audit_heads", "writers", "sources", "secrets")
        }


@pytest.mark.parametrize("statement", STATEMENTS)
def test_what_is_said_in_feedback_is_words(store: Store, statement: str):
    with feedback_server(store) as guarded:
        exchange, token = guarded.ask()
        key = guarded.key("viewer")
        store.writer.flush()
        before = counted(store)
        for name in ("exchange", "token", "thumb", "category", "said", "idempotency_key"):
            answer = guarded.post({"exchange": exchange, "token": token, "thumb": "up", name: statement})
            assert answer.status_code in (202, 400, 401), (name, answer.text)
        headers = {"x-guard-feedback-token": token, "idempotency-key": f"{statement} again"}
        body = {"exchange": exchange, "comment": statement, "correction": statement}
        assert httpx.post(f"{guarded.address}/guard/feedback", json=body, headers=headers).status_code == 202
        path = f"{guarded.address}/guard/exchanges/{quote(statement, safe='')}"
        assert httpx.get(path, headers={"x-guard-key": key}).status_code == 404
        assert httpx.get(path, headers={"x-guard-key": statement}).status_code == 401
        after = counted(store)
    assert {name for name, count in after.items() if count != before[name]} == {"feedback"}
    assert statement in {said.correction for said in store.feedback.every("")}


def options(*names: str) -> Iterator[tuple[list[str], Any]]:
    """Every option and every argument of some commands, but where they find the store and what they write."""
    import typer.main

    for name in names:
        command = typer.main.get_command(app)
        for word in name.split():
            command = command.commands[word]  # type: ignore[attr-defined]  # of a group
        for parameter in command.params:
            if parameter.name not in ("store", "out"):
                yield name.split(), parameter


COMMANDS = ("list", "show", "label", "sources", "trust", "export")


def test_what_is_said_to_a_command_is_words(store: Store, tmp_path: Path):
    exchange = keep_answers(store, "hello", ["hello"])
    feedback = say(store, exchange, "thumb", value=1.0)
    key = store.keys.create("", ["viewer"]).key.id
    url = store.engine.url.render_as_string(hide_password=False)
    usual = {
        "show": [feedback],
        "label": [feedback, "--status", "accepted"],
        "trust": [key, "--flag"],
        "export": ["--format", "binary", "--out", str(tmp_path / "out"), "--overwrite"],
    }
    before = counted(store)
    names = [*(f"feedback {name}" for name in COMMANDS), "keys create", "keys list", "keys revoke"]
    tried = 0
    for path, parameter in options(*names):
        arguments = usual.get(path[-1], []) if parameter.param_type_name == "option" else []
        for statement in STATEMENTS[:2]:
            given = [parameter.opts[0], statement] if parameter.param_type_name == "option" else ["--", statement]
            done = CliRunner().invoke(app, [*path, "--store", url, *arguments, *given])
            assert done.exception is None or isinstance(done.exception, (TenetError, SystemExit)), (path, given, done.exception)
            tried += 1
    assert tried > 60
    after = counted(store)
    assert {name for name, count in after.items() if count < before[name]} == set()
    assert {name for name, count in after.items() if count > before[name]} <= {"keys", "labels"}
    assert [stored.roles for stored in store.keys.of("")] == [("viewer",)] + [("caller",)] * (after["keys"] - before["keys"])
    assert verify(store).count == 0


@pytest.mark.parametrize("statement", STATEMENTS)
def test_what_a_file_says_is_words(store: Store, tmp_path: Path, statement: str):
    exchange = keep_answers(store, "hello", ["hello"])
    before = counted(store)
    fields = ("subject", "conversation", "licence", "by")
    pairs = [{"prompt": statement, "chosen": statement, "rejected": f"{name}?", name: statement} for name in fields]
    said = [{"exchange_id": exchange, "kind": "correction", "correction": statement}, {"exchange_id": statement, "kind": "thumb"}]
    path = tmp_path / "file.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in (*pairs, *said, {"text": "a", "labels": {statement: 1}})))
    found = import_file(store, Asked(path, skip_bad=True))
    assert found.taken + found.refused == 7
    assert found.taken >= 2
    assert all(count >= before[name] for name, count in counted(store).items())
    with reading(store.engine) as connection:
        sealed = connection.execute(select(schema.pairs.c.chosen)).scalars().all()
    assert all(json.loads(store.codec.open(each))[0]["content"] == statement for each in sealed)
