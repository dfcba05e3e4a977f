"""The scanner, against brute force over every way of cutting a text."""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.detectors.scanning import Pattern, PatternScanner, check
from guard.values import Item, Location, Match, Role, Scan, Span

LOCATION = Location("/text", 1)
PATTERNS = (
    Pattern("ab+", "custom/b"),
    Pattern("a.{3}c|cc", "custom/far", 0.5),
    Pattern("(?i)key=([a-c]+)", "custom/key", group=1),
    Pattern(r"\bba\b", "custom/word", views=("raw", "canonical")),
    Pattern("(?s)<.*?>", "custom/tag"),
    Pattern("^c|c$", "custom/edge"),
    Pattern("ab+ ", "custom/all", views=("raw", "canonical", "folded", "decoded")),
    Pattern("^abb?c", "custom/start", views=("folded",)),
    Pattern("[ab]{2,5}", "custom/part", accept=lambda text: [(1, 2)] if text[1] == "b" else []),
)
ENCODED = b64encode(b"an ab in what is encoded ab key=abc").decode()
PIECES = [
    "a",
    "b",
    "c",
    " ",
    "key=",
    "<",
    ">",
    "é",
    "ba",
    "\u200b",
    "aab",
    "\u0301",
    "&#97;",
    "a b c",
    " ab ",
    "ｂ",
    f" {ENCODED} ",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)
REACHES = st.sampled_from([3, 5, 9, 4096])
CHOICES = st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=4, unique=True)


def run(scanner: PatternScanner, pieces: Iterable[str], *, slack: int = 0) -> tuple[list[Match], list[Scan]]:
    """Scan a text in pieces, keeping only what the scanner asks to keep, and `slack` more."""
    text, base, mark = "", 0, None
    matches: list[Match] = []
    scans: list[Scan] = []
    kept = 0
    for piece in (*pieces, None):
        text += piece or ""
        base = max(base, kept - slack)
        scan = scanner.scan(text[base:], base, mark, final=piece is None, role=Role.TOOL_CALL, location=LOCATION)
        mark, kept = scan.mark, scan.keep
        matches += scan.matches
        scans.append(scan)
    return matches, scans


