"""An exchange's own token: good for this exchange, this tenant and this time, and for nothing else."""

from __future__ import annotations

import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.feedback_tokens import BadToken, FeedbackTokens
from guard.values import Caller, Exchange

NAMES = {"": "", "anna": "ab" * 16}
TENANTS = st.text(string.ascii_letters + string.digits + "_.:-äß", max_size=64)
IDS = st.from_regex(r"ex_[0-9a-f]{24}", fullmatch=True)


def tokens(at: float = 1_000_000.0, days: float = 7, secret: bytes = b"s" * 32) -> FeedbackTokens:
    return FeedbackTokens(secret, lambda _tenant, subject: NAMES[subject], days * 86_400, lambda: at)


def exchange(name: str = "ex_1", tenant: str = "", subject: str = "") -> Exchange:
    return Exchange(name, caller=Caller(tenant, subject=subject))


@given(IDS, TENANTS, st.sampled_from(sorted(NAMES)), st.integers(0, 200_000))
def test_a_token_says_what_was_put_into_it(name: str, tenant: str, subject: str, choices: int):
    token = tokens().of(exchange(name, tenant, subject), choices)
    spoken = tokens(at=1_000_000 + 6.9 * 86_400).read(token, name)
    assert (spoken.tenant, spoken.subject, spoken.choices) == (tenant, NAMES[subject], min(choices, 65_535))
    assert set(token) <= set(string.ascii_letters + string.digits + "-_")


@given(IDS, IDS, TENANTS)
def test_a_token_is_of_no_use_for_another_exchange_and_with_another_secret(name: str, other: str, tenant: str):
    token = tokens().of(exchange(name, tenant), 1)
    if other != name:
        with pytest.raises(BadToken, match="not of this exchange") as caught:
            tokens().read(token, other)
        assert caught.value.code == "invalid_token"
    with pytest.raises(BadToken):
        tokens(secret=b"t" * 32).read(token, name)


@given(TENANTS, st.data())
def test_no_byte_of_a_token_can_be_changed(tenant: str, data: st.DataObject):
    token = tokens().of(exchange(tenant=tenant, subject="anna"), 3)
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadToken) as caught:
        tokens().read(base64.urlsafe_b64encode(bytes(raw)).rstrip(b"=").decode(), "ex_1")
    assert caught.value.code == "invalid_token"


@given(TENANTS)
def test_the_end_of_a_tenants_name_cannot_be_moved_into_the_exchange(tenant: str):
    token = tokens().of(exchange("ex_1", tenant), 1)
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    for cut in range(1, len(tenant.encode()) + 1):
        shorter = base64.urlsafe_b64encode(raw[: -16 - cut] + raw[-16:]).rstrip(b"=").decode()
        with pytest.raises(BadToken):
            tokens().read(shorter, tenant.encode()[-cut:].decode("utf-8", "replace") + "ex_1")


@given(st.text(max_size=400) | st.binary(max_size=300).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_whatever_is_shown_as_a_token_is_refused_and_nothing_breaks(text: str):
    with pytest.raises(BadToken):
        tokens().read(text, "ex_1")


def test_a_token_expires():
    token = tokens().of(exchange(), 1)
    with pytest.raises(BadToken, match="expired") as caught:
        tokens(at=1_000_000 + 7 * 86_400 + 120).read(token, "ex_1")
    assert caught.value.code == "expired_token"


def test_a_token_is_short_and_has_one_spelling():
    token = tokens().of(exchange("ex_" + "0" * 24), 1)
    assert len(token) == 32
    for other in (token + "=", token + "==", f" {token}", token + "\n"):
        with pytest.raises(BadToken):
            tokens().read(other, "ex_" + "0" * 24)


def test_a_tenant_with_an_endless_name_gets_no_token():
    assert tokens().of(exchange(tenant="t" * 65), 1) == ""
