"""Check sums against published examples, and against every single mistake in them."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.detectors import coins, validators

CARDS = (
    "4111111111111111", "4012888888881881", "4222222222222", "5555555555554444", "5105105105105100", "2223003122003222",
    "378282246310005", "371449635398431", "30569309025904", "38520000023237", "6011111111111117", "3530111333300000",
    "6200000000000005", "6304000000000000", "2200000000000004",
)  # fmt: skip
IBANS = (
    "DE89370400440532013000", "GB82WEST12345698765432", "FR1420041010050500013M02606", "NO9386011117947",
    "MT84MALT011000012345MTLCAST001S", "SA0380000000608010167519", "BR9700360305000010009795493P1", "CH9300762011623852957",
)  # fmt: skip
BITCOINS = ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2")
SEGWITS = (
    "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
    "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
    "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
    "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7",
)


@st.composite
def spoiled(draw: st.DrawFn, valid: tuple[str, ...], alphabet: str, start: int = 0) -> str:
    """Return a valid example with one character, not before `start`, replaced by another."""
    text = draw(st.sampled_from(valid))
    place = draw(st.integers(start, len(text) - 1))
    other = draw(st.sampled_from([character for character in alphabet if character != text[place]]))
    return text[:place] + other + text[place + 1 :]


@pytest.mark.parametrize("number", CARDS)
def test_published_test_cards_are_cards(number: str) -> None:
    assert validators.is_card(number)


@given(spoiled(CARDS, "0123456789"))
def test_one_wrong_digit_makes_no_card(number: str) -> None:
    assert not validators.is_card(number)


@pytest.mark.parametrize("number", ["0000000000000000", "1234567812345670", "411111111111111", "9999999999999995"])
def test_no_brand_issues_these(number: str) -> None:
    assert not validators.is_card(number)


@given(st.text("0123456789", min_size=1, max_size=18))
def test_exactly_one_check_digit_fits(digits: str) -> None:
    assert sum(validators.luhn(digits + check) for check in "0123456789") == 1


@pytest.mark.parametrize("iban", IBANS)
def test_registered_examples_are_ibans_in_either_case(iban: str) -> None:
    assert validators.is_iban(iban)
    assert validators.is_iban(iban.lower())
    assert validators.iban_length(iban) == len(iban)


@given(spoiled(IBANS, "0123456789", start=2))
def test_one_wrong_digit_makes_no_iban(iban: str) -> None:
    assert not validators.is_iban(iban)


@pytest.mark.parametrize("text", ["DE8937040044053201300", "XX89370400440532013000", "", "DE89 3704 0044 0532 0130 00"])
def test_wrong_lengths_countries_and_separators_make_no_iban(text: str) -> None:
    assert not validators.is_iban(text)


@pytest.mark.parametrize(
    ("digits", "possible"),
    [("123456789", True), ("899999999", True), ("000123456", False), ("666123456", False), ("900123456", False),
     ("123006789", False), ("123450000", False), ("12345678", False)],
)  # fmt: skip
def test_social_security_numbers_follow_the_rules(digits: str, possible: bool) -> None:
    assert validators.is_ssn(digits) is possible


@pytest.mark.parametrize(
    ("text", "possible"),
    [
        ("8.8.8.8", True),
        ("192.168.1.256", False),
        ("01.2.3.4", False),
        ("1.2.3", False),
        ("127.0.0.1", False),
        ("255.255.0.0", False),
    ],
)
def test_version_four_addresses_are_those_of_machines(text: str, possible: bool) -> None:
    assert validators.is_ipv4(text) is possible


@pytest.mark.parametrize(
    ("text", "possible"),
    [
        ("2001:db8::1", True), ("fe80::1", True), ("1:2:3:4:5:6:7:8888", True), ("::ffff:10.0.0.1", True),
        ("add::f1", False), ("::1", False), ("12:34:56", False), ("00:11:22:33:44:55:66:77", False), ("std::vector", False),
    ],
)  # fmt: skip
def test_version_six_addresses_are_those_in_use(text: str, possible: bool) -> None:
    assert validators.is_ipv6(text) is possible


def test_birthdays_lie_in_a_lifetime_and_in_the_calendar() -> None:
    assert validators.is_birthday(1990, 31, 12)
    assert validators.is_birthday(1990, 12, 31)
    assert validators.is_birthday(90, 1, 2)
    assert not validators.is_birthday(1990, 31, 2)
    assert not validators.is_birthday(1815, 1, 2)
    assert not validators.is_birthday(date.today().year + 1, 1, 2)


@pytest.mark.parametrize("address", [*BITCOINS, "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8", "DH5yaieqoZN36fDVciNyRueRGvGLR3mr7L"])
def test_known_addresses_pass_base58check(address: str) -> None:
    assert coins.is_base58_address(address)


@given(spoiled(BITCOINS, "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"))
def test_one_wrong_character_fails_base58check(address: str) -> None:
    assert not coins.is_base58_address(address)


@given(st.text("123456789ABCz0O", max_size=60))
def test_base58check_takes_any_text(text: str) -> None:
    assert not coins.is_base58_address(text)


@pytest.mark.parametrize("address", SEGWITS)
def test_examples_of_the_proposals_pass_bech32(address: str) -> None:
    assert coins.is_bech32_address(address)


@given(spoiled(SEGWITS, "qpzry9x8gf2tvdw0s3jn54khce6mua7l", start=4))
def test_one_wrong_character_fails_bech32(address: str) -> None:
    assert not coins.is_bech32_address(address)


@pytest.mark.parametrize("text", ["bc1Qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "bc1", "", "1qqqqqqqq"])
def test_mixed_case_and_stumps_fail_bech32(text: str) -> None:
    assert not coins.is_bech32_address(text)
