"""Exchanges as a guard with a store keeps them."""

from __future__ import annotations

from guard.detectors.registry import kinds
from guard.engine import Guard, new_exchange
from guard.policy.load import loads
from guard.ports import Ending
from guard.store.recording import StoreRecorder
from guard.store.store import Store
from guard.values import Caller

POLICY = """
version: 1
name: tested
detectors:
  secrets: {use: secrets}
  personal: {use: pii}
  words: {use: patterns, words: [kraken], category: custom/word}
rules:
  - {id: no-secrets, detect: secrets, category: secret/*, action: block}
  - {id: hide-mail, on: output, detect: personal, category: pii/email, action: redact}
  - {id: no-kraken, detect: words, category: custom/word, action: block}
"""


def guard_with(store: Store, policy: str = "") -> tuple[Guard, StoreRecorder]:
    """A guard that records in the store; `policy` is appended to the tested one."""
    recorder = StoreRecorder(store)
    return Guard(loads(f"{POLICY}\n{policy}\n", kinds()), recorder=recorder), recorder


def keep_exchange(store: Store, prompt: str, answer: str | None, *, policy: str = "", caller: Caller = Caller()) -> str:
    """Let an exchange happen and be written; returns its id."""
    guard, _ = guard_with(store, policy)
    exchange = new_exchange(route="/v1/chat/completions", model="demo", caller=caller, conversation="c-1")
    guard.check_sync(prompt, exchange=exchange)
    if answer is not None:
        guard.check_sync(answer, "output", exchange=exchange)
    guard.finish(exchange, Ending(200, duration=0.5))
    store.writer.flush()
    return exchange.id
