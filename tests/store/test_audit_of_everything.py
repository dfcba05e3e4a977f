"""Every command and every route that does something to somebody's records leaves an entry that says who did what, and no word."""

from __future__ import annotations

import json
import os
import re
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import Result
from cryptography.fernet import Fernet
from kept_exchanges import POLICY
from sqlalchemy import select
from test_store_serving import serving
from typer.testing import CliRunner

from guard.cli.main import app
from guard.store import open_store
from guard.store.audit_events import Event
from guard.store.connecting import reading
from guard.store.schema import audit

CANARY, PERSON, BY = "zyzzyva", "jane@example.org", "ann"
OPERATOR = f"user:{os.getuid()}"
ELSEWHERE = {
    Event.HEADS: "test_every_process_has_a_chain_and_takes_up_the_ends_of_the_others",
    Event.BROKEN: "test_a_chain_that_somebody_wrote_into_is_left_for_a_new_one",
    Event.GAP: "test_after_kill_9_every_chain_is_whole_and_the_gap_is_noted",
    Event.MIGRATE: "test_who_migrates_a_store_is_in_its_audit",
}
"""Events that nothing here leads to, and the test that does."""


class House:
    """A store that is served, and worked upon by commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = str(folder / "store.db")
        self.environment = {"TENET_STORE": self.url}

    def run(self, *arguments: str, status: int = 0, **environment: str) -> Result:
        done = CliRunner().invoke(app, list(arguments), env={**self.environment, **environment})
        assert done.exit_code == status, (arguments, done.output, done.exception)
        return done

    def said(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json").stdout)

    def key(self, *options: str) -> tuple[str, str]:
        made = self.said("keys", "create", *options)
        return made["key"], made["id"]

    def policy(self, name: str) -> str:
        path = self.folder / f"{name}.yaml"
        path.write_text(POLICY.replace("[kraken]", f"[kraken, {name}]"))
        return str(path)

    def entries(self, url: str = "") -> list[Any]:
        store = open_store(url or self.url)
        with reading(store.engine) as connection:
            rows = list(connection.execute(select(audit).order_by(audit.c.created, audit.c.sequence)))
        store.close()
        return rows


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setenv("TENET_STORE_KEY", Fernet.generate_key().decode())
    return House(tmp_path)


def ask(address: str, text: str, key: str) -> httpx.Response:
    body = {"model": "demo", "user": PERSON, "messages": [{"role": "user", "content": text}]}
    return httpx.post(f"{address}/v1/chat/completions", json=body, headers={"x-guard-key": key}, timeout=15)


def tell(address: str, exchange: str, key: str, **said: Any) -> str:
    answer = httpx.post(f"{address}/guard/feedback", json={"exchange": exchange, **said}, headers={"x-guard-key": key})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def found(rows: list[Any], event: Event, **fields: Any) -> list[Any]:
    return [row for row in rows if row.event == event and fields.items() <= row.details.items()]


def use(house: House) -> dict[str, str]:
    """Let people use a server, and change its policy; returns the ids of what they did."""
    key, caller = house.key("--role", "caller")
    lost, gone = house.key("--role", "caller")
    viewer, looking = house.key("--role", "viewer")
    house.run("keys", "revoke", gone)
    with serving("--store", house.url, "--policy", house.policy("first"), "--require-key") as (process, address):
        clean = [ask(address, f"Tell me of {CANARY} {n}.", key) for n in range(6)]
        blocked = ask(address, f"{CANARY} and the kraken", key)
        assert {answer.status_code for answer in clean} == {200}
        assert blocked.headers["x-guard-action"] == "block"
        for shown, status in ((lost, 401), (f"tg_{CANARY}", 401), (f"tg_{CANARY}", 401), (viewer, 403)):
            assert ask(address, "hello", shown).status_code == status
        appeal = tell(address, blocked.headers["x-guard-exchange"], key, appeal=True, comment=f"I only said {CANARY}.")
        for answer in clean:
            tell(address, answer.headers["x-guard-exchange"], key, comment=f"the very same words about {CANARY}")
        process.send_signal(signal.SIGTERM)
        process.wait(15)
    with serving("--store", house.url, "--policy", house.policy("second")) as (process, _):
        process.send_signal(signal.SIGTERM)
        process.wait(15)
    exchange = blocked.headers["x-guard-exchange"]
    return {"caller": caller, "revoked": gone, "viewer": looking, "exchange": exchange, "appeal": appeal}


def work(house: House, known: dict[str, str]) -> dict[str, str]:
    """Run every command that does something; returns the ids of what was done."""
    label = house.said(
        *("feedback", "label", known["appeal"], "--status", "accepted", "--category", "harassment", "--value", "0"),
        *("--note", f"{CANARY} is a beetle", "--by", BY),
    )
    house.run("feedback", "trust", known["caller"], "--clear", "--weight", "0.5", "--by", BY)
    pairs = house.folder / f"{CANARY}.jsonl"
    pairs.write_text(json.dumps({"prompt": CANARY, "chosen": "yes", "rejected": "no", "subject": PERSON}) + "\n")
    imported = house.said("feedback", "import", str(pairs), "--by", BY)
    house.run("feedback", "export", "--format", "moderation", "--out", str(house.folder / CANARY), "--by", BY)
    house.run("store", "subject", "--subject", PERSON, "--out", str(house.folder / "jane"), "--by", BY)
    house.run("store", "backup", str(house.folder / "backup.zip"))
    house.run("store", "restore", str(house.folder / "backup.zip"), TENET_STORE=str(house.folder / "other.db"))
    house.run("store", "rotate")
    erased = house.said("store", "erase", "--subject", PERSON, "--yes", "--by", BY)
    house.run("store", "prune", "--older-than", "30d")
    house.run("audit", "head")
    house.run("audit", "verify")
    return {"label": label["label"]["id"], "import": imported["import"], "erased": erased["id"]}


def test_every_command_and_route_says_who_did_what_and_no_word_of_it(house: House):
    known = use(house)
    known |= work(house, known)
    rows = house.entries()
    decisions = found(rows, Event.DECISION, action="block", rules=["no-kraken"])
    assert [(row.actor, row.object) for row in decisions] == [(known["caller"], known["exchange"])]
    policies = found(rows, Event.POLICY_CHANGED, kind="in-force")
    assert [(row.actor, "previous" in row.details) for row in policies] == [("server", False), ("server", True)]
    assert policies[1].details["previous"] == policies[0].object
    assert [row.actor for row in found(rows, Event.KEY_CREATED)] == [OPERATOR] * 3
    assert [(row.actor, row.object) for row in found(rows, Event.KEY_REVOKED)] == [(OPERATOR, known["revoked"])]
    assert known["caller"] in {row.actor for row in found(rows, Event.KEY_USED)}
    refused: Counter[tuple[str, str]] = Counter()
    for row in found(rows, Event.KEY_REFUSED):
        refused[row.actor, row.details["reason"]] += row.details["count"]
    assert refused == {
        (known["revoked"], "key_revoked"): 1,
        (known["viewer"], "insufficient_role"): 1,
        ("", "invalid_key"): 2,
    }
    decided = found(rows, Event.FEEDBACK_CHANGED, kind="appeal", status="accepted")
    assert [(row.actor, row.object, row.details["exchange"]) for row in decided] == [(BY, known["appeal"], known["exchange"])]
    labels = found(rows, Event.LABEL_CHANGED, category="harassment", verdict="allowed")
    assert [(row.actor, row.object) for row in labels] == [(BY, known["label"])]
    sources = [(row.actor, row.object, row.details["status"]) for row in found(rows, Event.FEEDBACK_CHANGED, kind="source")]
    assert sources == [("server", known["caller"], "flagged"), (BY, known["caller"], "cleared")]
    assert [(row.actor, row.object) for row in found(rows, Event.IMPORT)] == [(BY, known["import"])] * 2
    assert [(row.details["what"], row.actor) for row in found(rows, Event.EXPORT)] == [
        ("feedback", BY),
        ("subject", BY),
        ("heads", OPERATOR),
    ]
    assert [row.actor for row in found(rows, Event.BACKUP)] == [OPERATOR]
    assert [(row.actor, row.object) for row in found(rows, Event.ERASURE, state="done")] == [(BY, known["erased"])]
    for event in (Event.PRUNE, Event.ROTATE):
        assert [(row.details["state"], row.actor) for row in found(rows, event)] == [("begun", OPERATOR), ("done", OPERATOR)]
    assert [row.actor for row in found(house.entries(str(house.folder / "other.db")), Event.RESTORE)] == [OPERATOR]
    house.run("audit", "adopt", TENET_AUDIT_KEY="k" * 40)
    rows = house.entries()
    assert [row.actor for row in found(rows, Event.ADOPTED)] == [OPERATOR]
    seen = {row.event for row in rows} | {Event.RESTORE}
    assert set(Event) - seen <= ELSEWHERE.keys(), "a new event: have it happen here, or say which test does"
    check_words(house, rows)


def check_words(house: House, rows: list[Any]) -> None:
    """Nobody's words are in the audit, nor is anybody; what it is about are random ids."""
    store = open_store(house.url)
    subject = store.pseudonym("subject", "", PERSON)
    store.close()
    whole = "\n".join(repr(tuple(row)) for row in rows)
    assert [word for word in (CANARY, "jane", subject, "beetle", "kraken and", str(house.folder)) if word in whole] == []
    ids = {row.object for row in rows if row.object}
    assert [each for each in ids if not re.fullmatch(r"(ex|fb|lb|gk|im|er|pc)_[0-9a-f]{24}|[0-9a-f]{64}", each)] == []
