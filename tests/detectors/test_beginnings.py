"""The pattern of beginnings, against an enumeration of the language it is derived from."""

from __future__ import annotations

import itertools
import random
import re

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.detectors.beginnings import beginnings, can_be_empty, stoppable

ALPHABET = "ab-"
LONGEST = 5
TEXTS = ["".join(letters) for length in range(LONGEST + 1) for letters in itertools.product(ALPHABET, repeat=length)]

ATOMS = st.sampled_from(["a", "b", "-", ".", "[ab]", "[^a]", r"\w", r"\Qa-\E", r"\x61", "[[:alpha:]]", r"\pL", "(?i)A", "(?i:B)"])


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    quantifiers = st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "{0,2}", "{1,}", "*?", "+?", "??", "{1,2}?"])
    groups = st.sampled_from(["(?:", "(", "(?s:"])
    return st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
        st.tuples(groups, inner, quantifiers).map(lambda parts: f"{parts[0]}{parts[1]}){parts[2]}"),
    )


PATTERNS = st.recursive(ATOMS, _compound, max_leaves=5)
ASSERTING = st.recursive(st.one_of(ATOMS, st.sampled_from([r"\b", r"\B", "^", "$", r"\A", r"\z"])), _compound, max_leaves=5)


@settings(max_examples=60, deadline=None)
@given(PATTERNS)
def test_exactly_the_beginnings_of_the_language_match(pattern: str) -> None:
    whole = re2.compile(pattern)
    words = {text for text in TEXTS if whole.fullmatch(text)}
    prefixes = {word[:end] for word in words for end in range(len(word) + 1)}
    found = {text for text in TEXTS if re2.fullmatch(beginnings(pattern), text)}
    assert prefixes <= found
    for text in (text for text in found - prefixes if len(text) <= 2):
        assert _extends(whole, text), f"{text!r} begins no match of {pattern!r}"


def _extends(whole: object, text: str) -> bool:
    """Return whether some continuation of `text` is a word; the beginnings only say where to look first."""
    under_way = re2.compile(beginnings(whole.pattern))  # type: ignore[attr-defined]
    chance = random.Random(1)
    frontier = [text]
    for _ in range(60):
        if any(whole.fullmatch(candidate) for candidate in frontier):  # type: ignore[attr-defined]
            return True
        longer = (candidate + letter for candidate in frontier for letter in ALPHABET)
        alive = [candidate for candidate in longer if under_way.fullmatch(candidate)]
        frontier = chance.sample(alive, min(len(alive), 60))
    return False


@settings(max_examples=150, deadline=None)
@given(ASSERTING, st.text("ab-", max_size=8), st.text("ab-", max_size=5))
def test_a_match_that_ends_before_the_text_is_the_same_whatever_follows(pattern: str, text: str, more: str) -> None:
    if can_be_empty(pattern):
        return
    found = re2.search(stoppable(pattern), text)
    assert found is not None
    if found.end() < len(text):
        later = re2.search(pattern, text + more)
        assert later is not None
        assert later.span() == found.span()


@settings(max_examples=150, deadline=None)
@given(ASSERTING, st.text("ab-", max_size=10), st.integers(0, 10))
def test_every_beginning_of_a_match_is_under_way_where_the_text_stops(pattern: str, text: str, cut: int) -> None:
    for match in re2.finditer(pattern, text):
        if match.start() <= cut < match.end():
            assert re2.search(beginnings(pattern), text[:cut]).start() <= match.start()


def test_a_lazy_match_is_certain_at_its_end_and_a_greedy_one_is_not() -> None:
    assert re2.search(stoppable("<.*?>"), "<a> b").span() == (0, 3)
    assert re2.search(stoppable("<.*>"), "<a> b").span() == (0, 5)


def test_groups_keep_their_numbers_and_beginnings_can_be_joined() -> None:
    assert re2.search(stoppable("(?P<key>a+)=(b)"), "aa=b.").span(2) == (3, 4)
    joined = "|".join(beginnings("(?P<key>a+)=(b)") for _ in range(2))
    assert re2.search(joined, "x aa=").start() == 2


@pytest.mark.parametrize("pattern", ["a*", r"\b", "^$", "(?:a|b?)", r"\Q\E"])
def test_a_pattern_that_can_match_nothing_is_seen(pattern: str) -> None:
    assert can_be_empty(pattern)


@pytest.mark.parametrize("pattern", [r"\ba", "a+", "^a", r"\Q*\E", "[]]", "a{,2}"])
def test_a_pattern_that_consumes_is_not_called_empty(pattern: str) -> None:
    assert not can_be_empty(pattern)


def test_single_bytes_have_no_beginnings() -> None:
    with pytest.raises(ValueError, match=re.escape(r"\C")):
        beginnings(r"a\C")
