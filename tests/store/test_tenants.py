"""Every question that the store answers is asked as another tenant: with every id of the one whose it is, nothing comes back.

A new part of the store, or a new question of one, is found by itself. One that names no tenant has to be listed here, with why.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any

import pytest
from kept_exchanges import guard_with, keep_exchange
from sqlalchemy import insert, select

import guard.errors
import guard.store
from guard.store import schema
from guard.store.belonging import Kind, Whose
from guard.store.connecting import reading, writing
from guard.store.erasing import erase
from guard.store.feedback import NewFeedback
from guard.store.reviewing import Review, review
from guard.store.sources import trust
from guard.store.store import Store
from guard.values import Caller

WITHOUT_TENANT: Mapping[str, str] = {
    "Exchanges.tenants": "tells only which there are, to commands",
    "Feedback.tenants": "as above",
    "Feedback.flagged_sources": "tells ids of sources, for a server that weighs what they say",
    "Keys.tenants": "as above",
    "Keys.create_first": "makes one, of no tenant",
    "Keys.unused": "tells nothing of anybody",
    "Keys.exist": "tells nothing of anybody",
    "Keys.read": "finds out by its id who shows a key",
    "Keys.matches": "compares what it is given",
    "Keys.note_use": "notes a time",
    "Keys.note_refused": "notes an attempt, with the tenant of the key",
    "Audit.append": "writes what it is given",
    "Audit.append_elsewhere": "as above",
    "Audit.prepare": "gets keys ready",
}
WRITES = ("add", "put", "create", "revoke", "import", "record", "set", "remove", "erase", "note", "write", "review", "trust")
"""How the names of methods begin that change or write something; what they may write is tested where they are."""
INFRASTRUCTURE = ("Writer", "Codec")


def parts(store: Store) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every public method of every part of a store."""
    for part in vars(store).values():
        kind = type(part)
        if not kind.__module__.startswith("guard.store.") or kind.__name__ in INFRASTRUCTURE:
            continue
        for name, _ in inspect.getmembers(kind, inspect.isfunction):
            if not name.startswith("_"):
                yield f"{kind.__name__}.{name}", getattr(part, name)


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every public function of the room that takes a tenant."""
    modules = pkgutil.walk_packages(guard.store.__path__, "guard.store.")
    for module in (each for each in modules if ".migrations" not in each.name):
        for name, function in inspect.getmembers(importlib.import_module(module.name), inspect.isfunction):
            if (
                function.__module__ == module.name
                and not name.startswith("_")
                and "tenant" in inspect.signature(function).parameters
            ):
                yield f"{module.name}.{name}", function


def asked(question: Callable[..., Any], store: Store, tenant: str, known: Mapping[str, str]) -> Iterator[str]:
    """Ask with every known id in every place where one is wanted; gives what comes back, as a text."""
    wanted = {
        name: parameter
        for name, parameter in inspect.signature(question).parameters.items()
        if parameter.default is inspect.Parameter.empty and name != "tenant"
    }
    fixed: dict[str, list[Any]] = {"engine": [store.engine], "store": [store], "table": list(tenant_tables())}
    choices = [fixed.get(name, list(known.values())) for name in wanted]
    for values in product(*choices):
        answer = question(tenant=tenant, **dict(zip(wanted, values, strict=True)))
        if inspect.iscoroutine(answer):
            answer = asyncio.run(answer)
        yield repr(list(answer) if inspect.isgenerator(answer) or isinstance(answer, map) else answer)


def tenant_tables() -> Iterator[Any]:
    """The tables that are read page by page."""
    return (table for table in schema.metadata.sorted_tables if {"tenant", "id", "created"} <= set(table.c.keys()))


def fill(store: Store, tenant: str) -> dict[str, str]:
    """Let something of everything happen to a tenant; returns what tells that it is its own."""
    exchange = keep_exchange(store, f"word-of-{tenant}", "hello", caller=Caller(tenant, f"gk_of_{tenant}", "jane"))
    said = store.feedback.add_sync(tenant, NewFeedback(exchange, "thumb", value=1.0, comment=f"comment-of-{tenant}"))
    guarded, _ = guard_with(store, f"defaults: {{message: policy-of-{tenant}}}")
    versions = {name: detector.version for name, detector in guarded.detectors.items()}
    store.policies.put_in_force(tenant, guarded.policy, versions)
    store.writer.flush()
    key = store.keys.create(tenant, ["viewer"], name=f"key-of-{tenant}")
    return {
        "exchange": exchange,
        "feedback": said.id,
        "key": key.key.id,
        "digest": guarded.policy.digest,
        "subject": store.pseudonym("subject", tenant, "jane"),
    }


def test_no_question_of_the_store_is_answered_with_what_belongs_to_another(store: Store):
    mine, others = fill(store, "mine"), fill(store, "other")
    questions = [*parts(store), *functions()]
    unnamed, answered = [], ""
    for name, question in questions:
        if "tenant" not in inspect.signature(question).parameters:
            unnamed.append(name)
            continue
        if name.rpartition(".")[2].startswith(WRITES):
            continue
        answered += "".join(asked(question, store, "mine", mine))
        for tenant, known in (("other", mine), ("", mine), ("mine", others)):
            owner = "other" if known is others else "mine"
            for said in asked(question, store, tenant, known):
                telling = [*known.values(), f"word-of-{owner}", f"comment-of-{owner}", f"policy-of-{owner}", f"key-of-{owner}"]
                assert [each for each in telling if each in said] == [], name
    assert set(unnamed) <= WITHOUT_TENANT.keys(), "a question that names no tenant: take one, or say here why not"
    telling = [*mine.values(), "word-of-mine", "comment-of-mine", "policy-of-mine", "key-of-mine"]
    assert [each for each in telling if each not in answered] == []
    assert len(questions) > 15


@pytest.mark.parametrize("tenant", ["' or ''='", "mine%", "MINE", "mine ", "m\u0456ne", "\x00", "mine\x00", "*"])
def test_a_tenants_name_is_never_a_pattern(store: Store, tenant: str):
    mine = fill(store, "mine")
    for name, question in parts(store):
        if "tenant" in inspect.signature(question).parameters and not name.rpartition(".")[2].startswith(WRITES):
            try:
                said = "".join(asked(question, store, tenant, mine))
            except guard.errors.StoreError:
                continue  # some databases take no such text at all
            assert [each for each in mine.values() if each in said] == [], name


def test_nothing_that_is_written_for_one_tenant_changes_what_belongs_to_another(store: Store):
    mine, _ = fill(store, "mine"), fill(store, "other")
    with writing(store.engine) as connection:
        row = {"tenant": "mine", "source": mine["key"], "kind": "application", "created": 1, "changed": 1}
        connection.execute(insert(schema.sources), row)

    def attempts(tenant: str) -> Iterator[Callable[[], object]]:
        for target in (mine["feedback"], mine["exchange"]):
            yield lambda target=target: review(store, tenant, target, Review("gk_other", category="harassment"))
        yield lambda: review(store, tenant, mine["feedback"], Review("gk_other", status="rejected"))
        yield lambda: trust(store, tenant, mine["key"], flagged=True)
        yield lambda: store.keys.revoke(tenant, mine["key"])
        subject, exchange = (Kind.SUBJECT, mine["subject"]), (Kind.EXCHANGE, mine["exchange"])
        for kind, value in (subject, exchange):
            yield lambda kind=kind, value=value: erase(store, Whose(tenant, kind, (value,)))

    before = belongings(store, "mine")
    for tenant in ("other", "", "mine' OR '1'='1", "mine%"):
        for attempt in attempts(tenant):
            with contextlib.suppress(guard.errors.StoreError):
                attempt()
    assert belongings(store, "mine") == before
    for attempt in attempts("mine"):
        attempt()
    assert belongings(store, "mine") != before


def belongings(store: Store, tenant: str) -> dict[str, list[Any]]:
    """Every row of a tenant, but for the audit, which says who tried."""
    with reading(store.engine) as connection:
        return {
            table.name: [tuple(map(repr, row)) for row in connection.execute(select(table).where(table.c.tenant == tenant))]
            for table in schema.metadata.sorted_tables
            if "tenant" in table.c and table.name != "audit"
        }
