"""A policy's own patterns and words."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest

from guard.detectors.patterns import categories_of, check, make
from guard.values import Item, Location, Role

SWEARING = {
    "words": ["darn", "kill yourself", "heck", "кот", "дурак", "傻逼", "시발", "c++", "café", "ass"],
    "category": "profanity",
}


def found(options: dict[str, Any], text: str) -> list[str]:
    return [text[slice(*finding.span)] for finding in make("own", options).detect([Item(text)])[0] if finding.span]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Darn it", "Darn"),
        ("DARN", "DARN"),
        ("daaaaarn!", "daaaaarn"),
        ("d a r n you", "d a r n"),
        ("d.a.r.n", "d.a.r.n"),
        ("d@rn", "d@rn"),
        ("d4rn it", "d4rn"),
        ("dаrn", "dаrn"),
        ("dárn", "dárn"),
        ("da\u200brn", "da\u200brn"),
        ("ｄａｒｎ", "ｄａｒｎ"),
        ("snake_darn_case", "darn"),
        ("这个darn人", "darn"),
        ("go kill   yourself now", "kill   yourself"),
        ("kill\n\tyourself", "kill\n\tyourself"),
        ("Ты ДУРАК!", "ДУРАК"),
        ("你傻逼呀", "傻逼"),
        ("야시발놈아", "시발"),
        ("I write c++.", "c++"),
        ("CAFE\u0301", "CAFE\u0301"),
        ("ass", "ass"),
    ],
)
def test_a_word_is_found_however_it_is_spelled(text: str, expected: str) -> None:
    assert found(SWEARING, text) == [expected]


@pytest.mark.parametrize(
    "text", ["darning", "class assess", "as", "котлета", "kill your self", "skill yourself", "heckler", "c+"]
)
def test_a_word_is_not_found_within_another(text: str) -> None:
    assert found(SWEARING, text) == []


def test_words_that_share_a_separator_are_all_found() -> None:
    assert found(SWEARING, "darn heck darn") == ["darn", "heck", "darn"]


def test_a_phrase_that_fails_leaves_its_first_word_to_be_found() -> None:
    assert found({"words": ["kill", "kill yourself"]}, "kill yourselfie") == ["kill"]
    assert found({"words": ["kill", "kill yourself"]}, "kill yourself") == ["kill yourself"]


def test_a_word_cut_by_deltas_is_found_and_held() -> None:
    detector = make("own", SWEARING)
    mark, matches, opens = None, [], []
    text = "so daaarn it"
    for end in range(1, len(text) + 1):
        scan = detector.scan(text[:end], 0, mark, final=False, role=Role.ASSISTANT, location=Location())
        mark, opens = scan.mark, [*opens, scan.open]
        matches += scan.matches
    assert [text[slice(*match.finding.span)] for match in matches if match.finding.span] == ["daaarn"]
    assert max(opens[:8]) <= 3


def test_five_thousand_words_cost_little() -> None:
    chance = random.Random(1)
    words = ["".join(chance.choices("etaoinshrdlucmfwypvbgk", k=chance.randint(5, 10))) for _ in range(5000)]
    detector = make("own", {"words": words})
    text = "The quick brown fox jumps over the lazy dog and then goes on. " * 16
    assert [f.span for f in detector.detect([Item(f"{text}{words[0]}! {words[4999]}")])[0]] != []
    started = time.perf_counter()
    for _ in range(100):
        detector.detect([Item(text)])
    assert time.perf_counter() - started < 1


def test_words_come_from_a_file_whose_content_makes_the_version(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("# mild\nDarn\n\nheck\n", encoding="utf-8")
    options = {"words_file": str(path), "category": "profanity", "score": 0.7}
    assert check(options) == []
    detector = make("own", options)
    assert [(f.category, f.score) for f in detector.detect([Item("heck, darn # mild")])[0]] == [("profanity", 0.7)] * 2
    path.write_text("darn", encoding="utf-8")
    assert make("own", options).version != detector.version


def test_patterns_have_categories_scores_groups_and_views() -> None:
    entry = {"pattern": "ticket-([0-9]+)", "category": "custom/ticket", "score": 0.4, "group": 1, "views": ["raw"]}
    detector = make("own", {"patterns": [entry, {"pattern": "PRJ"}]})
    findings = detector.detect([Item("ticket-12 PRJ ＰＲＪ")])[0]
    assert [(f.category, f.score, f.span) for f in findings] == [
        ("custom/ticket", 0.4, (7, 9)),
        ("custom", 1.0, (10, 13)),
        ("custom", 1.0, (14, 17)),
    ]
    assert detector.categories == categories_of({"patterns": [entry, {"pattern": "PRJ"}]}) == ("custom/ticket", "custom")


@pytest.mark.parametrize(
    ("options", "path", "said"),
    [
        ({}, (), "none of them"),
        ({"words": ["ok", ""]}, ("words", 1), "''"),
        ({"words": [3]}, ("words", 0), "3"),
        ({"words_file": "/no/such/file"}, ("words_file",), "No such file"),
        ({"patterns": ["a"]}, ("patterns", 0), "'a'"),
        ({"patterns": [{"patern": "a"}]}, ("patterns", 0, "patern"), "did you mean `pattern`?"),
        ({"patterns": [{"category": "custom"}]}, ("patterns", 0, "pattern"), "none"),
        ({"patterns": [{"pattern": "a", "score": 2}]}, ("patterns", 0, "score"), "2"),
        ({"patterns": [{"pattern": "a", "views": ["rw"]}]}, ("patterns", 0, "views"), "rw"),
        ({"patterns": [{"pattern": "a", "group": 1}]}, ("patterns", 0, "pattern"), "no group 1"),
        ({"patterns": [{"pattern": "a("}]}, ("patterns", 0, "pattern"), "missing )"),
        ({"patterns": [{"pattern": "a*"}]}, ("patterns", 0, "pattern"), "match nothing"),
        ({"patterns": [{"pattern": "(?=a)b"}]}, ("patterns", 0, "pattern"), "look-ahead"),
        ({"patterns": [{"pattern": "(?<!a)b"}]}, ("patterns", 0, "pattern"), "look-behind"),
        ({"patterns": [{"pattern": r"(a)\1"}]}, ("patterns", 0, "pattern"), "backreferences"),
        ({"patterns": [{"pattern": r"a\Z"}]}, ("patterns", 0, "pattern"), r"\z"),
    ],
)
def test_a_mistake_says_where_and_what(options: dict[str, Any], path: tuple[str | int, ...], said: str) -> None:
    [mistake] = [mistake for mistake in check(options) if mistake.path == path]
    assert said in f"{mistake.got} {mistake.hint}"


def test_good_options_have_no_mistakes() -> None:
    assert check({"patterns": [{"pattern": "(?i)a+", "category": "custom/a", "score": 1}], **SWEARING}) == []
