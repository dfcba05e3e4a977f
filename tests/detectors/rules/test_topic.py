"""Topics told by words."""

from __future__ import annotations

from typing import Any

import pytest

from guard.detectors.rules.topic import categories_of, check, make
from guard.values import Finding, Item, PatternReach, WholeReach

GAMBLING = {"name": "gambling", "words": ["casino", "poker"], "phrases": ["place a bet"], "patterns": [r"(?i)\bblack ?jack\b"]}
COOKING = {"name": "cooking", "words": ["recipe", "bake", "oven", "烤"]}


def found(options: dict[str, Any], text: str) -> list[Finding]:
    return make("own", options).detect([Item(text)])[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the C4SIN0 opens", "C4SIN0"),
        ("p o k e r night", "p o k e r"),
        ("place  a\nbet", "place  a\nbet"),
        ("Blackjack!", "Blackjack"),
    ],
)
def test_a_denied_topic_is_found_however_its_words_are_spelled(text: str, expected: str) -> None:
    [finding] = found({"denied": [GAMBLING]}, text)
    assert finding.span is not None
    assert (finding.category, text[slice(*finding.span)]) == ("topic/gambling", expected)


def test_other_topics_are_not_found() -> None:
    assert found({"denied": [GAMBLING]}, "pokerfaced casinos of the mind") == []


@pytest.mark.parametrize(
    "text",
    [
        "How do I bake bread that has a soft crumb and a crust?",
        "Thanks, that is all!",
        "",
        "怎么烤一只很大的鸡才能让它又香又脆呢",
    ],
)
def test_a_text_that_touches_an_allowed_topic_or_is_short_passes(text: str) -> None:
    assert found({"allowed": [COOKING]}, text) == []


@pytest.mark.parametrize(
    "text", ["What do you think about the result of the last election?", "你觉得上一次选举的结果怎么样，为什么会这样呢"]
)
def test_a_text_that_touches_no_allowed_topic_is_found_as_a_whole(text: str) -> None:
    [finding] = found({"allowed": [COOKING]}, text)
    assert (finding.category, finding.span) == ("topic", None)


def test_denied_topics_follow_a_stream_and_allowed_ones_wait_for_its_end() -> None:
    assert isinstance(make("own", {"denied": [GAMBLING]}).needs.reach, PatternReach)
    both = make("own", {"denied": [GAMBLING], "allowed": [COOKING]})
    assert isinstance(both.needs.reach, WholeReach)
    assert [each.category for each in both.detect([Item("bake it, then place a bet on it, my dear old friend")])[0]] == [
        "topic/gambling"
    ]
    assert set(both.categories) == set(categories_of({"denied": [GAMBLING], "allowed": [COOKING]}))


def test_mistakes_in_topics_are_told_with_their_place() -> None:
    paths = [
        mistake.path
        for mistake in check({"denied": [{"name": "a/b", "words": ["x"]}, {"name": "c"}, {"name": "d", "word": ["y"]}]})
    ]
    assert paths == [("denied", 0, "name"), ("denied", 1), ("denied", 2, "word"), ("denied", 2)]
    [mistake] = check({"allowed": [{"name": "a", "patterns": ["(?=x)"]}]})
    assert mistake.path == ("allowed", 0, "patterns", 0)
    assert check({})
