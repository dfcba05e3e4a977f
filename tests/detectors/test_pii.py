"""The detector `pii`, by examples that were written for it and properties that hold for any text."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guard import categories
from guard.detectors.pii import make
from guard.values import Item, Location, Match, Role

DETECTOR = make("pii", {})


def found(text: str, category: str = "pii/*") -> set[str]:
    """Return what is found at the default threshold, as pieces of the text."""
    return {
        text[finding.span.start : finding.span.end]
        for finding in DETECTOR.detect([Item(text)])[0]
        if finding.span and finding.score >= 0.5 and categories.matches(category, finding.category)
    }


@pytest.mark.parametrize(
    ("kind", "text", "datum"),
    [
        ("email", "Write to jane.doe+news@mail.example.co.uk.", "jane.doe+news@mail.example.co.uk"),
        ("email", "müller@beispiel.de schrieb", "müller@beispiel.de"),
        ("email", "请发邮件到zhang@example.cn谢谢", "zhang@example.cn"),
        ("email", "почта: ivan@пример.рф", "ivan@пример.рф"),
        ("email", "info@münchen.de", "info@münchen.de"),
        ("email", "<bob@corp.internal>", "bob@corp.internal"),
        ("email", "a@b.io", "a@b.io"),
        ("email", "O'Brien <p.o'brien@x.ie>", "p.o'brien@x.ie"),
        ("email", "mailto:me@site.org?subject=x", "me@site.org"),
        ("email", "email=foo@bar.com&x=1", "foo@bar.com"),
        ("email", "john [at] example [dot] com", "john [at] example [dot] com"),
        ("email", "john.doe(at)example.com", "john.doe(at)example.com"),
        ("email", "reach john at example dot com", "john at example dot com"),
        ("email", "john＠example．com", "john＠example．com"),
        ("email", "jo\u200bhn@exam\u200bple.com", "jo\u200bhn@exam\u200bple.com"),
        ("phone", "+49 30 901820", "+49 30 901820"),
        ("phone", "+44 (0)20 7946 0958", "+44 (0)20 7946 0958"),
        ("phone", "+33 1 42 68 53 00", "+33 1 42 68 53 00"),
        ("phone", "+91-98765-43210", "+91-98765-43210"),
        ("phone", "+8613812345678", "+8613812345678"),
        ("phone", "+14155552671", "+14155552671"),
        ("phone", "+1 (415) 555-2671", "+1 (415) 555-2671"),
        ("phone", "(415) 555-2671", "(415) 555-2671"),
        ("phone", "415-555-2671", "415-555-2671"),
        ("phone", "415.555.2671", "415.555.2671"),
        ("phone", "1-800-555-0199", "1-800-555-0199"),
        ("phone", "Tel.: 030/901820", "030/901820"),
        ("phone", "020 7946 0958", "020 7946 0958"),
        ("phone", "07700 900123", "07700 900123"),
        ("phone", "06 12 34 56 78", "06 12 34 56 78"),
        ("phone", "my cell is 5551234567", "5551234567"),
        ("phone", "call me on 07700900123 tonight", "07700900123"),
        ("phone", "Phone number: 98765 43210", "98765 43210"),
        ("phone", '"phone": "5551234567"', "5551234567"),
        ("phone", "phone=5551234567", "5551234567"),
        ("phone", "WhatsApp 0612345678", "0612345678"),
        ("phone", "Handy: 0171 1234567", "0171 1234567"),
        ("phone", "电话：13812345678", "13812345678"),
        ("phone", "Телефон: 8 (495) 123-45-67", "8 (495) 123-45-67"),
        ("phone", "my number is 555-0123", "555-0123"),
        ("phone", "text me at 4155552671", "4155552671"),
        ("phone", "fax +41 44 668 18 00.", "+41 44 668 18 00"),
        ("phone", "call 555-1234", "555-1234"),
        ("phone", "you can reach him at 212 555 0188 ext. 44", "212 555 0188 ext. 44"),
        ("phone", "teléfono 912 345 678", "912 345 678"),
        ("phone", "0044 20 7946 0958", "0044 20 7946 0958"),
        ("phone", "0412 345 678", "0412 345 678"),
        ("phone", "(02) 9374 4000", "(02) 9374 4000"),
        ("phone", "John,415-555-2671,CA", "415-555-2671"),
        ("credit-card", "4111 1111 1111 1111 12/26", "4111 1111 1111 1111"),
        ("credit-card", "card 4111111111111111, cvv 123", "4111111111111111"),
        ("credit-card", "3782-822463-10005", "3782-822463-10005"),
        ("credit-card", "5500.0000.0000.0004", "5500.0000.0000.0004"),
        ("credit-card", "pay with 6011000990139424", "6011000990139424"),
        ("credit-card", "3530111333300000", "3530111333300000"),
        ("credit-card", "id 12 4012 8888 8888 1881", "4012 8888 8888 1881"),
        ("credit-card", "30569309025904", "30569309025904"),
        ("credit-card", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"),
        ("credit-card", "４１１１１１１１１１１１１１１１", "４１１１１１１１１１１１１１１１"),
        ("credit-card", "visa 4222222222222", "4222222222222"),
        ("iban", "DE89 3704 0044 0532 0130 00", "DE89 3704 0044 0532 0130 00"),
        ("iban", "GB82 WEST 1234 5698 7654 32 and more", "GB82 WEST 1234 5698 7654 32"),
        ("iban", "FR1420041010050500013M02606.", "FR1420041010050500013M02606"),
        ("iban", "NO93 8601 1117 947 next", "NO93 8601 1117 947"),
        ("iban", "gb82west12345698765432", "gb82west12345698765432"),
        ("iban", "AT61 1904 3002 3457 3201 this is mine", "AT61 1904 3002 3457 3201"),
        ("ip-address", "from 203.0.113.77.", "203.0.113.77"),
        ("ip-address", "http://10.12.0.5:8080/", "10.12.0.5"),
        ("ip-address", "192.168.1.1-192.168.1.20", "192.168.1.20"),
        ("ip-address", "8.8.8.8", "8.8.8.8"),
        ("ip-address", "ping 1.2.3.4", "1.2.3.4"),
        ("ip-address", "2001:db8::ff00:42:8329", "2001:db8::ff00:42:8329"),
        ("ip-address", "[fe80::1ff:fe23:4567:890a]", "fe80::1ff:fe23:4567:890a"),
        ("ip-address", "host 2001:0db8:85a3:0000:0000:8a2e:0370:7334", "2001:0db8:85a3:0000:0000:8a2e:0370:7334"),
        ("ip-address", "::ffff:192.0.2.128", "::ffff:192.0.2.128"),
        ("ip-address", "x=172.16.254.1", "172.16.254.1"),
        ("mac-address", "00:1A:2B:3C:4D:5E", "00:1A:2B:3C:4D:5E"),
        ("mac-address", "00-1A-2B-3C-4D-5E", "00-1A-2B-3C-4D-5E"),
        ("mac-address", "001a.2b3c.4d5e", "001a.2b3c.4d5e"),
        ("us-ssn", "123-45-6789", "123-45-6789"),
        ("us-ssn", "my social security number is 123456789", "123456789"),
        ("us-ssn", "SSN: 123 45 6789", "123 45 6789"),
        ("us-ssn", "ssn=219-09-9999", "219-09-9999"),
        ("date-of-birth", "DOB: 04/12/1987", "04/12/1987"),
        ("date-of-birth", "d.o.b. 1987-04-12", "1987-04-12"),
        ("date-of-birth", "I was born on 3 May 1990", "3 May 1990"),
        ("date-of-birth", "I was born on March 3rd, 1990.", "March 3rd, 1990"),
        ("date-of-birth", "Geburtsdatum: 12.04.1987", "12.04.1987"),
        ("date-of-birth", "date of birth is the 4th of July 1976", "4th of July 1976"),
        ("date-of-birth", '"birthdate": "1990-01-31"', "1990-01-31"),
        ("date-of-birth", "fecha de nacimiento: 3 de mayo de 1990", "3 de mayo de 1990"),
        ("date-of-birth", "生年月日 1990年5月3日", "1990年5月3日"),
        ("date-of-birth", "My birthday is May 5", "May 5"),
        ("crypto-address", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
        ("crypto-address", "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy", "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy"),
        ("crypto-address", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
        (
            "crypto-address",
            "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
            "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
        ),
        ("crypto-address", "0x52908400098527886E0F7030069857D2E4169EE7", "0x52908400098527886E0F7030069857D2E4169EE7"),
        ("crypto-address", "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8", "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8"),
        ("passport", "My passport number is 533380006", "533380006"),
        ("passport", "passport no. C01X00T47", "C01X00T47"),
        ("passport", "Passport: K1234567", "K1234567"),
        ("passport", "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<"),
        ("passport", "passeport 12AB34567", "12AB34567"),
        ("passport", "паспорт 45 08 123456", "45 08 123456"),
        ("driver-licence", "driver's license number is D1234567", "D1234567"),
        ("driver-licence", "driving licence MORGA657054SM9IJ", "MORGA657054SM9IJ"),
        ("driver-licence", "DL# A1234567", "A1234567"),
        ("driver-licence", "driver license: S123-4567-8901", "S123-4567-8901"),
        ("driver-licence", "Führerscheinnummer B072RRE2I55", "B072RRE2I55"),
    ],
)
def test_personal_data_is_found_where_it_stands(kind: str, text: str, datum: str) -> None:
    assert datum in found(text, f"pii/{kind}")


@pytest.mark.parametrize(
    "text",
    [
        "order number 1234567890",
        "invoice 2024-000123 of 01/02/2024",
        "version 1.2.3.4 and v10.2.3.44",
        "see section 10.0.0.1",
        "pkg==1.22.3.44",
        "ISBN 978-3-16-148410-0",
        "2024-01-31T12:34:56.789Z",
        "it costs $1,234,567.89",
        "1,000,000 users and 250 000 mobile users",
        "48.8566, 2.3522",
        "1.2.3.4.5",
        "the years 1990-2000 1995-2005",
        "UUID 123e4567-e89b-12d3-a456-426614174000",
        "git@github.com:org/repo.git",
        "npm i @types/node@18.0.0",
        "logo@2x.png",
        "a@b.T and W@x.reshape(2)",
        "foo@bar",
        "std::vector<int>::iterator a::b add::f1",
        "a[::2] b[1:2:3]",
        "time 12:34:56 to 13:45:00",
        "4111 1111 1111 1112",
        "1234567812345678",
        "DE00 3704 0044 0532 0130 00",
        "000-12-3456 666-12-3456 900-12-3456 123-00-4567",
        "127.0.0.1 and 0.0.0.0 and 255.255.255.0",
        "ticket 12345678 and case 555123",
        "The function call returned 12345678",
        "call 911 now",
        "phone costs 250000 rupees",
        "iPhone 14 Pro Max 256 GB 2023",
        "meet me at home",
        "sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "ssh-rsa fp 16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48",
        "born to run in 1975",
        "born in 1990",
        "the company was founded 03/05/1990",
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb",
        "passport control opens at 8",
        "software license number ABCD-1234-5678",
        "driving license is required for 12 months",
        "chapter 3, verses 16-18, page 100-234",
        "1 234 567 people",
        "x = 0123456789 ",
        "0x1234 0xdeadbeef",
        "3.14159265358979323846",
        "EAN 4006381333931",
        "part 555-12-34 rev 2",
        "score 100-98-97",
        "July 4, 1976 was great",
        "tel aviv 1948 1967",
        "12 34 56 78 90",
        "Flight 0123 at 10:45 on 03-04-2025",
        "2023-10-05 14:30 call scheduled",
        "matrix 1 2 3 4 5 6 7 8 9",
        "RFC 2119 8174 9110",
        "lat -122.4194155 lon 37.7749295",
        "1700000000 1700000000000",
        "90210-1234",
        "$ 555-1234-99.50",
        "10-12-2024 0930",
        "A4 297 x 210",
        "0.5 0.123 0800",
    ],
)
def test_what_only_looks_like_personal_data_is_left_alone(text: str) -> None:
    assert found(text) == set()


def test_a_card_is_found_beside_its_expiry_date_and_beside_another_card() -> None:
    text = "4111 1111 1111 1111 12/26, then 5500 0000 0000 0004 4012 8888 8888 1881 x"
    assert found(text, "pii/credit-card") == {"4111 1111 1111 1111", "5500 0000 0000 0004", "4012 8888 8888 1881"}


def test_both_ends_of_a_range_of_addresses_are_found() -> None:
    assert found("10.0.0.10-10.0.0.99") == {"10.0.0.10", "10.0.0.99"}


def test_every_line_of_a_list_is_found() -> None:
    text = "a@x.org,b@x.org;c@x.org d@x.org\n192.168.0.10\n192.168.0.11,192.168.0.12\n415-555-2671\n415-555-2672"
    wanted = {f"{name}@x.org" for name in "abcd"} | {f"192.168.0.{last}" for last in (10, 11, 12)}
    assert found(text) == wanted | {"415-555-2671", "415-555-2672"}


def test_what_a_check_sum_proves_scores_one_and_a_shape_less() -> None:
    scores = {f.category: f.score for f in DETECTOR.detect([Item("4111111111111111, DE89370400440532013000, 123-45-6789")])[0]}
    assert scores["pii/credit-card"] == scores["pii/iban"] == 1.0
    assert 0.5 <= scores["pii/us-ssn"] < 1.0


def test_a_birth_in_an_encyclopedia_scores_below_the_default_threshold() -> None:
    assert found("Ada King (born May 3, 1990) is a singer") == set()


@pytest.mark.parametrize(
    "text", ["call me 2024-01-05", "tel 01/02/2023", "text me 1234567 1234567 1234567", "phone 1.2.3.4.5.6", "call 555 0"]
)
def test_a_word_that_announces_a_phone_does_not_make_one_of_anything(text: str) -> None:
    assert found(text, "pii/phone") == set()


def test_four_single_digits_are_a_version_unless_an_address_is_announced() -> None:
    assert found("we moved from 1.2.3.4 to 1.2.4.0") == set()
    assert found("the host is at 1.2.3.4") == {"1.2.3.4"}


def test_only_the_entities_that_are_asked_for_are_found() -> None:
    detector = make("mail", {"entities": ["pii/email"]})
    assert detector.categories == ("pii/email",)
    assert [f.category for f in detector.detect([Item("a@b.org +49 30 901820")])[0]] == ["pii/email"]


def test_entities_that_are_no_personal_data_are_refused() -> None:
    with pytest.raises(ValueError, match="entities: expected some of pii/email"):
        make("mail", {"entities": ["hate"]})


def test_every_category_of_personal_data_has_a_pattern() -> None:
    assert set(DETECTOR.categories) == set(categories.PII)


DIGITS = st.text("0123456789 -./:()+x#,", max_size=40)


@given(st.one_of(DIGITS, st.text("a@.1- \n年月ü０", max_size=30), st.text(max_size=30)), st.integers(0, 30))
@example("+1 415 555 2671 x", 3)
def test_a_stream_finds_what_the_whole_text_has(text: str, cut: int) -> None:
    matches: list[Match] = []
    mark, keep = None, 0
    for end in sorted({min(cut, len(text)), len(text)}):
        scan = DETECTOR.scan(text[keep:end], keep, mark, final=end == len(text), role=Role.USER, location=Location())
        matches += scan.matches
        mark, keep = scan.mark, scan.keep
    assert {match.finding for match in matches} == set(DETECTOR.detect([Item(text)])[0])


@given(DIGITS)
@example("2000::")
def test_a_finding_begins_and_ends_on_what_belongs_to_it(text: str) -> None:
    # An IPv6 address may begin or end with two colons (RFC 4291, section 2.2); nothing else may hang on its edges.
    inner = [piece.removeprefix("::").removesuffix("::") for piece in found(text)]
    assert all(piece == piece.strip(" .,:-/") for piece in inner)


def test_ordinary_prose_is_held_back_by_no_more_than_a_few_words() -> None:
    text = "We walked along the river and talked about what to cook for the guests tonight, then went home at eight. "
    mark, keep, held = None, 0, []
    for end in range(1, len(text)):
        scan = DETECTOR.scan(text[keep:end], keep, mark, final=False, role=Role.USER, location=Location())
        mark, keep = scan.mark, scan.keep
        held.append(end - scan.open)
    assert max(held) <= 40
    assert sum(held) / len(held) <= 10


def test_a_megabyte_of_near_misses_takes_linear_time() -> None:
    small, large = "4111 1111 a@b call 12 " * 500, "4111 1111 a@b call 12 " * 5_000
    DETECTOR.detect([Item(small)])
    started = time.perf_counter()
    DETECTOR.detect([Item(small)])
    middle = time.perf_counter()
    DETECTOR.detect([Item(large)])
    assert time.perf_counter() - middle < 60 * (middle - started) + 0.5
