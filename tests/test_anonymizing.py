"""What Presidio's operators make of what was found."""

from __future__ import annotations

import hashlib
import re

import pytest

from guard.actions import Marked, redact
from guard.errors import TenetError
from guard.policy.model import Redactor
from guard.values import Span

pytest.importorskip("presidio_anonymizer")

TEXT = "write to ann@example.com today"
FOUND = Span(9, 24)
KEY = "0123456789abcdef"


def anonymized(operator: str, *, key_env: str = "", text: str = TEXT, span: Span = FOUND, **params: str | int | bool) -> str:
    redactor = Redactor("presidio", operator=operator, params=tuple(params.items()), key_env=key_env)
    return redact(text, [Marked(span, redactor, "pii/email")])


@pytest.mark.parametrize(
    ("operator", "params", "instead"),
    [
        ("replace", {}, "<EMAIL>"),
        ("replace", {"new_value": "someone"}, "someone"),
        ("redact", {}, ""),
        ("mask", {}, "***************"),
        ("mask", {"chars_to_mask": 4}, "****example.com"),
        ("mask", {"chars_to_mask": 4, "from_end": True, "masking_char": "#"}, "ann@example####"),
        ("mask", {"chars_to_mask": 99}, "***************"),
    ],
)
def test_an_operator_does_what_presidio_does(operator: str, params: dict[str, str | int | bool], instead: str):
    assert anonymized(operator, **params) == f"write to {instead} today"


def test_a_category_of_several_words_is_replaced_as_one():
    marked = Marked(FOUND, Redactor("presidio", operator="replace"), "pii/credit-card")
    assert redact(TEXT, [marked]) == "write to <CREDIT_CARD> today"


def test_a_hash_is_keyed_and_the_same_for_the_same_text(monkeypatch):
    monkeypatch.setenv("SALT", KEY)
    plain = hashlib.sha256(b"ann@example.com").hexdigest()
    without, again = anonymized("hash"), anonymized("hash")
    keyed = anonymized("hash", key_env="SALT")
    assert without == again
    assert re.fullmatch("write to [0-9a-f]{64} today", without)
    assert keyed == f"write to {hashlib.sha256(b'ann@example.com' + KEY.encode()).hexdigest()} today"
    assert len({plain, without[9:73], keyed[9:73]}) == 3
    assert re.fullmatch("write to [0-9a-f]{128} today", anonymized("hash", hash_type="sha512"))


def test_presidio_decrypts_what_was_encrypted(monkeypatch):
    from presidio_anonymizer.operators import Decrypt

    monkeypatch.setenv("KEY", KEY)
    first, second = (anonymized("encrypt", key_env="KEY").split()[2] for _ in range(2))
    assert first != second
    assert Decrypt().operate(text=first, params={"key": KEY}) == "ann@example.com"


def test_a_key_that_is_gone_lets_nothing_out(monkeypatch):
    monkeypatch.delenv("KEY", raising=False)
    with pytest.raises(TenetError, match="KEY"):
        anonymized("encrypt", key_env="KEY")


@pytest.mark.parametrize("operator", ["mask", "hash", "replace", "redact", "encrypt"])
def test_any_text_can_be_made_unreadable(operator: str, monkeypatch):
    monkeypatch.setenv("KEY", KEY)
    key = "KEY" if operator == "encrypt" else ""
    for text in ("\ud800\udfff lone", "你好，世界", "e\u0301" * 20, "\x00"):
        assert text not in anonymized(operator, key_env=key, text=text, span=Span(0, len(text)))
