"""Texts that go beyond the limits of their views."""

from __future__ import annotations

import pytest

from guard.detectors.obfuscation import make
from guard.values import Item, Location, Role

DETECTOR = make("own", {})


@pytest.mark.parametrize("text", ["plain text", "cafe\u0301", "é" * 100, "नमस्ते दुनिया", "👩‍👩‍👧‍👦 and ❤️", "QUJD and some more"])
def test_ordinary_text_hides_nothing(text: str) -> None:
    assert DETECTOR.detect([Item(text)]) == [[]]


def test_stacked_marks_are_found_where_they_stand() -> None:
    text = "so e" + "\u0301" * 60 + " it goes"
    [[finding]] = DETECTOR.detect([Item(text)])
    assert (finding.category, finding.span) == ("obfuscation", (3, 64))


def test_an_encoded_run_without_end_is_found_in_a_stream_before_it_ends() -> None:
    mark, keep, known = None, 0, []
    text = "see " + "aGVsbG8gd29ybGQg" * 2000
    for end in range(64, len(text), 64):
        scan = DETECTOR.scan(text[keep:end], keep, mark, final=False, role=Role.USER, location=Location())
        mark, keep = scan.mark, scan.keep
        known += [match.known for match in scan.matches]
        assert end - scan.open <= 2 * 4096
    assert known
    assert known[0] < 10_000


def test_what_lies_in_the_context_is_not_reported() -> None:
    text = "so e" + "\u0301" * 60 + " it goes"
    assert DETECTOR.detect([Item(text, judged_from=64)]) == [[]]
