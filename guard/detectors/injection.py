"""Attacks on a model's instructions: override, extraction of the system prompt, role-play jailbreaks, planted orders.

Scores are graded so that a policy's threshold can choose: 0.9 and more is unambiguous, 0.5 to 0.85 suggestive, below that a hint
that ordinary texts give too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from guard.detectors.attacks import languages, override, personas, planted
from guard.detectors.scanning import PatternScanner

VERSION = "1"
_LONGEST = 1 << 15
"""Code points of one match: a sentence that goes on for longer is none."""

PATTERNS = (
    *override.PATTERNS,
    *override.EXTRACTION,
    *languages.PATTERNS,
    *personas.PATTERNS,
    *planted.PATTERNS,
)


def make(name: str, options: Mapping[str, Any]) -> PatternScanner:
    """Return the detector; it takes no options."""
    del options
    return PatternScanner(name, PATTERNS, VERSION, longest=_LONGEST)
