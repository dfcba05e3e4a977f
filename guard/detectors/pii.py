"""Personal data, validated and not only matched.

What has a check sum scores 1, what only has a shape less, and what has neither is found only beside a word that says what
it is. Phones and identity documents are in modules of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from guard import categories
from guard.detectors import identity, phones
from guard.detectors.coins import is_base58_address, is_bech32_address
from guard.detectors.matching import Pattern
from guard.detectors.scanning import PatternScanner
from guard.detectors.validators import iban_length, is_card, is_iban, is_ipv4, is_ipv6, is_ssn

VERSION = "1"

_VIEWS = ("raw", "canonical")
_LETTER = r"\w\x{C0}-\x{DFF}"
_WIDE = r"\x{3041}-\x{D7AF}"
_COMMON_DOMAINS = "com|org|net|edu|gov|info|io|co|me|biz|de|fr|uk|us|es|it|nl|ch|at|be|pl|se|no|dk|fi|ru|in|jp|cn|br|ca|au|eu"
_NOT_DOMAINS = frozenset(
    # Endings of files and names of methods that follow an at sign in code and never end an address.
    re.findall(
        r"\w+",
        "png jpg jpeg gif svg webp ico css js ts jsx tsx json xml yaml yml html md txt csv pdf scss map lock sh exe dll jar "
        "shape reshape mean sum dot transpose conj ravel flatten astype copy item inv apply get set length size",
    )
)
_NOT_PEOPLE = frozenset({"git", "hg", "svn"})


def make(name: str, options: Mapping[str, Any]) -> PatternScanner:
    """Return the detector.

    Args:
        name: Its name in the policy.
        options: `entities` limits it to some categories; `pii/*` and absence mean all.

    Raises:
        ValueError: Where `entities` names no category of personal data.
    """
    wanted = tuple(options.get("entities") or ("pii/*",))
    chosen = [pattern for pattern in PATTERNS if any(categories.matches(entity, pattern.category) for entity in wanted)]
    if not chosen:
        raise ValueError(f"entities: expected some of {', '.join(categories.PII)}, got {', '.join(wanted)}")
    return PatternScanner(name, chosen, VERSION)


def _whole(holds: Callable[[str], bool]) -> Callable[[str], Sequence[tuple[int, int]]]:
    """Return what accepts a match as it is, if `holds` says so."""
    return lambda text: ((0, len(text)),) if holds(text) else ()


def _is_email(text: str) -> bool:
    local, _, domain = text.rpartition("@")
    last = domain.rpartition(".")[2]
    return local.lower() not in _NOT_PEOPLE and ".." not in local and last.lower() not in _NOT_DOMAINS and len(domain) < 254


def _cards(text: str, least: int = 14) -> Sequence[tuple[int, int]]:
    """Accept the numbers of cards among groups of digits, each of whole groups; what stands beside them is left."""
    groups = list(re.finditer(r"\d+", text))
    found = []
    first = 0
    while first < len(groups):
        for last in range(len(groups) - 1, first - 1, -1):
            chosen = groups[first : last + 1]
            digits = "".join(group[0] for group in chosen)
            if least <= len(digits) <= 19 and _grouped([len(group[0]) for group in chosen]) and is_card(digits):
                found.append((chosen[0].start(), chosen[-1].end()))
                first = last
                break
        first += 1
    return found


def _announced_cards(text: str) -> Sequence[tuple[int, int]]:
    return _cards(text, least=12)


def _grouped(sizes: Sequence[int]) -> bool:
    """Return whether people group a card's digits so: evenly, or as American Express and Diners do."""
    return tuple(sizes) in {(4, 6, 5), (4, 6, 4)} or (len(set(sizes[:-1])) <= 1 and sizes[-1] <= sizes[0])


def _iban(text: str) -> Sequence[tuple[int, int]]:
    """Accept as many characters as the country's IBAN has, if they end a word."""
    places = [index for index, character in enumerate(text) if character.isalnum()]
    length = iban_length(text)
    if not 0 < length <= len(places):
        return ()
    end = places[length - 1] + 1
    ended = end == len(text) or not text[end].isalnum()
    return ((0, end),) if ended and is_iban("".join(text[index] for index in places[:length])) else ()


def _address_v4(text: str) -> Sequence[tuple[int, int]]:
    """Accept four octets, or a range of them, that are no version: not announced as one, not all of a single digit."""
    return [(start, end) for start, end in _announced_v4(text) if not _like_version(text[start:end])]


def _announced_v4(text: str) -> Sequence[tuple[int, int]]:
    """Accept four octets that do not go on, as dotted runs and pre-releases do."""
    match = _V4_RANGE.fullmatch(text)
    return [match.span(group) for group in (1, 2) if match[group] and is_ipv4(match[group])] if match else ()


def _like_version(address: str) -> bool:
    octets = address.split(".")
    return all(len(octet) == 1 for octet in octets) and len(set(octets)) > 2


def _address_v6(text: str) -> Sequence[tuple[int, int]]:
    bare = text[:-1] if text.endswith(":") and not text.endswith("::") else text
    return ((0, len(bare)),) if is_ipv6(bare.partition("%")[0]) else ()


def _is_hardware_address(text: str) -> bool:
    digits = re.sub(r"[:.-]", "", text).lower()
    return len(digits) == 12 and len(set(digits)) > 1 and (":" in text or not digits.isdigit())


def _is_social_security(text: str) -> bool:
    return is_ssn(re.sub(r"[ .-]", "", text))