def cut(text: str, places: Sequence[int]) -> list[str]:
    ends = sorted({min(place, len(text)) for place in places} | {len(text)})
    return [text[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]


@settings(max_examples=300, deadline=None)
@given(CHOICES, REACHES, TEXTS, st.lists(st.integers(0, 30), max_size=5), st.integers(0, 2))
def test_every_cut_gives_the_same_matches_and_the_same_hold(
    patterns: list[Pattern], longest: int, text: str, places: list[int], slack: int
) -> None:
    scanner = PatternScanner("own", patterns, "1", longest=longest)
    expected, each = run(scanner, text)
    matches, scans = run(scanner, cut(text, places), slack=slack)
    assert matches == expected
    ends = [*sorted({min(place, len(text)) for place in places} | {len(text)}), len(text)]
    opens = dict(zip(range(1, len(text) + 1), (scan.open for scan in each[:-1]), strict=True))
    assert [scan.open for scan in scans[:-1]] == [opens.get(end, 0) for end in ends[:-1]]
    assert scans[-1].open == len(text)


@settings(max_examples=300, deadline=None)
@given(CHOICES, REACHES, TEXTS)
def test_a_whole_text_and_a_stream_find_the_same(patterns: list[Pattern], longest: int, text: str) -> None:
    scanner = PatternScanner("own", patterns, "1", longest=longest)
    matches, _ = run(scanner, text)
    item = Item(text, role=Role.TOOL_CALL, location=LOCATION)
    assert sorted(map(repr, scanner.detect([item])[0])) == sorted(repr(match.finding) for match in matches)


@settings(max_examples=300, deadline=None)
@given(CHOICES, REACHES, TEXTS, TEXTS)
def test_what_is_said_of_a_text_holds_however_it_goes_on(patterns: list[Pattern], longest: int, text: str, more: str) -> None:
    scanner = PatternScanner("own", patterns, "1", longest=longest)
    now = scanner.scan(text, 0, None, final=False, role=Role.TOOL_CALL, location=LOCATION)
    later, _ = run(scanner, [text + more])
    early = [match for match in later if match.known <= len(text)]
    assert list(now.matches) == [match for match in early if match.known < len(text + more) or match in now.matches]
    assert all(match.finding.span.start >= now.open for match in later if match not in now.matches)
    assert all(match.finding.span.end <= len(text) for match in now.matches)
    assert now.keep <= now.open <= len(text)


@settings(max_examples=200, deadline=None)
@given(CHOICES, REACHES, TEXTS)
def test_a_match_is_known_at_the_shortest_text_that_makes_it_certain(patterns: list[Pattern], longest: int, text: str) -> None:
    scanner = PatternScanner("own", patterns, "1", longest=longest)
    _, scans = run(scanner, text)
    opens = [scan.open for scan in scans]
    assert opens == sorted(opens)
    for length, scan in enumerate(scans[:-1], start=1):
        assert all(match.known == length for match in scan.matches)
    assert all(match.known == len(text) for match in scans[-1].matches)


def spans(scanner: PatternScanner, text: str) -> list[Span | None]:
    return [finding.span for finding in scanner.detect([Item(text)])[0]]


def test_the_hold_is_no_longer_than_a_match_under_way() -> None:
    scanner = PatternScanner("own", [Pattern("secret[0-9]+", "custom")], "1")
    _, scans = run(scanner, "a secre secret1 b")
    assert [scan.open for scan in scans] == [1, *[2] * 6, 8, *[8] * 7, 16, 17, 17]


def test_a_match_under_way_beyond_the_reach_counts_as_a_match() -> None:
    scanner = PatternScanner("own", [Pattern("<[^>]*>", "custom")], "1", longest=10)
    assert spans(scanner, "ab <12345678901234") == [Span(3, 14)]
    assert spans(scanner, "ab <12345678901234>") == [Span(3, 14)]
    assert spans(scanner, "ab <12345678>") == [Span(3, 13)]
    matches, scans = run(scanner, "ab <12345678901234")
    assert [(match.known, match.finding.span) for match in matches] == [(14, Span(3, 14))]
    assert max(length - scan.open for length, scan in enumerate(scans[:-1], start=1)) <= 10


def test_the_same_string_in_two_views_is_reported_once() -> None:
    scanner = PatternScanner("own", [Pattern("ab", "custom", views=("raw", "canonical"))], "1")
    assert spans(scanner, "xx ab.") == [Span(3, 5)]
    matches, _ = run(scanner, "xx ab. ab")
    assert [(match.finding.span, match.known) for match in matches] == [(Span(3, 5), 6), (Span(7, 9), 9)]


def test_findings_in_the_context_are_dropped() -> None:
    scanner = PatternScanner("own", [Pattern("ab", "custom")], "1")
    assert [f.span for f in scanner.detect([Item("ab ab ab", judged_from=4)])[0]] == [Span(3, 5), Span(6, 8)]


def test_offsets_are_code_points_also_with_lone_surrogates() -> None:
    scanner = PatternScanner("own", [Pattern("ab", "custom")], "1")
    assert spans(scanner, "é\ud800😀ab") == [Span(3, 5)]


def test_a_group_narrows_the_finding() -> None:
    scanner = PatternScanner("own", [Pattern("key=([a-c]+)", "custom", group=1)], "1")
    assert spans(scanner, "key=abc;") == [Span(4, 7)]


@pytest.mark.parametrize(
    ("pattern", "group", "message"),
    [
        ("a*", 0, "nothing"),
        ("(", 0, r"missing \)"),
        ("(?=a)", 0, "invalid perl operator"),
        ("(a)", 2, "no group 2"),
        (r"a\C", 0, "bytes"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused_with_the_reason(pattern: str, group: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check(Pattern(pattern, "custom", group=group))


def test_a_scanner_of_a_broken_pattern_or_none_is_refused() -> None:
    with pytest.raises(ValueError, match="missing"):
        PatternScanner("own", [Pattern("a(", "custom")], "1")
    with pytest.raises(ValueError, match="at least one"):
        PatternScanner("own", [], "1")


def test_a_pattern_that_can_match_nothing_ends_all_the_same() -> None:
    scanner = PatternScanner("own", [Pattern("a*", "custom")], "1")
    assert spans(scanner, "baab") == [Span(1, 3)]
    assert [match.finding.span for match in run(scanner, "baab")[0]] == [Span(1, 3)]


def test_a_long_batch_is_judged_in_a_thread_with_the_same_result() -> None:
    scanner = PatternScanner("own", [Pattern("ab", "custom")], "1")
    items = [Item("ab " * 30_000)]
    assert asyncio.run(scanner.detect_async(items)) == scanner.detect(items)


@pytest.mark.parametrize("text", ["x" * 20_000, "<" + "a" * 20_000, "ab " * 7_000, "<a " * 7_000])
def test_a_stream_of_single_characters_keeps_a_bounded_tail(text: str) -> None:
    scanner = PatternScanner("own", [Pattern("<[^>]*>", "custom"), Pattern("ab+", "custom/b")], "1", longest=200)
    started = time.perf_counter()
    _, scans = run(scanner, text)
    assert max(length - scan.keep for length, scan in enumerate(scans[:-1], start=1)) <= 500
    assert time.perf_counter() - started < 10


def test_a_pattern_that_is_catastrophic_elsewhere_is_linear_here() -> None:
    scanner = PatternScanner("own", [Pattern("(a+)+b", "custom")], "1", longest=100_000)
    assert spans(scanner, "a" * 50_000) == []


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("a{1,64}@b", "a" * 3000 + "@b ", Span(2936, 3002)),
        ("-{4,5}x", "-" * 3000 + "x", Span(2995, 3001)),
        ("é{2,9}!", "é" * 2000 + "! é", Span(1991, 2001)),
    ],
)
def test_counted_repetitions_in_a_long_run_hold_only_what_can_match_and_cost_little(
    pattern: str, text: str, expected: Span
) -> None:
    scanner = PatternScanner("own", [Pattern(pattern, "custom"), Pattern("zz", "custom/other")], "1")
    started = time.perf_counter()
    matches, scans = run(scanner, [text[:1500], *text[1500:]])
    assert time.perf_counter() - started < 5
    assert [match.finding.span for match in matches] == spans(scanner, text) == [expected]
    assert scans[1].open >= 1501 - 64
