"""Where sentences end, which of them claim something, and which facts they hold."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.detectors.meaning.claims import is_claim
from guard.detectors.meaning.facts import facts, initials, known_name
from guard.detectors.meaning.quantities import is_known, numbers, values_of
from guard.detectors.meaning.sentences import LONGEST, sentences
from guard.detectors.meaning.wording import stem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It rains. It pours!", ["It rains.", "It pours!"]),
        ("Dr. Smith met J. Doe at 3 p.m. on Jan. 5. He left.", ["Dr. Smith met J. Doe at 3 p.m. on Jan. 5.", "He left."]),
        ("It opens at 10 a.m. Shop owners protest.", ["It opens at 10 a.m.", "Shop owners protest."]),
        ("It costs 3.50 euros, e.g. in the U.S. today.", ["It costs 3.50 euros, e.g. in the U.S. today."]),
        ("1. First item\n2. second item\n- third", ["First item", "second item", "third"]),
        ('He said "No!" Then he left.', ['He said "No!"', "Then he left."]),
        ("你好。再见！谢谢", ["你好。", "再见！", "谢谢"]),
        ("**Bold.** Plain.", ["Bold.**", "Plain."]),
        ("He said no. She stayed at No. 10.", ["He said no.", "She stayed at No. 10."]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text, expected):
    assert [sentence.text for sentence in sentences(text)] == expected


@given(st.text(st.sampled_from("aB1.!?\n 。-*\"'"), max_size=80))
def test_sentences_are_stretches_of_the_text_in_order_that_leave_out_no_letter(text):
    found = sentences(text)
    assert all(text[start:end] == said for start, end, said in found)
    assert all(left.end <= right.start for left, right in pairwise(found))
    kept = "".join(sentence.text for sentence in found)
    assert [letter for letter in kept if letter in "aB"] == [letter for letter in text if letter in "aB"]


def test_a_long_sentence_is_cut_and_a_megabyte_is_no_trouble():
    started = time.perf_counter()
    assert all(len(sentence.text) <= LONGEST for sentence in sentences("x" * 1_000_000 + " " + "word " * 1000))
    assert len(sentences("It is. " * 150_000)) == 150_000
    assert time.perf_counter() - started < 30


@pytest.mark.parametrize(
    "text",
    [
        "Does that help?",
        "Hello!",
        "You're welcome.",
        "I'm sorry, I can't help with that.",
        "I don't know.",
        "I do not have that information.",
        "The documents don't say anything about prices.",
        "The provided context does not mention the price.",
        "The price is not specified in the context.",
        "Here are the opening hours:",
        "Let me know if you have any other questions.",
        "If you need more details, feel free to ask.",
        "I hope this helps!",
        "That's a great idea!",
        "---",
        "Yes, of course.",
    ],
)
def test_what_claims_nothing_is_told_apart(text):
    assert not is_claim(text)


@pytest.mark.parametrize(
    "text",
    [
        "The price is 20 euros.",
        "Yes, it can be returned within 30 days of delivery.",
        "No refund is given for gift cards.",
        "It is not covered.",
        "According to the manual, the battery lasts two years.",
        "I can confirm that the parcel was sent on Monday.",
        "Paris",
        "$200.85",
        "If you need to cancel, call the hotline.",
        "Good conductors of heat are copper and silver.",
    ],
)
def test_what_claims_something_is_kept(text):
    assert is_claim(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2,099.00 dollars", "$2099"),
        ("1.2 million", "1,200,000"),
        ("twenty-five", "25"),
        ("4 pm", "16:00"),
        ("3,90 €", "3.90"),
        ("the 12th of May", "twelfth"),
        ("25mg", "25 mg"),
        ("1'000", "1000"),
        ("8 000 000", "eight million"),
        ("the 1990s", "1990"),
        ("more than 18,000", "18,400"),
        ("twice", "two goals"),
    ],
)
def test_a_number_is_known_however_it_is_written(one, other):
    [number] = numbers(one)
    assert is_known(number, values_of(numbers(other)))


@pytest.mark.parametrize(
    ("one", "other"), [("25", "52"), ("about 100", "150"), ("18,000", "18,400"), ("1.5", "15"), ("2004", "4")]
)
def test_another_number_is_not_known(one, other):
    assert not any(is_known(number, values_of(numbers(other))) for number in numbers(one))


def test_a_pronoun_is_no_number():
    assert numbers("one of them, a second later") == ()


@given(st.text(max_size=50))
def test_facts_are_found_in_any_text(text):
    found = facts(text)
    assert found.names <= found.words
    assert all(found.stems)


def test_names_are_capitals_inside_a_sentence():
    assert facts("Yesterday the president met Angela Merkel in Berlin.").names == {"angela", "merkel", "berlin"}
    assert facts("Marie Curie won it.").names == {"marie", "curie"}
    assert facts("The Complete Guide To Growing Roses").names == frozenset()
    assert facts("I said that I would.").names == frozenset()


def test_a_name_is_known_inflected_and_as_initials():
    words = facts("The World Health Organization met in France.").words
    short = initials("The World Health Organization met in France.")
    assert known_name("who", words, short)
    assert known_name("french", frozenset({"frenchman"}), frozenset())
    assert not known_name("german", words, short)


def test_a_negation_denies_what_follows_it_in_its_clause():
    assert facts("Shipping costs are not refunded, but returns are free.").denied == {stem("refunded")}
    assert not facts("It is refunded.").denies


def test_inflections_share_a_stem():
    assert {stem("refunds"), stem("refunded"), stem("refunding")} == {stem("refund")}
    assert stem("deliveries") == stem("delivery")
