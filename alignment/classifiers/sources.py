"""What each source of training text means: which of its unknown labels may be filled in, and how much it counts.

Labels are partial. A label is filled in only where the definition of another implies it, or where a category is so rare in the
kind of text that taking it as absent is right in all but a handful of rows; everything else stays unknown and is masked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from guard.detectors.embedded_stages import CATEGORIES

_INSTRUCTIONS = ("injection", "jailbreak", "harmful-request")
_RARE = (*_INSTRUCTIONS, "illicit", "illicit/violent", "self-harm/instructions", "self-harm/intent", "sexual/minors")
_POST = (*_RARE, "self-harm", "violence/graphic")

_ABSENT_TOO = {
    "hate": ("hate/threatening",),
    "harassment": ("harassment/threatening",),
    "illicit": ("illicit/violent",),
    "self-harm": ("self-harm/intent", "self-harm/instructions"),
    "sexual": ("sexual/minors",),
    "violence": ("violence/graphic", "hate/threatening", "harassment/threatening", "illicit/violent"),
    "toxicity": ("harassment", "harassment/threatening", "hate", "hate/threatening"),
    "harmful-request": ("illicit/violent", "self-harm/instructions"),
}
_PRESENT_TOO = {
    "harassment/threatening": ("harassment", "violence"),
    "hate/threatening": ("hate", "violence"),
    "illicit/violent": ("illicit",),
    "self-harm/intent": ("self-harm",),
    "self-harm/instructions": ("self-harm",),
    "sexual/minors": ("sexual",),
    "violence/graphic": ("violence",),
    "hate": ("toxicity",),
    "harassment": ("toxicity",),
}


@dataclass(frozen=True, slots=True)
class Source:
    """How the rows of one file are used.

    Attributes:
        licence: Of the text.
        weight: How often a row counts.
        most: Rows used at most, chosen by their text's hash.
        absent: Categories taken as absent where the row does not say.
        text: Name of the field that holds the text.
        prompt: Name of the field that holds what the text answers, where there is one.
    """

    licence: str
    weight: float = 1.0
    most: int = 8000
    absent: tuple[str, ...] = ()
    text: str = "text"
    prompt: str = "prompt"


BENIGN = ("begin_wow", "benign_prompts", "benign_more", "code_prompts", "cyber_benign", "counsel_questions")
"""Sources without harm, on which false alarms are counted."""

NEVER_TAUGHT = ("catqa", "guardrails_demo", "identity_templates", "toxic_prompts")
"""Sources that the transformer is never trained on, so that it can be judged on sets that it has not seen."""

SOURCES: Mapping[str, Source] = {
    "advbench_strings": Source("MIT"),
    "bad_words_en": Source("CC-BY-4.0", weight=0.5, absent=_POST),
    "begin_wow": Source("CC-BY-4.0", most=1500, absent=CATEGORIES, text="answer", prompt="question"),
    "benign_more": Source("Apache-2.0, CC-BY-4.0", absent=CATEGORIES),
    "benign_prompts": Source("MIT, Apache-2.0", absent=CATEGORIES),
    "catqa": Source(
        "Apache-2.0", weight=2.0, absent=("injection", "jailbreak", "profanity", "self-harm/intent", "violence/graphic")
    ),
    "code_prompts": Source("MIT", absent=CATEGORIES),
    "counsel_questions": Source("MIT", absent=("illicit/violent", "self-harm/instructions", "violence/graphic", "profanity")),
    "cyber_benign": Source("MIT", most=400, absent=CATEGORIES),
    "davidson_tweets": Source("MIT", absent=_POST),
    "edos_sexism": Source("CC0-1.0", most=7000, absent=_RARE),
    "guardrails_demo": Source("MIT"),
    "harmful_behaviours": Source("MIT, Apache-2.0", weight=2.0, absent=("injection", "jailbreak", "profanity")),
    "harmfulqa": Source("Apache-2.0", absent=("injection", "jailbreak", "profanity", "sexual/minors", "self-harm/intent")),
    "hatemoji_build": Source("CC-BY-4.0", absent=_RARE),
    "identity_templates": Source("Apache-2.0", most=600, absent=(*_POST, "sexual", "violence", "profanity")),
    "indirect_injection_email": Source(
        "MIT", weight=2.0, absent=("jailbreak", "toxicity", "sexual", "violence", "self-harm", "hate")
    ),
    "jailbreaks_in_the_wild": Source("MIT", weight=2.0),
    "model_responses": Source("MIT", most=3000),
    "openai_moderation_half": Source("MIT", weight=4.0),
    "own_examples": Source("Apache-2.0", weight=3.0),
    "prompt_injection": Source("MIT", weight=1.0),
    "profanity_words": Source("MIT", weight=0.25, absent=_POST),
    "toxic_prompts": Source("Apache-2.0", weight=2.0, absent=_RARE),
    "toxic_spans": Source("CC0-1.0", most=3500, absent=(*_POST, "sexual")),
    "toxigen_statements": Source("MIT", weight=3.0, absent=_POST),
}
"""Every file that is read; a file that is not listed is not training data for this model.

The injections in other languages are left out: without harmless text in those languages they would teach that these are attacks.
"""


def completed(labels: Mapping[str, int], absent: tuple[str, ...]) -> dict[str, int]:
    """Return `labels` with what they imply, and with the categories of `absent` at 0 where nothing else is known."""
    known = {name: value for name, value in labels.items() if name in CATEGORIES}
    present = [name for name, value in known.items() if value]
    while present:
        for name in _PRESENT_TOO.get(present.pop(), ()):
            if name not in known:
                known[name] = 1
                present.append(name)
    if {"harassment", "violence"} <= {name for name, value in known.items() if value}:
        known.setdefault("harassment/threatening", 1)
    for name in [name for name, value in known.items() if not value]:
        for implied in _ABSENT_TOO.get(name, ()):
            known.setdefault(implied, 0)
    for name in absent:
        known.setdefault(name, 0)
    return known
