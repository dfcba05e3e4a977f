"""Whether what looks like a number of some kind can be one: check sums, ranges and lengths.

Predicates on strings, without context; what they refuse never becomes a finding.
"""

from __future__ import annotations

import re
from datetime import MINYEAR, date
from ipaddress import AddressValueError, IPv4Address, IPv6Address, IPv6Network

_IIN = (
    # Prefix range and the lengths that are issued: ISO/IEC 7812 and the brands' own rules.
    ("4", "4", (13, 16, 19)),  # Visa
    ("51", "55", (16,)),  # Mastercard
    ("2221", "2720", (16,)),
    ("34", "34", (15,)),  # American Express
    ("37", "37", (15,)),
    ("300", "305", (14, 16, 17, 18, 19)),  # Diners Club
    ("3095", "3095", (14, 16, 17, 18, 19)),
    ("36", "36", (14, 15, 16, 17, 18, 19)),
    ("38", "39", (14, 16, 17, 18, 19)),
    ("6011", "6011", (16, 17, 18, 19)),  # Discover
    ("644", "659", (16, 17, 18, 19)),  # Discover, Verve, RuPay
    ("60", "60", (16,)),  # RuPay, Hipercard
    ("81", "82", (16, 17, 18, 19)),  # RuPay, UnionPay
    ("3528", "3589", (16, 17, 18, 19)),  # JCB
    ("62", "62", (16, 17, 18, 19)),  # UnionPay
    ("5018", "5018", tuple(range(12, 20))),  # Maestro
    ("5020", "5020", tuple(range(12, 20))),
    ("5038", "5038", tuple(range(12, 20))),
    ("56", "58", tuple(range(12, 20))),
    ("6304", "6304", tuple(range(12, 20))),
    ("67", "67", tuple(range(12, 20))),
    ("2200", "2204", (16, 17, 18, 19)),  # Mir
    ("9792", "9792", (16,)),  # Troy
)

_IBAN_LENGTHS = {
    # SWIFT IBAN registry, release 99, and the countries that use IBANs without being in it.
    country: int(length)
    for country, length in re.findall(
        r"([A-Z]{2})(\d\d)",
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 "
        "FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 "
        "LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 "
        "RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30 "
        "AO25 BF28 BJ28 CF27 CG27 CI28 CM27 CV25 DZ26 GA27 GQ27 GW25 IR26 KM27 MA28 MG27 ML28 MZ25 NE28 SN28 TD27 TG28",
    )
}

_ROUTED = tuple(
    IPv6Network(network) for network in ("2000::/3", "fc00::/7", "fe80::/10", "ff00::/8", "64:ff9b::/96", "::ffff:0:0/96")
)
_OLDEST = 1900


def luhn(digits: str) -> bool:
    """Return whether `digits` ends in its Luhn check digit (ISO/IEC 7812-1, annex B)."""
    doubled = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
    total = sum(doubled[int(digit)] if place % 2 else int(digit) for place, digit in enumerate(reversed(digits)))
    return total % 10 == 0


def is_card(digits: str) -> bool:
    """Return whether `digits` is a payment card's number: a brand's prefix and length, and the check digit."""
    known = any(low <= digits[: len(low)] <= high and len(digits) in lengths for low, high, lengths in _IIN)
    return known and len(set(digits)) > 1 and luhn(digits)


def iban_length(text: str) -> int:
    """Return how many letters and digits an IBAN has that starts as `text` does; 0 where its country issues none."""
    return _IBAN_LENGTHS.get(text[:2].upper(), 0)


def is_iban(compact: str) -> bool:
    """Return whether `compact`, without separators, is an IBAN: the country's length, and the remainder of ISO 7064 (mod 97)."""
    if len(compact) != iban_length(compact) or not (compact.isascii() and compact.isalnum()):
        return False
    turned = compact[4:] + compact[:4]
    return int("".join(str(int(character, 36)) for character in turned)) % 97 == 1


def is_ssn(digits: str) -> bool:
    """Return whether the nine `digits` can be a US social security number (SSA, "Randomization", 2011)."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return len(digits) == 9 and area not in {"000", "666"} and area < "900" and group != "00" and serial != "0000"


def is_ipv4(text: str) -> bool:
    """Return whether `text` is an IPv4 address of some machine: not a net mask, this host or the unspecified one."""
    try:
        address = IPv4Address(text)
    except AddressValueError:
        return False
    return address.packed[0] not in {0, 127, 255}


def is_ipv6(text: str) -> bool:
    """Return whether `text` is an IPv6 address: eight groups, or a shortened one in a range that is in use.

    A shortened one outside those ranges is more often code (`add::f1`), and eight groups of two digits a hardware address.
    """
    try:
        address = IPv6Address(text)
    except AddressValueError:
        return False
    if "::" in text:
        return any(address in network for network in _ROUTED) and any(character.isdigit() for character in text)
    return any(len(group) > 2 for group in text.split(":"))


def is_date(year: int, month: int, day: int) -> bool:
    """Return whether this is a day of the calendar."""
    try:
        date(max(year, MINYEAR), month, day)
    except ValueError:
        return False
    return True


def is_birthday(year: int, first: int, second: int) -> bool:
    """Return whether someone who lives can be born in `year` on that day, month and day being in either order.

    Args:
        year: With four digits or two.
        first: Month or day.
        second: The other one.
    """
    if not (year < 100 or _OLDEST <= year <= date.today().year):
        return False
    return is_date(year, first, second) or is_date(year, second, first)
