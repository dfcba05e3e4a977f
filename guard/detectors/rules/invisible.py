"""The detector `invisible`: characters that carry what nobody sees, or that show a text other than it is.

What scripts and emoji need passes: joiners in words of Persian, Hindi and their like, joiners and variation selectors in emoji,
the tags of a flag, marks of direction and isolates around words of the other direction, a byte order mark.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from guard.detectors.scanning import Pattern, PatternScanner

VERSION = "invisible-1"
CATEGORY = "obfuscation"

_FLAG = r"\x{1F3F4}[\x{E0030}-\x{E0039}\x{E0061}-\x{E007A}]{3,6}\x{E007F}"
_TAGS = rf"{_FLAG}|([\x{{E0000}}-\x{{E007F}}]+)"

_SUPPLEMENT = r"\x{E0100}-\x{E01EF}"
_SELECTORS = rf"\x{{FE00}}-\x{{FE0F}}{_SUPPLEMENT}"
_SELECTED = (
    rf"[{_SELECTORS}]{{3,}}",
    rf"[{_SUPPLEMENT}]{{2,}}",
    rf"(?:[A-Za-z ,.][{_SELECTORS}]{{1,2}}){{2,}}",
)

_ZERO = (
    r"\x{AD}\x{34F}\x{115F}\x{1160}\x{17B4}\x{17B5}\x{180E}\x{200B}-\x{200D}\x{2060}-\x{2065}\x{3164}\x{FEFF}\x{FFA0}"
    r"\x{FFF0}-\x{FFFB}"
)
_DIRECTIONS = r"\x{61C}\x{200E}\x{200F}"
_HIDDEN = (
    rf"[{_ZERO}]{{4,}}",
    rf"[{_ZERO}{_DIRECTIONS}]{{8,}}",
    rf"(?:[A-Za-z][{_ZERO}{_DIRECTIONS}]{{1,3}}){{3,}}[A-Za-z]",
)

_TURNED = (
    (0.9, r"[\x{202D}\x{202E}][^\n\x{202C}]{0,300}\x{202C}?"),
    (0.7, r"[\x{202B}\x{2067}][ -~]{3,300}[\x{202C}\x{2069}]?"),
)
_TERMINAL = (r"\x1b\[(?:\d{1,3};){0,4}8m[^\x1b\n]{0,300}", r"\x08{3,}")


def make(name: str, options: Mapping[str, Any]) -> PatternScanner:
    """Return the scanner; it takes no options."""
    del options
    return PatternScanner(name, PATTERNS, VERSION)


PATTERNS = (
    Pattern(_TAGS, CATEGORY, 0.95, group=1),
    *(Pattern(expression, CATEGORY, 0.9) for expression in (*_SELECTED, *_HIDDEN)),
    *(Pattern(expression, CATEGORY, score) for score, expression in _TURNED),
    *(Pattern(expression, CATEGORY, 0.8) for expression in _TERMINAL),
)
