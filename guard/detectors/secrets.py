"""The detector `secrets`: keys, tokens and passwords that must not leave, by their published formats.

Where a format has no check sum, what it stands beside decides: an assignment to something like a password, with a value that is
random enough and no placeholder.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from binascii import Error
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import re2

from guard import categories
from guard.detectors.credentials import VENDORS
from guard.detectors.scanning import Pattern, PatternScanner
from guard.detectors.strength import is_placeholder, is_secret, is_spoken_secret, is_template

VERSION = "secrets-2"

_VIEWS = ("raw", "canonical", "decoded")
_Accept = Callable[[str], Sequence[tuple[int, int]]]


def make(name: str, options: Mapping[str, Any]) -> PatternScanner:
    """Return a scanner for the categories in `options["entities"]` (names or `secret/*`), or for all of them.

    Raises:
        ValueError: Where no secret is of such a category.
    """
    wanted = options.get("entities") or ("secret/*",)
    patterns = [pattern for pattern in _PATTERNS if any(categories.matches(entity, pattern.category) for entity in wanted)]
    if not patterns:
        raise ValueError(f"expected some of {', '.join(categories.SECRETS)}, got {', '.join(wanted)}")
    return PatternScanner(name, patterns, VERSION)


def _whole(is_good: Callable[[str], bool]) -> _Accept:
    return lambda text: [(0, len(text))] if is_good(text) else []


def _value(is_good: Callable[[str], bool]) -> _Accept:
    """Accept a value without the punctuation of the sentence that it ends; what a vendor's own pattern finds is left to that."""

    def accept(text: str) -> Sequence[tuple[int, int]]:
        value = text.rstrip(".,;:!?")
        return [(0, len(value))] if not _OF_A_VENDOR.match(value) and is_good(value) else []

    return accept


def _is_token(text: str) -> bool:
    return not is_placeholder(text) and any(map(str.isdigit, text))


def _is_aws_secret(text: str) -> bool:
    return is_secret(text) and text != text.lower() and text != text.upper()


