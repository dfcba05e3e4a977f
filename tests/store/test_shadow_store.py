"""What a store keeps of policies on trial: counts that processes share, rows that go with their exchange, and which are tried."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from kept_exchanges import guard_with, keep_exchange
from rows_of_a_person import fill
from sqlalchemy import Connection, func, select

from guard.policy.model import StoreSettings
from guard.store import schema
from guard.store.audit_verifying import verify
from guard.store.belonging import Kind, Whose
from guard.store.connecting import connect, parsed, reading
from guard.store.differences import Differences
from guard.store.erasing import erase
from guard.store.identity import now
from guard.store.migrating import open_or_migrate
from guard.store.person import write_person
from guard.store.pruning import prune
from guard.store.recording import StoreRecorder
from guard.store.sealing import Codec
from guard.store.store import Store
from guard.store.trial_log import CANARY, DROPPED, PROMOTED, SHADOW, TrialLog, TrialRecord
from guard.store.trial_outcomes import outcomes
from guard.store.writing import Limits, Sink
from guard.trials.counting import Tally, together
from guard.trials.differing import Compared, Verdict
from guard.values import Action, Caller, Stage

BASE, CANDIDATE = "a" * 64, "b" * 64
ALLOWED = Verdict(BASE)
BLOCKED = Verdict(CANDIDATE, Action.BLOCK, ("no-word",), ("custom/word",))


def compared(exchange: str = "ex_1", tenant: str = "", shadow: Verdict = BLOCKED, stage: Stage = Stage.INPUT) -> Compared:
    return Compared(exchange, tenant, stage, ALLOWED, shadow, now())


def total(store: Store, tenant: str | None = None) -> Tally:
    found = Differences(store).counted(CANDIDATE, tenant)
    assert set(found) <= {BASE}
    return together(found.get(BASE, {}).values())


def rows(store: Store) -> int:
    with reading(store.engine) as connection:
        return int(connection.execute(select(func.count()).select_from(schema.differences)).scalar_one())


def test_counts_of_several_processes_add_up_and_only_differences_have_rows(opened: Callable[[], Store]):
    stores = [opened(), opened(), opened()]
    tellers = [Differences(each) for each in stores]
    calm = Verdict(CANDIDATE)

    def tell(number: int) -> None:
        for index in range(200):
            tellers[number].compared(compared(f"ex_{number}_{index}", shadow=BLOCKED if index % 4 == 0 else calm))
            tellers[number].shed("", BASE, CANDIDATE, Stage.OUTPUT)

    threads = [threading.Thread(target=tell, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in stores:
        store.close()
    found = total(opened())
    assert (found.compared, found.same, found.shed) == (600, 450, 600)
    assert (found.rules["no-word"].new, found.categories["custom/word"].new) == (150, 150)
    assert rows(opened()) == 150


def test_each_tenant_has_its_own_and_everybodys_are_the_sum(store: Store):
    differences = Differences(store)
    for tenant, count in (("", 1), ("mine", 2), ("mine%", 3)):
        for number in range(count):
            differences.compared(compared(f"ex_{tenant}{number}", tenant))
    store.writer.flush()
    assert [total(store, tenant).compared for tenant in ("", "mine", "mine%", "min", None)] == [1, 2, 3, 0, 6]
    assert {each.tenant for each in differences.latest(CANDIDATE, "mine")} == {"mine"}
    assert len(differences.latest(CANDIDATE)) == 6
    assert differences.counted("b%") == {}
    [only] = differences.latest(CANDIDATE, "")
    assert (only.action, only.shadow_action, only.shadow_rules) == (Action.ALLOW, Action.BLOCK, ("no-word",))


def test_exchanges_have_the_room_that_a_shadow_would_take(url: str):
    store = store_at(url, rows=20)
    held, recorder = Held(), StoreRecorder(store)
    store.writer.put(held, None)
    assert held.begun.wait(10)
    differences = Differences(store)
    for number in range(50):
        differences.compared(compared(f"ex_{number}"))
    recorder.admit(StoreSettings(on_failure="block"))  # raises where nothing more fits in
    assert 0 < store.writer.counters.waiting <= 11
    held.go_on.set()
    store.writer.flush()
    differences.compared(compared("ex_later"))
    store.close()
    found = total(again := store_at(url))
    again.close()
    assert (found.compared + found.shed, found.compared >= 10) == (51, True)


def store_at(url: str, rows: int = 10_000) -> Store:
    engine = connect(parsed(url))
    open_or_migrate(engine)
    return Store(engine, Codec(), Limits(rows=rows))


class Held(Sink[None]):
    """Writes nothing, and keeps the writer until it may go on."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()

    def write(self, connection: Connection, payloads: Sequence[None]) -> Sequence[None]:
        self.begun.set()
        self.go_on.wait(10)
        return payloads


def test_a_difference_told_again_is_one_row(store: Store):
    differences = Differences(store)
    for _ in range(2):
        differences.compared(compared())
    differences.compared(compared(stage=Stage.OUTPUT))
    store.writer.flush()
    assert rows(store) == 2


def test_what_a_shadow_says_late_of_an_erased_exchange_is_not_kept(opened: Callable[[], Store]):
    server, command = opened(), opened()
    exchange = keep_exchange(server, "kraken", "yes", caller=Caller("t", subject="jane"))
    differences = Differences(server)
    differences.compared(compared(exchange, "t"))
    server.writer.flush()
    assert rows(server) == 1
    whose = Whose("t", Kind.SUBJECT, (command.pseudonym("subject", "t", "jane"),))
    assert erase(command, whose).rows["differences"] == 1
    differences.compared(compared(exchange, "t", stage=Stage.OUTPUT))
    server.writer.flush()
    assert rows(server) == 0
    assert total(server, "t").compared == 2, "counts belong to nobody"


