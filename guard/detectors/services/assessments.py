"""What a guardrail of Amazon Bedrock answers (`GuardrailAssessment` of its runtime's API), as findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from guard.detectors.classifiers.labels import named
from guard.detectors.services.answers import Score
from guard.detectors.services.matches import occurrences
from guard.detectors.services.service import Found
from guard.errors import DetectorError
from guard.values import Role

CONFIDENCE: Mapping[str, float] = {"NONE": 0.0, "LOW": 0.35, "MEDIUM": 0.7, "HIGH": 1.0}
"""The score of a content filter's confidence."""

FILTERS: Mapping[str, str] = {
    "INSULTS": "harassment",
    "HATE": "hate",
    "SEXUAL": "sexual",
    "VIOLENCE": "violence",
    "MISCONDUCT": "illicit",
    "PROMPT_ATTACK": "jailbreak",
}
"""What the content filters are called here; a prompt attack in what a tool brought is an `injection`."""

ENTITIES: Mapping[str, str] = {
    "ADDRESS": "pii/location",
    "AWS_ACCESS_KEY": "secret/aws-key",
    "AWS_SECRET_KEY": "secret/aws-key",
    "CREDIT_DEBIT_CARD_NUMBER": "pii/credit-card",
    "DRIVER_ID": "pii/driver-licence",
    "EMAIL": "pii/email",
    "INTERNATIONAL_BANK_ACCOUNT_NUMBER": "pii/iban",
    "IP_ADDRESS": "pii/ip-address",
    "MAC_ADDRESS": "pii/mac-address",
    "NAME": "pii/person",
    "PASSWORD": "secret",
    "PHONE": "pii/phone",
    "US_PASSPORT_NUMBER": "pii/passport",
    "US_SOCIAL_SECURITY_NUMBER": "pii/us-ssn",
}
"""What the kinds of personal data are called here; the others are `pii`."""

CATEGORIES = (
    *FILTERS.values(),
    "injection",
    "topic",
    "custom",
    "profanity",
    "pii",
    *dict.fromkeys(ENTITIES.values()),
    "ungrounded",
)
"""What can be found where the policy gives no names of its own."""

Lie = Callable[[str, str, str], DetectorError]
"""Field, expected, got → the error to raise."""


class _Verdict(msgspec.Struct):
    action: str
    detected: bool | None = None

    @property
    def found(self) -> bool:
        """Whether it found something, be it only to tell; answers that leave `detected` out list only what made them act."""
        return self.action != "NONE" if self.detected is None else self.detected


class _Topic(_Verdict, kw_only=True):
    name: str


class _Filter(_Verdict, kw_only=True):
    type: str
    confidence: str


class _Word(_Verdict, kw_only=True):
    match: str


class _Entity(_Verdict, kw_only=True):
    type: str
    match: str = ""


class _Regex(_Verdict, kw_only=True):
    name: str = ""
    match: str = ""


class _Grounding(_Verdict, kw_only=True):
    score: Score


class _Topics(msgspec.Struct):
    topics: list[_Topic]


class _Filters(msgspec.Struct):
    filters: list[_Filter]


class _Words(msgspec.Struct, rename="camel"):
    custom_words: list[_Word]
    managed_word_lists: list[_Word]


class _Sensitive(msgspec.Struct, rename="camel"):
    pii_entities: list[_Entity]
    regexes: list[_Regex]


class _Groundings(msgspec.Struct):
    filters: list[_Grounding] = []


class Assessment(msgspec.Struct, rename="camel"):
    """What each policy of a guardrail found; None where it has no such policy."""

    topic_policy: _Topics | None = None
    content_policy: _Filters | None = None
    word_policy: _Words | None = None
    sensitive_information_policy: _Sensitive | None = None
    contextual_grounding_policy: _Groundings | None = None


class Answer(msgspec.Struct):
    """What ApplyGuardrail answers.

    Attributes:
        action: `NONE` or `GUARDRAIL_INTERVENED`.
    """

    action: str
    assessments: list[Assessment]


class Row(NamedTuple):
    """One thing that a guardrail found.

    Attributes:
        name: The service's word for it: a topic's or a regular expression's name, or a kind.
        category: What that is called here where the policy does not say.
        match: The text that matched; empty for the whole.
    """

    name: str
    category: str
    score: float
    match: str = ""

    def found(self, text: str, labels: Mapping[str, Any]) -> Iterator[Found]:
        """Yield it as findings in `text`, under the names that the policy gives."""
        for category in named(labels[self.name]) if self.name in labels else (self.category,):
            for span in occurrences(text, self.match) if self.match else (None,):
                yield Found(category, self.score, span)


def rows(assessment: Assessment, role: Role, lie: Lie) -> list[Row]:
    """Return what an assessment of words of `role` says.

    Raises:
        DetectorError: Where it has a word that the service's format does not.
    """
    words = (*_words(assessment), *_sensitive(assessment))
    return [*_topics(assessment), *_filters(assessment, role, lie), *words, *_ungrounded(assessment)]


def _topics(assessment: Assessment) -> Iterator[Row]:
    policy = assessment.topic_policy
    yield from (Row(one.name, "topic", 1.0) for one in policy.topics if one.found) if policy else ()


def _filters(assessment: Assessment, role: Role, lie: Lie) -> Iterator[Row]:
    policy = assessment.content_policy
    for one in policy.filters if policy else ():
        if one.confidence not in CONFIDENCE:
            raise lie("contentPolicy.filters.confidence", f"one of {', '.join(CONFIDENCE)}", "another word")
        if one.type not in FILTERS:
            raise lie("contentPolicy.filters.type", f"one of {', '.join(FILTERS)}", "another word")
        planted = one.type == "PROMPT_ATTACK" and role is Role.TOOL_RESULT
        yield Row(one.type, "injection" if planted else FILTERS[one.type], CONFIDENCE[one.confidence])


def _words(assessment: Assessment) -> Iterator[Row]:
    policy = assessment.word_policy
    if policy:
        yield from (Row("", "custom", 1.0, one.match) for one in policy.custom_words if one.found)
        yield from (Row("PROFANITY", "profanity", 1.0, one.match) for one in policy.managed_word_lists if one.found)


def _sensitive(assessment: Assessment) -> Iterator[Row]:
    policy = assessment.sensitive_information_policy
    if policy:
        yield from (Row(one.type, ENTITIES.get(one.type, "pii"), 1.0, one.match) for one in policy.pii_entities if one.found)
        yield from (Row(one.name, "custom", 1.0, one.match) for one in policy.regexes if one.found)


def _ungrounded(assessment: Assessment) -> Iterator[Row]:
    policy = assessment.contextual_grounding_policy
    yield from (Row("", "ungrounded", 1 - one.score) for one in policy.filters if one.found) if policy else ()
