"""Check what a detector answered, so that no rule has to read what it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import SupportsIndex

from guard.errors import DetectorError
from guard.values import Detector, Finding, Item


def checked(detector: Detector, items: Sequence[Item], answers: list[list[Finding]]) -> list[list[Finding]]:
    """Return `answers`.

    Raises:
        DetectorError: Where they are not one list for each item, or a finding has another detector's name, a score outside [0, 1]
            or a span outside its text or between its characters.
    """
    if len(answers) != len(items):
        raise DetectorError(detector.name, f"expected answers on {len(items)} items, got {len(answers)}")
    for item, findings in zip(items, answers, strict=True):
        for finding in findings:
            start, end = finding.span or (0, 0)
            whole = isinstance(start, SupportsIndex) and isinstance(end, SupportsIndex)
            within = whole and 0 <= start <= end <= len(item.text)
            if not within or finding.detector != detector.name or not 0.0 <= finding.score <= 1.0:
                raise DetectorError(detector.name, "it gave a finding that no rule can read")
    return answers
