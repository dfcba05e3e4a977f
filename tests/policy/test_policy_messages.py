"""Messages by locale, with fields that hold words of the policy and never a user's."""

from __future__ import annotations

import pytest
from broken_policies import HEAD, KINDS, RULE

from guard.errors import PolicyError
from guard.policy.applying import active_rules
from guard.policy.decide import decide
from guard.policy.load import loads
from guard.policy.locales import chosen
from guard.policy.model import Policy
from guard.values import Exchange, Finding, Stage

PHONE = Finding("people", "pii/phone", 1.0)
TEXTS = (("en", "no"), ("de", "nein"), ("de-AT", "na"), ("pt-BR", "não"))


def said(loaded: Policy, accept: str = "", languages: tuple[str, ...] = ()) -> str:
    exchange = Exchange("1", headers={"accept-language": accept} if accept else {}, languages=languages)
    return decide(loaded, active_rules(loaded, Stage.INPUT, exchange), [PHONE]).message


@pytest.mark.parametrize(
    ("accept", "languages", "text"),
    [
        ("de", (), "nein"),
        ("de-CH", (), "nein"),
        ("de-at", (), "na"),
        ("fr, de;q=0.5, en;q=0.7", (), "no"),
        ("en;q=0, de", (), "nein"),
        ("fr", ("de",), "nein"),
        ("en", ("de",), "no"),
        ("pt", (), "usual"),
        ("*", (), "usual"),
        ("", (), "usual"),
        ("x" * 5_000, (), "usual"),
        ("de; q=zero,,,;;", (), "usual"),
    ],
)
def test_the_client_says_which_text_it_gets_then_its_words_do(accept: str, languages: tuple[str, ...], text: str) -> None:
    assert chosen(TEXTS, accept, languages, "usual") == text


def test_a_refusal_is_in_the_language_of_whoever_asked() -> None:
    loaded = loads(HEAD + RULE % "message: {en: 'No, because of {rule}.', de: Nein.}", KINDS)
    assert said(loaded, "de-DE,de;q=0.9") == "Nein."
    assert said(loaded, "", ("de",)) == "Nein."
    assert said(loaded) == "No, because of r."


def test_the_policys_own_message_is_localised_for_rules_that_have_none() -> None:
    defaults = "defaults: {message: {en: 'No ({category}).', fr: Non.}}\n"
    loaded = loads(HEAD.replace("rules:", defaults + "rules:") + RULE % "threshold: 0.5", KINDS)
    assert (said(loaded, "fr"), said(loaded)) == ("Non.", "No (pii/phone).")
    assert loaded.message == "No ()."


def test_a_helpline_is_that_of_the_clients_locale() -> None:
    lines = "helplines: {en: call a line, en-GB: '116 123', de: '0800 1110111 {rund um die Uhr}'}\n"
    message = RULE % "message: {en: 'Please: {helpline}', de: 'Bitte: {helpline}'}"
    loaded = loads(HEAD.replace("rules:", lines + "rules:") + message, KINDS)
    assert said(loaded, "en-GB") == "Please: 116 123"
    assert said(loaded, "de-AT") == "Bitte: 0800 1110111 {rund um die Uhr}"
    assert said(loaded, "ja") == "Please: call a line"


def test_one_text_with_helplines_in_several_languages_keeps_the_text() -> None:
    lines = "helplines: {default: a line, de: eine Nummer}\n"
    loaded = loads(HEAD.replace("rules:", lines + "rules:") + RULE % "message: 'Help: {helpline}'", KINDS)
    assert (said(loaded, "de"), said(loaded, "fr")) == ("Help: eine Nummer", "Help: a line")


def test_braces_that_are_no_fields_are_written_twice() -> None:
    assert said(loads(HEAD + RULE % "message: 'a {{b}} of {policy}'", KINDS, "mine")) == "a {b} of mine"


def test_a_message_names_the_policy_the_principle_and_what_was_found() -> None:
    rule = RULE % "principle: kind, message: '{policy} {principle} {category} {rule}'"
    assert said(loads("name: house\n" + HEAD + rule, KINDS)) == "house kind pii/phone r"


@pytest.mark.parametrize(
    ("message", "column", "expected", "hint"),
    [
        ("'see {categry}'", 80, "a field that messages have", "`category`"),
        ("'see {user}'", 80, "a field that messages have", ""),
        ("'see {0}'", 80, "a field that messages have", ""),
        ("'see {category.__class__}'", 80, "a field that messages have", "`category`"),
        ("'see {'", 80, "a field that messages have", "written twice"),
        ("'call {helpline}'", 75, "`helplines` in the policy", "where to find help"),
        ("{en: ok, german: x}", 85, "a locale", ""),
        ("{en: 'see {x}'}", 85, "a field that messages have", ""),
        ("{}", 75, "at least one locale", ""),
        ("[a]", 75, "a text of at most 2,000 characters, or a mapping", ""),
    ],
)
def test_a_field_that_no_message_has_is_pointed_at(message: str, column: int, expected: str, hint: str) -> None:
    with pytest.raises(PolicyError) as caught:
        loads(HEAD + RULE % f"message: {message}", KINDS)
    [problem] = caught.value.problems
    assert expected in problem.expected
    assert hint in problem.hint
    assert problem.line == 9
    assert abs(problem.column - column) <= 8


def test_an_unknown_field_in_a_default_message_is_pointed_at() -> None:
    with pytest.raises(PolicyError) as caught:
        loads("version: 1\ndefaults:\n  message: 'see {usr}'", KINDS)
    assert [(problem.line, problem.column) for problem in caught.value.problems] == [(3, 17)]