def _is_jwt(text: str) -> bool:
    header = text.partition(".")[0]
    try:
        claims = json.loads(urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except (Error, ValueError):
        return False
    return isinstance(claims, dict) and "alg" in claims


def _is_basic(text: str) -> bool:
    try:
        decoded = urlsafe_b64decode(text.replace("+", "-").replace("/", "_") + "=" * (-len(text) % 4)).decode()
    except (Error, ValueError):
        return False
    user, colon, password = decoded.partition(":")
    return bool(colon and user.isprintable() and password) and not is_template(password)


def _has_password_in_url(text: str) -> bool:
    password = text.partition("://")[2].rpartition("@")[0].partition(":")[2]
    return not is_template(password)


def _has_password_in_pairs(text: str) -> bool:
    password = _PASSWORD_IN_PAIRS.search(text)
    return password is not None and not is_template(password[1])


_PASSWORD_IN_PAIRS = re.compile(r"""(?i)(?:password|pwd)\s?=\s?([^;"'\s]+)""")

_LABEL = r"(?:[A-Z0-9]{1,12} ){0,4}PRIVATE KEY(?: BLOCK)?"
_BEGIN, _END = rf"-{{4,5}} ?BEGIN {_LABEL} ?-{{4,5}}", rf"-{{4,5}} ?END {_LABEL} ?-{{4,5}}"
_GAP = r"""(?:\s|\\[nrt]|["'+,|>\\])"""
_BASE64 = "[A-Za-z0-9+/=]"
_PRIVATE_KEY = (
    rf"{_BEGIN}(?:{_GAP}*(?:[A-Za-z-]{{2,20}}: [^\n\\]{{1,100}}{_GAP}+){{0,5}}{_BASE64}{{16,}}(?:{_GAP}+{_BASE64}{{24,}})*"
    rf"(?:(?:{_GAP}*{_BASE64}{{0,23}}){{0,3}}{_GAP}*{_END}|{_GAP}+{_BASE64}{{1,23}}\z)?|[^-]{{1,200}}{_END})"
)
"""A block with what is in it; one that breaks off ends with its last whole line. A bare heading is none."""

_SCHEMES = (
    r"(?:postgres(?:ql)?|mysql|mariadb|mongodb|rediss?|valkeys?|amqps?|mssql|sqlserver|oracle|clickhouse|cockroachdb|cassandra|"
    r"couchdb|neo4j|bolt|nats|kafka|memcached|elasticsearch|influxdb|snowflake|redshift|ldaps?|smtps?|imaps?|s?ftps?|ssh|https?)"
)
_URL = rf"""(?i)\b{_SCHEMES}(?:\+[a-z0-9]{{1,20}})?://[^\s:@/"'<>`]{{0,100}}:[^\s/"'`]{{1,200}}@[^\s"'<>`),]{{1,255}}"""

_PAIR_NAMES = (
    r"(?:server|data source|host|hostname|addr|address|user id|uid|user|username|database|initial catalog|dbname|port|driver)"
)
_PAIR = r"""(?:[\w ]{1,30}=\s?[^;"'\n=]{0,100}(?:;\s?|\s))"""
_PHRASE = r"""(?:password|pwd)\s?=\s?[^;"'\s]{1,200}"""
_PAIRS = rf"""(?i)\b{_PAIR_NAMES}\s?=\s?[^;"'\n=]{{1,100}}(?:;\s?|\s){_PAIR}{{0,6}}{_PHRASE}"""
_PAIRS_TURNED = rf"""(?i)\b{_PHRASE};\s?{_PAIR}{{0,6}}{_PAIR_NAMES}\s?=\s?[^;"'\s]{{1,100}}"""

_KEY = (
    r"(?i)(?:api[_ -]?key|access[_ -]?key|secret(?:[_ -]?access)?[_ -]?key|account[_ -]?key|private[_ -]?key|encryption[_ -]?key|"
    r"signing[_ -]?key|master[_ -]?key|session[_ -]?key|license[_ -]?key|secret|token|passwords?|passwd|passphrase|pass|pwd|"
    r"credentials?|bearer|passwort|kennwort|contraseña|mot de passe|пароль|senha|密码)"
    r"(?:[_-]?(?:\d{1,3}|prod|production|dev|test|live|staging|value|base64|hex|default|primary|secondary|old|new))?"
)
_EQUALS = r"""\\?["'`\]]{0,2}[ \t]{0,8}(?::=|=>|={1,2}|:|：)[ \t]{0,8}"""
_QUOTED = rf"""{_KEY}{_EQUALS}(?:\\?["'`])([^\s"'`\\]{{6,300}})(?:\\?["'`])"""
_UNQUOTED = rf"""{_KEY}{_EQUALS}([^\s"'`,;(){{}}\[\]<>\\]{{6,300}})"""
_SPOKEN = rf"""{_KEY}\s{{1,3}}(?:is|was|=|ist|est|es)\s{{0,2}}:?\s{{1,3}}["'`“]?([^\s"'`“”,;(){{}}\[\]<>]{{6,128}})"""
_BEARER = r"(?i)\bbearer\s{1,3}([A-Za-z0-9._~+/=-]{20,600})"
_BASIC = r"""(?i)\bauthorization["']?\s{0,3}[:=]\s{0,3}["']?basic\s{1,3}([A-Za-z0-9+/_-]{8,300}={0,2})"""
_AWS_VALUE = (
    r"""(?i)(?:aws|secret)[\w .-]{0,30}(?:key|secret)["'\]]{0,2}\s{0,5}(?:=>|:=|=|:|is)\s{0,5}["']?([A-Za-z0-9/+]{40})"""
    r"""(?:[^A-Za-z0-9/+=]|$)"""
)

_PATTERNS = (
    *(
        Pattern(expression, category, group=group, views=_VIEWS, accept=_whole(_is_token) if must_vary else None)
        for category, expression, group, must_vary in VENDORS
    ),
    Pattern(_AWS_VALUE, "secret/aws-key", group=1, views=_VIEWS, accept=_whole(_is_aws_secret)),
    Pattern(r"\bey[A-Za-z0-9_-]{10,600}\.[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]*", "secret/jwt", views=_VIEWS, accept=_whole(_is_jwt)),
    Pattern(_PRIVATE_KEY, "secret/private-key", views=_VIEWS),
    Pattern(_URL, "secret/connection-string", views=_VIEWS, accept=_whole(_has_password_in_url)),
    Pattern(_PAIRS, "secret/connection-string", views=_VIEWS, accept=_whole(_has_password_in_pairs)),
    Pattern(_PAIRS_TURNED, "secret/connection-string", views=_VIEWS, accept=_whole(_has_password_in_pairs)),
    Pattern(_QUOTED, "secret/high-entropy", 0.9, group=1, views=_VIEWS, accept=_value(is_secret)),
    Pattern(_UNQUOTED, "secret/high-entropy", 0.8, group=1, views=_VIEWS, accept=_value(is_secret)),
    Pattern(_SPOKEN, "secret/high-entropy", 0.7, group=1, views=_VIEWS, accept=_value(is_spoken_secret)),
    Pattern(_BEARER, "secret/high-entropy", 0.8, group=1, views=_VIEWS, accept=_value(_is_token)),
    Pattern(_BASIC, "secret/high-entropy", 0.9, group=1, views=_VIEWS, accept=_whole(_is_basic)),
)

_OF_A_VENDOR = re2.compile(
    "|".join([*(f"(?:{expression})" for _, expression, _, _ in VENDORS), r"ey[\w-]{10,}\.[\w-]+\.", r"\w+://"])
)
