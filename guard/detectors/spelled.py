"""What the transformer of the embedded classifier reads: the folded view, with pictures spelled out.

Its vocabulary knows no emoji, and in much abuse the emoji is the insult.
"""

from __future__ import annotations

import re
import unicodedata

from guard.text import folded

_PICTURE = re.compile("[\u2190-\u21ff\u2300-\u27bf\u2900-\u2bff\U0001f000-\U0001faff]")
_SKIN = range(0x1F3FB, 0x1F400)


def spelled(text: str) -> str:
    """Return the folded text, with the Unicode name of each emoji in its place; shades of skin are left out."""
    return _PICTURE.sub(_named, folded(text))


def _named(match: re.Match[str]) -> str:
    character = match[0]
    if ord(character) in _SKIN:
        return " "
    return f" {unicodedata.name(character, '').lower()} "
