"""What all tests share: one policy of pattern rules, quick to load and certain in its verdicts."""

from __future__ import annotations

from pathlib import Path

import pytest

from guard.engine import Guard

POLICY = """
version: 1
name: tested
detectors:
  words: {use: patterns, words: [forbidden], category: custom/word}
  people: {use: pii}
  keys: {use: secrets}
  overrides: {use: injection}
rules:
  - {id: no-forbidden, on: [input, output], detect: words, category: custom/word, action: block, message: That word stays here.}
  - {id: hide-email, on: [input, output], detect: people, category: pii/email, action: redact}
  - {id: hide-card, on: [input, output], detect: people, category: pii/credit-card, action: redact, redact: {with: mask, keep: 4}}
  - {id: hide-keys, on: [input, output], detect: keys, category: secret/*, action: redact}
  - {id: no-injection, on: input, detect: overrides, category: [injection, jailbreak], threshold: 0.8, action: block}
"""


@pytest.fixture(scope="session")
def policy_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("policies") / "tested.yaml"
    path.write_text(POLICY)
    return path


@pytest.fixture(scope="session")
def guard(policy_file: Path) -> Guard:
    return Guard(policy_file)


@pytest.fixture
def anyio_backend() -> str:
    """Run tests that are coroutines, and marked `anyio`, on asyncio."""
    return "asyncio"
