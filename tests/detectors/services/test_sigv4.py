"""AWS's signatures, against the vectors of the Signature Version 4 test suite that AWS publishes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from guard.detectors.services.sigv4 import Credentials, signed

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi"
    "/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPk"
    "UL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)
HOST = "https://example.amazonaws.com"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SPACED = {"My-Header1": " value1", "My-Header2": ' "a   b   c" '}
NOW = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
VECTORS = {
    "get-vanilla": ("GET", "/", {}, b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    "get-vanilla-query-order-key-case": (
        "GET",
        "/?Param2=value2&Param1=value1",
        {},
        b"",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    "get-header-value-trim": ("GET", "/", SPACED, b"", "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"),
    "get-vanilla-utf8-query": (
        "GET",
        "/?%E1%88%B4=bar",
        {},
        b"",
        "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
    ),
    "post-vanilla": ("POST", "/", {}, b"", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    "post-x-www-form-urlencoded": (
        "POST",
        "/",
        FORM,
        b"Param1=value1",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_a_request_of_aws_s_suite_gets_its_published_signature(name: str):
    method, path, headers, body, signature = VECTORS[name]
    keys = Credentials("AKIDEXAMPLE", SECRET)
    added = signed(keys, method, HOST + path, headers, body, region="us-east-1", service="service", now=NOW)
    names = ";".join(sorted(["host", "x-amz-date", *(header.lower() for header in headers)]))
    assert added == {
        "x-amz-date": "20150830T123600Z",
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}",
    }


def test_a_session_s_token_is_sent_and_signed():
    keys = Credentials("AKIDEXAMPLE", SECRET, TOKEN)
    added = signed(keys, "POST", f"{HOST}/", {}, b"", region="us-east-1", service="service", now=NOW)
    assert added["x-amz-security-token"] == TOKEN
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token" in added["authorization"]
    assert added["authorization"].endswith("Signature=85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead")


def test_the_signature_covers_the_path_and_the_body_as_they_are_sent():
    keys = Credentials("AKIDEXAMPLE", SECRET)

    def signature(path: str, body: bytes) -> str:
        return signed(keys, "POST", HOST + path, {}, body, region="eu-west-1", service="bedrock", now=NOW)["authorization"]

    assert len({signature("/a", b""), signature("/b", b""), signature("/a", b"{}"), signature("/a%3A", b"")}) == 4


def test_keys_do_not_show_in_a_representation():
    shown = repr(Credentials("AKIDEXAMPLE", SECRET, TOKEN))
    assert SECRET not in shown
    assert TOKEN not in shown