_V4 = r"((?:\d{1,3}\.){3}\d{1,3})"
_V4_RANGE = re.compile(rf"{_V4}(?:-{_V4}|-\d{{1,3}}|\.\D.*|)", re.DOTALL)

_LOCAL = rf"[{_LETTER}][{_LETTER}.%+'-]{{0,63}}"
_DOMAIN = (
    rf"(?:[{_LETTER}{_WIDE}][{_LETTER}{_WIDE}-]*\.)+(?:[A-Za-z]{{2,24}}\b|xn--[a-z0-9-]+|"
    rf"[\x{{400}}-\x{{52F}}]+|[{_WIDE}]{{2,4}})"
)
_OCTETS = r"(?:\d{1,3}\.){3}\d{1,3}(?:[.-]?\w{1,20}){0,5}"
_DIGIT_GROUPS = r"\d(?:[ .-]?\d){11,37}\b"

PATTERNS = (
    Pattern(rf"({_LOCAL}@{_DOMAIN})", "pii/email", 0.95, 1, _VIEWS, _whole(_is_email)),
    Pattern(
        r"(?i)\b([a-z0-9][\w.+-]{0,63} ?[\[({<] ?at ?[\])}>] ?(?:[a-z0-9][a-z0-9-]* ?(?:\.|[\[({<] ?(?:dot|"
        r"\.) ?[\])}>]) ?){1,3}[a-z]{2,12})\b",
        "pii/email",
        0.8,
        1,
        _VIEWS,
    ),
    Pattern(
        rf"(?i)\b([a-z0-9][\w.+-]{{1,31}} at [a-z0-9][a-z0-9-]+(?: dot [a-z0-9-]+)? dot (?:{_COMMON_DOMAINS}))\b",
        "pii/email",
        0.7,
        1,
        _VIEWS,
    ),
    Pattern(rf"\b({_DIGIT_GROUPS})", "pii/credit-card", 1.0, 1, _VIEWS, _cards),
    Pattern(
        r"(?i)\b(?:cards?|visa|master ?card|maestro|amex|american express|diners|discover|jcb|cc|"
        rf"ccnum)\b[^\d\n]{{0,24}}({_DIGIT_GROUPS})",
        "pii/credit-card",
        1.0,
        1,
        _VIEWS,
        _announced_cards,
    ),
    Pattern(
        r"(?i)\b([a-z]{2}\d{2}(?:[a-z0-9]{11,30}\b|(?:[ -][a-z0-9]{4}){2,7}(?:[ -][a-z0-9]{1,4})?))",
        "pii/iban",
        1.0,
        1,
        _VIEWS,
        _iban,
    ),
    Pattern(
        r"(?i)(?:^|[^\w.-])((?:(?:versions?|ver|v|release|build|firmware|section|chapter|kernel|driver|sdk)[ :.=]{1,3}"
        rf"(?:(?:number|is|no\.?) )?|=)?{_OCTETS})",
        "pii/ip-address",
        0.9,
        1,
        _VIEWS,
        _address_v4,
    ),
    Pattern(
        r"(?i)\b(?:ips?|ipv4|address|addr|host|server|ping|gateway|dns|nameserver|client|remote|inet|router|ssh)\b[^\w\n]{1,4}"
        rf"(?:(?:address|is|was|at|to)[^\w\n]{{1,4}}){{0,2}}({_OCTETS})",
        "pii/ip-address",
        0.95,
        1,
        _VIEWS,
        _announced_v4,
    ),
    Pattern(
        r"(?i)(?:^|[^\w:.])([0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,15}(?:\.\d{1,3}){0,3}(?:%\w{1,16})?\w{0,8})",
        "pii/ip-address",
        0.9,
        1,
        _VIEWS,
        _address_v6,
    ),
    Pattern(
        r"(?i)(?:^|[^\w:-])((?:[0-9a-f]{2}:){5}[0-9a-f]{2}(?::?\w{1,4}){0,20}|(?:[0-9a-f]{2}-){5}[0-9a-f]{2}(?:-?\w{1,4}){0,20}"
        r"|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}(?:\.?\w{1,4}){0,8})",
        "pii/mac-address",
        0.9,
        1,
        _VIEWS,
        _whole(_is_hardware_address),
    ),
    Pattern(r"(?:^|[^\w.+-])(\d{3}-\d{2}-\d{4}(?:-?\w{1,8})?)", "pii/us-ssn", 0.85, 1, _VIEWS, _whole(_is_social_security)),
    Pattern(
        r"(?i)\b(?:ssns?|s\.s\.n|social security|soc(?:ial)? sec|ss#)[^\d\n]{0,24}(\d{3}[ .-]?\d{2}[ .-]?\d{4}(?:[.-]?\d{1,8})?)",
        "pii/us-ssn",
        0.95,
        1,
        _VIEWS,
        _whole(_is_social_security),
    ),
    Pattern(r"\b([123mnLMDA9XT][1-9A-HJ-NP-Za-km-z]{25,34})\b", "pii/crypto-address", 1.0, 1, _VIEWS, _whole(is_base58_address)),
    Pattern(r"(?i)\b((?:bc|tb|ltc)1[02-9ac-hj-np-z]{11,87})\b", "pii/crypto-address", 1.0, 1, _VIEWS, _whole(is_bech32_address)),
    Pattern(r"\b(0x[0-9a-fA-F]{40})\b", "pii/crypto-address", 0.75, 1, _VIEWS),
    *phones.PATTERNS,
    *identity.PATTERNS,
)
"""What personal data looks like, and what makes it valid."""
