"""The numbers of a text, however they are written: `1,200.50`, `1.2 million`, `twenty-five`, `4 pm`, `16:00`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Number(NamedTuple):
    """A number as a text has it.

    Attributes:
        values: What it may mean; several where its spelling leaves that open.
        rough: Whether the text says that it is only about right.
    """

    values: frozenset[float]
    rough: bool


_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen"
    " nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ORDINALS = "third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
SPELLED = {
    **{word: value for value, word in enumerate(_UNITS.split())},
    **{word: value * 10 for value, word in enumerate(_TENS.split(), 2)},
    **{word: value for value, word in enumerate(_ORDINALS.split(), 3)},
    "twice": 2,
    "dozen": 12,
    "hundred": 100,
    "thousand": 1000,
}
"""What words for numbers mean."""
_SCALES = {
    "hundred": 1e2,
    "thousand": 1e3,
    "k": 1e3,
    "million": 1e6,
    "mn": 1e6,
    "m": 1e6,
    "billion": 1e9,
    "bn": 1e9,
    "trillion": 1e12,
}
_ROUGHLY = (
    r"(?:about|around|roughly|approximately|approx\.?|nearly|almost|over|some|circa|ca\.?|under|up to|at least|more than"
    r"|less than|fewer than|close to|just|~|≈)\s*[€$£]?\s*"
)
_TENS_WORD = "|".join(_TENS.split())
_UNIT_WORD = "|".join(_UNITS.split()[1:10])
_NUMBER = re.compile(
    rf"(?P<rough>\b{_ROUGHLY}|[~≈]\s*[€$£]?)?"
    rf"(?:(?P<digits>\d{{1,3}}(?:[.,' ]\d{{3}})+(?!\d)(?:[.,]\d+)?|\d+(?:[.,]\d+)?)(?P<minutes>:\d\d)?(?:st|nd|rd|th|s)?\b"
    r"(?:[\s-]?(?P<scale>hundred|thousand|million|mn|billion|bn|trillion|k|m)\b)?(?:\s?(?P<half>[ap])\.?m\b)?"
    rf"|\b(?P<tens>{_TENS_WORD})[-\s](?P<unit>{_UNIT_WORD})\b|\b(?P<word>{'|'.join(SPELLED)})\b(?:[\s-](?P<times>hundred|thousand|million|billion)\b)?"
    r"|(?P<joined>\d+)(?=[^\W\d_]))",
    re.IGNORECASE,
)
_THOUSANDS = re.compile(r"[.,' ](?=\d{3}(?!\d))")
_UNSPOKEN = frozenset({"one", "zero", "second", "hundred", "thousand"})
"""Words that more often than not are no number that a sentence claims."""
_TOLERANCE = 0.1


def numbers(text: str) -> tuple[Number, ...]:
    """Return the numbers of a text, in order."""
    return tuple(Number(frozenset(_values(match)), bool(match["rough"])) for match in _NUMBER.finditer(text) if _is_said(match))


def values_of(found: Iterable[Number]) -> frozenset[float]:
    """Return everything that some numbers may mean."""
    return frozenset(value for number in found for value in number.values)


def is_known(number: Number, known: frozenset[float]) -> bool:
    """Return whether a number is among known ones; a rough one may be a tenth off."""
    if not number.values.isdisjoint(known):
        return True
    return number.rough and any(abs(value - other) <= _TOLERANCE * abs(other) for value in number.values for other in known)


def _is_said(match: re.Match[str]) -> bool:
    word = match["word"]
    return not word or bool(match["times"]) or word.lower() not in _UNSPOKEN


def _values(match: re.Match[str]) -> Iterator[float]:
    if match["joined"]:
        yield float(match["joined"])
    elif match["tens"]:
        yield float(SPELLED[match["tens"].lower()] + SPELLED[match["unit"].lower()])
    elif match["word"]:
        yield SPELLED[match["word"].lower()] * _SCALES.get((match["times"] or "").lower(), 1.0)
    else:
        yield from _of_digits(match)


def _of_digits(match: re.Match[str]) -> Iterator[float]:
    scale = _SCALES.get((match["scale"] or "").lower(), 1.0)
    for plain in _readings(match["digits"]):
        yield plain * scale
        if match["scale"] in ("m", "M", "k"):  # metres, not millions
            yield plain
        if (match["half"] or "").lower() == "p" and plain < 12:
            yield plain + 12


def _readings(digits: str) -> Iterator[float]:
    """Yield what digits with dots and commas mean: `1.234` is read both ways."""
    if " " in digits:  # thousands, or numbers beside each other
        yield from map(float, re.findall(r"\d+", digits))
    grouped = _THOUSANDS.sub("", digits)
    if grouped.count(".") + grouped.count(",") <= 1:
        yield float(grouped.replace(",", "."))
    if digits != grouped and digits.count(".") + digits.count(",") == 1 and " " not in digits and "'" not in digits:
        yield float(digits.replace(",", "."))
