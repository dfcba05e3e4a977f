"""Remembered verdicts: nobody can read texts from keys, nothing false is believed, and Redis may die."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from runtime.models import Model
from runtime.redis_server import redis_server

from guard.engine import Guard
from guard.errors import TenetError
from guard.policy.kinds import Kind, Option
from guard.runtime.cache import KEY_VARIABLE, RedisCache, Verdict, VerdictCache, recalled, remembered
from guard.runtime.loop import runtime_loop
from guard.runtime.served import Served
from guard.runtime.settings import RuntimeSettings
from guard.values import Action, Caller, Detector, Exchange, Finding, Item, Location, Role, Span

VERDICTS = (Verdict("custom/length", 0.5, 1, 3),)


def test_findings_survive_being_remembered():
    item = Item("hello", role=Role.ASSISTANT, location=Location("/a", 1))
    findings = [
        Finding("it", "custom/a", 0.25, Span(0, 2), item.location, item.role),
        Finding("it", "custom/b", 1.0, None, item.location, item.role),
    ]
    assert recalled(remembered(findings), "it", item) == findings


def test_keys_tell_no_text_and_differ_between_processes():
    item = Item("a secret text")
    keys = {VerdictCache().key("it", item, sees_exchange=False) for _ in range(3)}
    assert len(keys) == 3
    assert VerdictCache(secret=b"s").key("it", item, sees_exchange=False) == VerdictCache(secret=b"s").key(
        "it", item, sees_exchange=False
    )


def test_whatever_a_detector_is_shown_changes_the_key():
    prompt = (Item("question"),)
    shown = [
        Item("a", exchange=Exchange("1")),
        Item("b", exchange=Exchange("1")),
        Item("a", exchange=Exchange("1", caller=Caller("tenant"))),
        Item("a", exchange=Exchange("1", caller=Caller(subject="me"))),
        Item("a", exchange=Exchange("1", prompt=prompt)),
        Item("a", exchange=Exchange("1", prompt=(Item("question", role=Role.SYSTEM),))),
        Item("a", exchange=Exchange("1", prompt=(Item("question", location=Location("/context")),))),
        Item("a", principle="be kind", exchange=Exchange("1")),
        Item("a", media=b"1", exchange=Exchange("1")),
        Item("a", location=Location("/1"), exchange=Exchange("1")),
    ]
    cache = VerdictCache()
    assert len({cache.key("it", item, sees_exchange=True) for item in shown}) == len(shown)
    assert cache.key("it", shown[0], sees_exchange=True) != cache.key("another", shown[0], sees_exchange=True)
    again = Item("a", exchange=Exchange("another id"))
    assert cache.key("it", shown[0], sees_exchange=True) == cache.key("it", again, sees_exchange=True)


def test_many_findings_take_the_room_of_many_verdicts():
    cache = VerdictCache(most=4)
    for number in range(4):
        cache.put(bytes([number]), (Verdict("custom/x", 1.0, 0, 1),) * 9)
    assert all(cache.get(bytes([number])) for number in range(4))
    for _ in range(2):
        cache.put(b"much", (Verdict("custom/x", 1.0, 0, 1),) * 20)
    assert [cache.get(bytes([number])) is not None for number in range(4)] == [False, False, True, True]
    cache.put(b"too much", (Verdict("custom/x", 1.0, 0, 1),) * 41)
    cache.put(b"empty", ())
    assert cache.get(b"too much") is None
    assert cache.get(b"empty") == ()


def test_what_was_not_used_for_longest_is_forgotten():
    cache = VerdictCache(most=2)
    cache.put(b"1", VERDICTS)
    cache.put(b"2", VERDICTS)
    cache.get(b"1")
    cache.put(b"3", VERDICTS)
    assert (cache.get(b"1"), cache.get(b"2"), cache.get(b"3")) == (VERDICTS, None, VERDICTS)


@pytest.fixture
def _key(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, "a secret of all processes")


def asked(cache: VerdictCache, text: str = "hello") -> int:
    """Return how often a fresh model is called for a text."""
    model = Model()
    detector = Served(model, RuntimeSettings(), timeout=5.0, cache=cache, identity="it")
    [[finding]] = detector.detect([Item(text)])
    assert finding.score == len(text) / 100
    return len(model.calls)


def settle() -> None:
    """Wait until what was submitted to the runtime's loop before has been sent."""
    import asyncio

    async def others() -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.wait(tasks, timeout=5) if tasks else None

    runtime_loop().run(others())


@pytest.mark.usefixtures("_key")
def test_another_process_finds_a_verdict_in_redis(tmp_path):
    with redis_server(tmp_path) as url:
        assert asked(RedisCache(url)) == 1
        settle()
        assert asked(RedisCache(url)) == 0
        assert asked(RedisCache(url), "another") == 1


@pytest.mark.usefixtures("_key")
def test_a_forged_verdict_in_redis_is_not_believed(tmp_path):
    from redis import Redis

    with redis_server(tmp_path) as url:
        asked(RedisCache(url))
        settle()
        plain = Redis.from_url(url)
        [name] = plain.keys("*")
        value = plain.get(name)
        plain.set(name, value[:16] + b"\x90")
        assert asked(RedisCache(url)) == 1
        settle()
        plain.set(name, value)
        assert b"hello" not in name + value
        plain.close()


@pytest.mark.usefixtures("_key")
def test_without_redis_verdicts_are_computed_and_nothing_hangs(tmp_path):
    cache = RedisCache(f"unix://{tmp_path}/nobody.sock")
    began = time.monotonic()
    assert [asked(cache, text) for text in ("one", "two", "one")] == [1, 1, 0]
    assert time.monotonic() - began < 5


def test_processes_that_share_a_redis_must_share_a_secret(monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    with pytest.raises(TenetError, match="TENET_CACHE_KEY: expected at least 16 characters"):
        RedisCache("redis://127.0.0.1:1")


class Asking(Model):
    """Says what another detector says."""

    def __init__(self, name: str, other: Detector) -> None:
        super().__init__(name)
        self._other = other

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        return [[replace(finding, detector=self.name) for finding in found] for found in self._other.detect(items)]


class Telling(Model):
    """Says what its options say."""

    def __init__(self, name: str, score: float) -> None:
        super().__init__(name)
        self._score = score

    def detect(self, items: Sequence[Item]) -> list[list[Finding]]:
        return [[Finding(self.name, "custom/length", self._score)] for _ in items]


ASKING = """
version: 1
name: asks
detectors:
  asks: {{use: asking, judge: judge}}
  judge: {{use: telling, score: {score}}}
rules:
  - {{id: length, detect: asks, category: custom/length, action: block}}
"""


def test_another_configuration_of_whom_a_detector_asks_is_another_question(tmp_path):
    def says(_options: Mapping[str, object]) -> tuple[str, ...]:
        return ("custom/length",)

    known = {
        "telling": Kind("telling", "", lambda name, given: Telling(name, given["score"]), says, {"score": Option("number", "")}),
        "asking": Kind(
            "asking",
            "",
            lambda name, given, others: Asking(name, others[given["judge"]]),
            says,
            {"judge": Option("string", "")},
            refers=lambda given: (given["judge"],),
        ),
    }
    path, cache = tmp_path / "policy.yaml", VerdictCache()
    actions = []
    for score in (0.9, 0.1, 0.9):
        path.write_text(ASKING.format(score=score))
        guard = Guard(path, kinds=known, cache=cache)
        actions.append(guard.check_sync("hello").action)
    assert actions == [Action.BLOCK, Action.ALLOW, Action.BLOCK]
    assert guard.detectors["asks"].counts.cached == 1
