"""What is kept of exchanges: decisions as they were, texts as the policy says, and nobody sees another tenant's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from kept_exchanges import guard_with, keep_exchange
from sqlalchemy import text

from guard.engine import new_exchange
from guard.errors import StoreError
from guard.formats.base import Piece, Text
from guard.formats.openai_chat import OpenAIChat
from guard.ports import Ending, KeptText
from guard.store import open_store
from guard.store.connecting import reading
from guard.store.exchanges import Wanted
from guard.store.feedback import NewFeedback
from guard.store.store import Store
from guard.values import Action, Caller, Role, Stage

KEY = "AKIAIOSFODNN7EXAMPLQ"
MAIL = "jane.doe@example.org"


def kept(store: Store, exchange: str, tenant: str = "") -> dict[str, list[str]]:
    return {stage.value: [each.text for each in texts.texts] for stage, texts in store.exchanges.texts(tenant, exchange).items()}


def test_an_exchange_is_found_as_it_was_decided(store: Store):
    guard, recorder = guard_with(store)
    caller = Caller("acme", "gk_1", "jane")
    exchange = new_exchange(method="POST", route="/v1/chat/completions", model="demo", caller=caller, conversation="c")
    asked = guard.check_sync(f"mail {MAIL}", exchange=exchange)
    answered = guard.check_sync(f"the kraken has {KEY}", "output", exchange=exchange)
    guard.finish(exchange, Ending(200, streamed=True, judging=0.25, duration=0.5))
    store.writer.flush()
    found = store.exchanges.find("acme", exchange.id)
    assert found is not None
    assert (found.action, found.status, found.streamed) == (Action.BLOCK, 200, True)
    assert (found.judging, found.duration) == (250_000, 500_000)
    assert (found.method, found.route, found.model, found.key) == ("POST", "/v1/chat/completions", "demo", "gk_1")
    assert found.subject == store.pseudonym("subject", "acme", "jane") != "jane"
    assert found.conversation == store.pseudonym("conversation", "acme", "c")
    assert found.policy == guard.policy.digest
    assert store.exchanges.decisions("acme", exchange.id) == {"input": asked.as_dict(), "output": answered.as_dict()}
    assert recorder.recent.find(exchange.id) == {"input": asked, "output": answered}


def test_what_is_known_too_late_completes_what_was_written(store: Store):
    guard, recorder = guard_with(store)
    exchange = new_exchange()
    guard.check_sync("the kraken", exchange=exchange)
    recorder.flush()
    store.writer.flush()
    before = store.exchanges.find("", exchange.id)
    guard.check_sync("hello", "output", exchange=exchange)
    guard.finish(exchange, Ending(200))
    store.writer.flush()
    after = store.exchanges.find("", exchange.id)
    assert before is not None
    assert after is not None
    assert set(before.decisions) == {Stage.INPUT}
    assert set(after.decisions) == {Stage.INPUT, Stage.OUTPUT}
    assert (after.action, after.status, after.created) == (Action.BLOCK, 200, before.created)


def test_one_tenant_never_sees_what_belongs_to_another(store: Store):
    ids = {name: keep_exchange(store, "the kraken", "hello", caller=Caller(name, subject="jane")) for name in ("a", "b", "")}
    for tenant in ids:
        assert [each.id for each in store.exchanges.every(tenant)] == [ids[tenant]]
        assert [each.id for each in store.exchanges.page(tenant).exchanges] == [ids[tenant]]
        for other in ids.keys() - {tenant}:
            assert store.exchanges.find(tenant, ids[other]) is None
            assert store.exchanges.decisions(tenant, ids[other]) is None
            assert store.exchanges.texts(tenant, ids[other]) == {}
    subject = store.pseudonym("subject", "a", "jane")
    assert [each.id for each in store.exchanges.every("a", Wanted(subject=subject))] == [ids["a"]]
    assert list(store.exchanges.every("b", Wanted(subject=subject))) == []
    assert store.exchanges.tenants() == ("", "a", "b")


@pytest.mark.parametrize("hostile", ["' OR '1'='1", "x'; DROP TABLE exchanges; --", "%", "a\0b", "\ud800", "e" * 100_000])
def test_hostile_ids_find_nothing(store: Store, hostile: str):
    kept_one = keep_exchange(store, "hello", None)
    for look in (store.exchanges.find, store.exchanges.decisions):
        assert look("", hostile) is None
    assert store.exchanges.texts("", hostile) == {}
    assert store.feedback.find("", hostile) is None
    with pytest.raises(StoreError, match="exchange_id: expected"):
        store.feedback.add_sync("", NewFeedback(hostile, "thumb"))
    assert store.exchanges.find("", kept_one) is not None


def test_pages_follow_one_another_and_every_filter_holds(store: Store):
    blocked = [keep_exchange(store, "the kraken", None) for _ in range(3)]
    allowed = [keep_exchange(store, "hello", None) for _ in range(4)]
    seen, after = [], ""
    while True:
        page = store.exchanges.page("", after=after, limit=2)
        seen += [each.id for each in page.exchanges]
        after = page.after
        if not after:
            break
    assert seen == [*reversed(allowed), *reversed(blocked)]
    assert [each.id for each in store.exchanges.every("")] == [*blocked, *allowed]
    for wanted in (
        Wanted(rule="no-kraken"),
        Wanted(category="custom/word"),
        Wanted(action=Action.BLOCK),
        Wanted(at_least=Action.FLAG),
    ):
        assert [each.id for each in store.exchanges.every("", wanted)] == blocked
    middle = store.exchanges.find("", allowed[0])
    assert middle is not None
    assert [each.id for each in store.exchanges.every("", Wanted(since=middle.created))] == allowed
    assert [each.id for each in store.exchanges.every("", Wanted(until=middle.created))] == blocked
    assert list(store.exchanges.every("", Wanted(model="' OR 1=1"))) == []
    for wrong in ("x", "1", "1e9:x", "9" * 40 + ":x", "-1:x", "²:x"):
        with pytest.raises(StoreError, match="after: expected"):
            store.exchanges.page("", after=wrong)


def test_redacted_texts_have_no_secret_and_no_personal_data_whoever_wrote_them(store: Store):
    exchange = keep_exchange(store, f"key {KEY}, mail {MAIL}", f"call +1 212 555 0199 or {MAIL}")
    assert kept(store, exchange) == {"input": ["key [AWS-KEY], mail [EMAIL]"], "output": ["call [PHONE] or [EMAIL]"]}


def test_the_policy_says_what_is_kept_of_texts(store: Store):
    words = f"key {KEY}"
    assert kept(store, keep_exchange(store, words, None, policy="store: full")) == {"input": [words]}
    assert kept(store, keep_exchange(store, words, None, policy="store: {text: redacted}")) == {"input": ["key [AWS-KEY]"]}
    none = keep_exchange(store, words, None, policy="store: none")
    assert kept(store, none) == {}
    found = store.exchanges.find("", none)
    assert found is not None
    assert (found.stored, found.action) == ("none", Action.BLOCK)


def test_a_policy_without_detectors_of_its_own_keeps_no_secret_either(store: Store):
    from guard.detectors.registry import kinds
    from guard.engine import Guard
    from guard.policy.load import loads
    from guard.store.recording import StoreRecorder

    bare = "version: 1\nname: bare\ndetectors: {words: {use: patterns, words: [kraken], category: custom/word}}\nrules:\n"
    bare += "  - {id: r, detect: words, category: custom/word, action: flag}\n"
    guard = Guard(loads(bare, kinds()), recorder=StoreRecorder(store))
    exchange = new_exchange()
    guard.check_sync(f"key {KEY}", exchange=exchange)
    guard.finish(exchange, Ending())
    store.writer.flush()
    assert kept(store, exchange.id) == {"input": ["key [AWS-KEY]"]}


def test_text_that_could_not_be_redacted_for_certain_is_withheld(store: Store):
    guard, _ = guard_with(store)

    guard._keeping._sweeping["personal"] = Broken()  # type: ignore[union-attr]
    exchange = new_exchange()
    guard.check_sync(f"mail {MAIL}", exchange=exchange)
    guard.finish(exchange, Ending())
    store.writer.flush()
    assert store.exchanges.texts("", exchange.id)[Stage.INPUT].form == "withheld"
    assert store.exchanges.find("", exchange.id) is not None


class Broken:
    """A detector that broke after it was built."""

    name = "personal"
    version = "1"

    @property
    def needs(self) -> Any:
        raise RuntimeError("the canary")


def streamed(store: Store, pieces: list[str], policy: str = "") -> tuple[str, str]:
    guard, _ = guard_with(store, policy)
    exchange = new_exchange()
    released = "".join(guard.guard_stream_sync(iter(pieces), exchange, lambda decision: "|refused"))
    guard.finish(exchange, Ending(200, streamed=True))
    store.writer.flush()
    return exchange.id, released


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_stream_is_kept_whole_and_redacted(store: Store, size: int):
    answer = f"write to {MAIL} or call +1 212 555 0199, please."
    exchange, _ = streamed(store, [answer[at : at + size] for at in range(0, len(answer), size)])
    assert kept(store, exchange) == {"output": ["write to [EMAIL] or call [PHONE], please."]}


def test_a_stream_that_was_blocked_on_a_secret_is_kept_without_it(store: Store):
    exchange, released = streamed(store, ["the key is ", KEY[:9], KEY[9:], " you see"])
    assert released == "the key is |refused"
    texts = store.exchanges.texts("", exchange)[Stage.OUTPUT]
    assert texts.form == "redacted"
    assert texts.texts[0].text.startswith("the key is [AWS-KEY]")
    assert "AKIA" not in repr(texts)


def test_a_stream_longer_than_what_is_kept_is_cut_without_half_a_secret(store: Store, monkeypatch: pytest.MonkeyPatch):
    from guard import engine, keeping

    monkeypatch.setattr(keeping, "MOST", 5_000)
    monkeypatch.setattr(engine, "COPIED", 9_001)  # one more than is copied
    answer = "word " * 1_799 + f"1234{MAIL} and more " + "word " * 3_000
    exchange, _ = streamed(store, [answer[at : at + 97] for at in range(0, len(answer), 97)])
    texts = store.exchanges.texts("", exchange)[Stage.OUTPUT]
    assert texts.truncated
    assert 4_800 <= len(texts.texts[0].text) <= 5_000
    assert "jane" not in texts.texts[0].text
    guard, _ = guard_with(store)
    cut = "somebody.with.a.name@example.org " * 264 + "somebody.with.a.na"  # far shorter when redacted
    judged = keeping.Judged((Text((Piece("text", cut),), Role.ASSISTANT),), (), complete=False)
    assert "somebody" not in repr(guard._keeping.kept(judged, Stage.OUTPUT))


def chat(prompt: str) -> bytes:
    return json.dumps({"model": "demo", "stream": True, "n": 2, "messages": [{"role": "user", "content": prompt}]}).encode()


def test_every_choice_and_tool_call_of_a_stream_is_kept_redacted(store: Store):
    guard, _ = guard_with(store)
    wire = OpenAIChat()
    request = wire.read_request(chat("hello"))
    exchange = guard.described(new_exchange(), request)
    call = {
        "index": 0,
        "id": "c1",
        "type": "function",
        "function": {"name": "f", "arguments": json.dumps({"to": MAIL, "text": "hi"})},
    }
    deltas = [
        (0, {"content": f"I write to {MAIL}"}, None),
        (1, {"content": "the other"}, None),
        (1, {"tool_calls": [call]}, None),
        (0, {}, "stop"),
        (1, {}, "tool_calls"),
    ]
    events = [
        {"id": "x", "object": "chat.completion.chunk", "choices": [{"index": index, "delta": delta, "finish_reason": end}]}
        for index, delta, end in deltas
    ]
    body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"

    async def source() -> AsyncIterator[bytes]:
        yield body

    async def run() -> None:
        relay = guard.relay(wire, request, exchange)
        async for _ in guard.pump(relay, source(), b""):
            pass
        guard.record_stream(exchange, relay.decision, relay.judges)
        guard.finish(exchange, Ending(200, streamed=True))

    asyncio.run(run())
    store.writer.flush()
    texts = store.exchanges.texts("", exchange.id)[Stage.OUTPUT].texts
    assert KeptText("assistant", "I write to [EMAIL]", "/choices/0/content", 0) in texts
    assert KeptText("assistant", "the other", "/choices/1/content", 1) in texts
    assert "jane" not in repr(texts)
    assert any(text.role == "tool_call" and text.text == "[EMAIL]" and text.choice == 1 for text in texts)


def test_no_user_text_stands_outside_of_sealed_columns(tmp_path: Path):
    store = open_store(str(tmp_path / "store.db"))
    guard, _ = guard_with(store, "store: none")
    canary = "canary sings"
    exchange = new_exchange(
        method="POST", route=f"/v1/{canary}", model=f"{canary} {MAIL}", caller=Caller(subject=canary), conversation=canary
    )
    guard.check_sync(f"{canary} kraken {KEY} {MAIL}", exchange=exchange)
    guard.check_sync(f"{canary} {MAIL}", "output", exchange=exchange)
    guard.finish(exchange, Ending(200))
    store.close()
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert exchange.id.encode() in content
    for private in (canary, MAIL, KEY, "canary"):
        assert private.encode() not in content


def test_an_encrypted_store_has_no_text_in_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from cryptography.fernet import Fernet

    monkeypatch.setenv("TENET_STORE_KEY", Fernet.generate_key().decode())
    store = open_store(str(tmp_path / "store.db"))
    exchange = keep_exchange(store, "the canary sings", "it does", policy="store: full")
    assert kept(store, exchange) == {"input": ["the canary sings"], "output": ["it does"]}
    store.close()
    assert all(b"canary" not in path.read_bytes() for path in tmp_path.iterdir())


def test_thousands_of_findings_are_counted_and_bounded(store: Store):
    exchange = keep_exchange(store, "hello", f"{MAIL} " * 3_000)
    found = store.exchanges.decisions("", exchange)
    assert found is not None
    assert len(found["output"]["findings"]) == 1_000
    assert "jane" not in repr(kept(store, exchange))
    with reading(store.engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM findings")).scalar() <= 1_000


def test_every_policy_of_a_server_can_be_looked_up(store: Store):
    guard, _ = guard_with(store)
    other, _ = guard_with(store, "store: none")
    for each in (guard, guard, other, guard):
        store.policies.put_in_force("", each.policy, {name: found.version for name, found in each.detectors.items()})
    store.writer.flush()
    digests = [guard.policy.digest, other.policy.digest]
    assert [change.digest for change in store.policies.history("")] == [digests[0], digests[1], digests[0]]
    assert [change.previous for change in store.policies.history("")] == [digests[1], digests[0], ""]
    source = store.policies.source("", digests[1])
    assert source["store"]["text"] == "none"
    assert store.policies.source("other", digests[1]) is None
    assert store.policies.history("other") == ()
