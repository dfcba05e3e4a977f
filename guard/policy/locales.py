"""Texts by locale: which of them a client gets. Matching is the look-up of RFC 4647, section 3.4: `de-AT`, then `de`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

Localised = tuple[tuple[str, str], ...]
"""Pairs of a locale, such as `de` or `en-GB`, and a text."""

DEFAULT = "default"
"""Stands in place of a locale for the text where none fits."""

LOCALE = r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}|default"
"""What a locale looks like."""

_LONGEST_HEADER = 1_000
_RANGE = re.compile(r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|\*)\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?))?\s*")


def chosen(texts: Localised, accepted: str, languages: Sequence[str] = (), otherwise: str = "") -> str:
    """Return the text for a client.

    Args:
        accepted: Its `Accept-Language`; counts before the languages that it was heard to speak.
        languages: Those, the likeliest first.
        otherwise: The text where none fits.
    """
    known = {locale.lower(): text for locale, text in texts}
    for wanted in (*_accepted(accepted), *languages):
        parts = wanted.lower().split("-")
        for length in range(len(parts), 0, -1):
            found = known.get("-".join(parts[:length]))
            if found is not None:
                return found
    return known.get(DEFAULT, otherwise)


def default_of(texts: Localised) -> str:
    """Return the text for those whom no locale fits: `default`, else English, else the first."""
    known = dict(texts)
    return known.get(DEFAULT) or known.get("en") or (texts[0][1] if texts else "")


@lru_cache(maxsize=256)
def _accepted(header: str) -> tuple[str, ...]:
    """Return the languages of an `Accept-Language` (RFC 9110, section 12.5.4) that can be read, the most wanted first."""
    ranges = []
    for index, part in enumerate(header[:_LONGEST_HEADER].split(",")):
        match = _RANGE.fullmatch(part)
        weight = float(match[2] or 1) if match else 0.0
        if match and weight > 0 and match[1] != "*":
            ranges.append((-weight, index, match[1]))
    return tuple(name for _, _, name in sorted(ranges))
