"""Whether a value looks like a secret: random enough, and no placeholder, reference or name."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from math import log2

_LEAST_BITS = 18.0
"""Entropy of a whole value, in bits, from which a short one counts: seven characters that all differ have 19.6."""

_LEAST_PER_CHARACTER = {"hex": 2.8, "other": 3.2}
"""Entropy in bits a character from which a long value counts. Random hexadecimal digits reach 4."""

_LONG = 20
_LONG_WITHOUT_DIGITS = 32

_PLACEHOLDER = re.compile(
    r"""(?ix)
      ^(?:your|my|the|some|any|an?|insert|enter|put|replace|change|add|set|paste|fill)[-_ .]?(?:[a-z]+[-_ .]?)*(?:\d{0,4})$
    | example | placeholder | change_?-?me | replace_?-?me | redacted | dummy | fake_ | \bsample\b | \.\.\. | …
    | (?:x{4}|\*{3}|•{3}|\#{4}|0{6}|\.{3}|_{4}|-{4})
    | ^(?:none|null|nil|undefined|true|false|todo|tbd|n/a|string|str|empty|default|secret|password|token)\d{0,4}$
    """
)
_REFERENCE = re.compile(
    r"""(?ix)
      \$\{ | \$\( | \{\{ | %\( | %s | <[^>]*>? | ^\$\w | ^\{ | ^@ | ^%\w+%$ | ^!(?:ref|sub|secret|env)
    | \b(?:process\.env|os\.environ|getenv|env\[|env\.|secrets\.|config\.|vars\.|vault:|ssm:|arn:aws:|file:|keyring)
    """
)
_NAME = re.compile(r"[A-Za-z]+(?:[-_./: ]+[A-Za-z]+)*[-_./:]*")
_NAMED_AFTER_KEY = re.compile(r"(?i)[a-z_.-]*(?:pass|token|secret|key|pwd|auth|cred)[a-z_.-]*\d{0,4}")
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:(?:\.|::|->)[A-Za-z_]\w*)+")
_NUMBER = re.compile(r"[\d\s.,:/+%-]+[a-zA-Z]{0,3}")
_UUID = re.compile(r"(?i)\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}?")
_DIGEST = re.compile(r"(?i)(?:sha\d+|md5|blake2b?)[-:=$]")
_PLACE = re.compile(
    r"(?i)[a-z][a-z0-9+.-]*://[^\s:@]*|(?:~|\.{1,2})?/?(?:[\w.-]+/)+[\w.-]*\.\w{1,6}|(?:~|\.{1,2})?(?:/[a-z_.-]+\d?)+/?"
)
_HEX = re.compile(r"(?i)(?:0x)?[0-9a-f]+")


def entropy(text: str) -> float:
    """Return the Shannon entropy of the characters of `text`, in bits a character."""
    counts = Counter(text).values()
    return -sum(count / len(text) * log2(count / len(text)) for count in counts)


def is_placeholder(value: str) -> bool:
    """Return whether `value` stands for a secret without being one: a placeholder, a template or a reference."""
    return bool(len(set(value)) <= 3 or _PLACEHOLDER.search(value) or _REFERENCE.search(value))


def is_template(value: str) -> bool:
    """Return whether `value` is filled in elsewhere, or blotted out; unlike `is_placeholder`, a weak password is none."""
    return bool(_REFERENCE.search(value) or re.fullmatch(r"[*•xX#._-]+|[A-Z]+(?:_[A-Z]+)*|(?i:your)\w*", value))


def is_secret(value: str) -> bool:
    """Return whether `value`, which is assigned to something like a password or key, is one.

    Short values need letters and digits or signs, and enough entropy in all; long ones enough of it in each character.
    """
    if is_placeholder(value) or _is_something_else(value):
        return False
    bits = entropy(value)
    has_digit = any(map(str.isdigit, value))
    if len(value) >= _LONG:
        kind = "hex" if _HEX.fullmatch(value) else "other"
        mixed = value != value.lower() and value != value.upper()
        return bits >= _LEAST_PER_CHARACTER[kind] and (has_digit or (mixed and len(value) >= _LONG_WITHOUT_DIGITS))
    has_sign = any(not char.isalnum() and char not in "-_./:" for char in value)
    has_letter = any(map(str.isalpha, value))
    return has_letter and (has_digit or has_sign) and bits * len(value) >= _LEAST_BITS and not _is_run(value)


def is_spoken_secret(value: str) -> bool:
    """Return whether `value` is a secret that somebody tells in a sentence: stricter, for words follow "is" too."""
    return any(map(str.isdigit, value)) and not re.fullmatch(r"\w+(?:-\w+)+", value) and is_secret(value)


def _is_something_else(value: str) -> bool:
    if _NUMBER.fullmatch(value) or _UUID.fullmatch(value) or _DIGEST.match(value) or _PLACE.fullmatch(value):
        return True
    if _DOTTED.fullmatch(value) and entropy(value) < 4.2:
        return True
    if _NAME.fullmatch(value):
        return len(value) < _LONG_WITHOUT_DIGITS or entropy(value) < 4.2 or not _changes_case_at_random(value)
    return _NAMED_AFTER_KEY.fullmatch(value) is not None


def _changes_case_at_random(value: str) -> bool:
    """Return whether capitals stand where no name has them: on average every fourth letter or more is one."""
    capitals = sum(map(str.isupper, value))
    return 0.25 <= capitals / len(value) <= 0.75


def _is_run(value: str) -> bool:
    """Return whether most characters follow each other in order, as in "abcd1234"."""
    steps = sum(ord(after) - ord(before) == 1 for before, after in pairwise(value))
    return steps >= 0.7 * (len(value) - 1)
