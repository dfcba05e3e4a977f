"""Refused keys leave a trace in the audit, and no more than a trace."""

from __future__ import annotations

from guard.access.refusals import AGAIN, Refusals
from guard.store.keys import StoredKey
from guard.store.store import Store


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def test_the_first_is_told_at_once_and_the_rest_counted_by_key_and_reason(store: Store):
    said: list[tuple[str, str, int]] = []

    def note(key: StoredKey | None, reason: str, count: int) -> None:
        said.append((key.id if key else "", reason, count))

    clock = Clock()
    refusals = Refusals(note, clock)
    key = store.keys.create("acme", ["viewer"]).key
    for _ in range(1_000):
        refusals.count(None, "invalid_key")
    refusals.count(key, "key_revoked")
    assert said == [("", "invalid_key", 1), (key.id, "key_revoked", 1)]
    clock.at += AGAIN
    refusals.count(None, "invalid_key")
    assert said[2:] == [("", "invalid_key", 1_000)]
    refusals.count(None, "invalid_key")
    refusals.flush()
    assert said[3:] == [("", "invalid_key", 1)]


def test_memory_is_bounded_and_what_is_forgotten_is_told(store: Store):
    said: list[int] = []
    refusals = Refusals(lambda _key, _reason, count: said.append(count))
    for number in range(3_000):
        for _ in range(2):
            refusals.count(None, f"reason-{number}")
    assert sum(said) >= 2 * 2_000 + 1_000
    refusals.flush()
    assert sum(said) == 6_000


def test_an_entry_names_the_key_and_its_tenant_and_never_what_was_shown(store: Store):
    key = store.keys.create("acme", ["viewer"]).key
    store.keys.note_refused(key, "key_expired", 3)
    store.keys.note_refused(None, "invalid_key")
    store.writer.flush()
    (mine,) = [row for row in store.audit.every("acme") if row.event == "key.refused"]
    assert (mine.actor, mine.object, mine.details) == (key.id, key.id, {"reason": "key_expired", "count": 3})
    (nobodys,) = [row for row in store.audit.every("") if row.event == "key.refused"]
    assert (nobodys.actor, nobodys.object, nobodys.details) == ("", "", {"reason": "invalid_key", "count": 1})
