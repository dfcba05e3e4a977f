"""The redactor `fake`: fakes of the same form, the same for the same text, never the text itself."""

from __future__ import annotations

import random
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.detectors.registry import kinds
from guard.engine import Guard, new_exchange
from guard.errors import MissingExtra, PolicyError
from guard.faking import _faker, faked
from guard.policy.load import loads
from guard.values import Stage

faker = pytest.importorskip("faker")

POLICY = """version: 1
detectors: {people: {use: pii}}
rules: [{id: r, detect: people, category: pii/*, action: redact, redact: fake}]
"""


def test_an_address_becomes_another_one_under_a_reserved_name() -> None:
    fake = faked("jane.doe@acme.com", "pii/email", b"key")
    assert re.fullmatch(r"\S+@example\.(com|org|net)", fake)
    assert fake == faked("jane.doe@acme.com", "pii/email", b"key")
    assert fake != faked("jane.doe@acme.com", "pii/email", b"other")


@given(st.text(min_size=1, max_size=40))
def test_a_fake_keeps_the_form_and_is_never_the_original(original: str) -> None:
    fake = faked(original, "pii/phone", b"key")
    assert fake != original or not any(map(str.isalnum, original))
    if any(map(str.isalnum, original)) and fake.strip("*"):
        assert [(character.isdecimal(), character.isalpha()) for character in fake] == [
            (character.isdecimal(), character.isalpha()) for character in original
        ]


def test_faking_leaves_the_random_numbers_of_others_alone() -> None:
    random.seed(7)
    expected = random.random()
    random.seed(7)
    faked("555-0199", "pii/phone", b"key")
    assert random.random() == expected


def test_what_leaves_is_the_same_however_a_stream_is_cut() -> None:
    guarded = Guard(loads(POLICY, kinds()))
    text = "call 212-555-0187 or write to jane.doe@acme.com today"
    released = {
        "".join(guarded.guard_stream_sync([text[:at], text[at:]], new_exchange(), lambda decision: decision.message))
        for at in range(len(text))
    }
    assert len(released) == 1
    [left] = released
    assert "212-555-0187" not in left
    assert "jane.doe" not in left
    assert guarded.check_sync(text, Stage.OUTPUT).action.word == "redact"


def test_without_the_library_the_policy_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guard.policy.redactors.find_spec", lambda _name: None)
    with pytest.raises(PolicyError, match=r"tenet-guard\[fake\]"):
        loads(POLICY, kinds())


def test_without_the_library_faking_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    _faker.cache_clear()
    monkeypatch.setitem(sys.modules, "faker", None)
    with pytest.raises(MissingExtra, match=r"tenet-guard\[fake\]"):
        faked("x", "pii/phone", b"key")
    _faker.cache_clear()