def test_differences_grow_old_with_their_exchange_or_by_themselves(store: Store):
    differences = Differences(store)
    old, young = keep_exchange(store, "one", None), keep_exchange(store, "two", None)
    middle = now()
    differences.compared(compared(old))
    differences.compared(compared(young))
    differences.compared(replace(compared("ex_never_kept"), at=middle - 10))
    store.writer.flush()
    with store.engine.begin() as connection:
        connection.execute(schema.exchanges.update().where(schema.exchanges.c.id == old).values(created=middle - 100))
        connection.execute(schema.exchanges.update().where(schema.exchanges.c.id == young).values(created=middle + 100))
    assert prune(store.engine, middle, trial=True).rows["differences"] == 2
    assert prune(store.engine, middle).rows["differences"] == 2
    assert [each.exchange for each in differences.latest(CANDIDATE)] == [young]


def test_a_person_is_handed_where_a_policy_on_trial_differed(store: Store, tmp_path: Path):
    fill(store, "jane")
    counted = write_person(store, "", store.pseudonym("subject", "", "jane"), tmp_path / "jane")
    assert counted["differences"] == 1
    assert (tmp_path / "jane" / "differences.jsonl").is_file()


def trial(kind: str, digest: str = CANDIDATE, beside: str = "default", percent: float = 100) -> TrialRecord:
    return TrialRecord(kind, digest, f"named {digest[0]}", f"/policies/{digest[0]}.yaml", percent, beside, "user:1", 0)


def begin(store: Store, record: TrialRecord) -> None:
    guard, _ = guard_with(store)
    TrialLog(store).begin(record, replace(guard.policy, digest=record.digest), {})


def test_a_trial_begins_and_ends_as_history_and_audit_say(store: Store):
    trials = TrialLog(store)
    begin(store, trial(SHADOW))
    [running] = trials.running()
    assert replace(running, started=0) == trial(SHADOW)
    trials.end(running, DROPPED, actor="user:2", reason="too strict")
    assert trials.running() == ()
    [ended] = trials.every()
    assert (ended.ended, ended.reason, ended.until > ended.started) == (DROPPED, "too strict", True)
    store.writer.flush()
    assert [each.kind for each in store.policies.history("")] == ["dropped", "shadow"]
    noted = [row for row in store.audit.every("") if row.event == "policy.changed"]
    assert [(row.actor, row.object, row.details) for row in noted] == [
        ("user:1", CANDIDATE, {"kind": "shadow"}),
        ("user:2", CANDIDATE, {"kind": "dropped"}),
    ]
    assert verify(store).count == 0


@pytest.mark.parametrize(
    ("then", "running"),
    [
        ([trial(SHADOW, "c" * 64)], [(SHADOW, "c")]),
        ([trial(CANARY, "c" * 64)], [(CANARY, "c"), (SHADOW, "b")]),
        ([trial(CANARY)], [(CANARY, "b")]),
        ([trial(SHADOW, percent=5)], [(SHADOW, "b")]),
        ([trial(SHADOW, "c" * 64, beside="other")], [(SHADOW, "c"), (SHADOW, "b")]),
    ],
    ids=["another shadow replaces it", "a canary goes beside", "the same as a canary", "another share", "beside another policy"],
)
def test_what_begins_later_ends_what_it_replaces(store: Store, then: list[TrialRecord], running: list[tuple[str, str]]):
    for record in [trial(SHADOW), *then]:
        begin(store, record)
    assert [(each.kind, each.digest[0]) for each in TrialLog(store).running()] == running


def test_a_promotion_of_one_leaves_the_other_and_one_beside_another_policy(store: Store):
    for record in (trial(SHADOW), trial(CANARY, "c" * 64), trial(SHADOW, beside="other")):
        begin(store, record)
    trials = TrialLog(store)
    trials.end(trial(SHADOW), PROMOTED)
    assert [(each.kind, each.beside) for each in trials.running()] == [(SHADOW, "other"), (CANARY, "default")]
    assert [each.kind for each in trials.running("default")] == [CANARY]


def test_the_policy_in_force_is_known_with_its_file(store: Store):
    assert TrialLog(store).in_force() is None
    guard, _ = guard_with(store)
    store.policies.put_in_force("", replace(guard.policy, name="first", sources=("/base.yaml", "/first.yaml")), {})
    store.policies.put_in_force("", replace(guard.policy, name="second", digest="e" * 64), {})
    store.writer.flush()
    trials = TrialLog(store)
    assert trials.in_force() == ("second", "")
    assert trials.in_force("first") == ("first", "/first.yaml")
    assert trials.in_force("third") is None


def test_exchanges_are_counted_by_the_policy_that_decided(store: Store):
    keep_exchange(store, "hello", None)
    keep_exchange(store, "kraken", None, caller=Caller("mine"))
    guard, _ = guard_with(store)
    digest = guard.policy.digest
    assert outcomes(store, None, digest, "nobody") == {digest: {Action.ALLOW: 1, Action.BLOCK: 1}}
    assert outcomes(store, "mine", digest, "nobody") == {digest: {Action.BLOCK: 1}}
    assert outcomes(store, "other", digest, "nobody") == outcomes(store, None, digest, "nobody", since=now()) == {}
    assert outcomes(store, None, digest, "nobody", until=1) == {}
