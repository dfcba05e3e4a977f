"""Which sentences of an answer claim something that a document could support.

The patterns are for what assistants say around their answers, in English; a sentence that fits none is taken for a claim.
"""

from __future__ import annotations

import re

_SPEAKER = r"(?:i|we)"
_SOURCE = r"(?:context|text|documents?|passages?|information|sources?|article|excerpt|data|answer)"
_UNABLE = r"(?:do not|don't|did not|didn't|cannot|can't|could not|couldn't|am unable|are unable|won't|will not)"
_POLITE = r"(?:let me know|feel free|ask|contact|reach out|happy to help|here to help|glad to)"

_WHOLE = (
    r"yes|no|yep|yeah|nope|sure|ok|okay|of course|certainly|absolutely|definitely|exactly|right|great|good",
    r"(?:good|great) question|thanks|thank you|you(?:'re| are) welcome|no problem|my pleasure|congratulations",
    r"not (?:really|much|too much|at all|yet|exactly|quite)|it (?:sure|certainly) (?:is|was|did|does)|(?:oh )?wow|oh|cool",
    r"hi|hello|hey|dear|welcome|goodbye|bye|good (?:morning|afternoon|evening|night|luck)|cheers|sincerely",
    r"best|(?:best|kind) regards|unknown|n/a|none",
    r"not (?:specified|stated|mentioned|given|provided|available|known|applicable)",
)
"""Sentences that end with this, or a few words later."""

_LEADING = (
    r"(?:i'm|i am|we're|we are)\s+(?:\w+\s+)?(?:sorry|afraid|happy|glad|here|not (?:sure|certain|able|allowed|aware))",
    rf"sorry\b|unfortunately,?\s+{_SPEAKER}\b|(?:my|our) apologies|{_SPEAKER} apologi[sz]e",
    r"(?:please\s+)?(?:let me know|feel free|don't hesitate|do not hesitate|reach out|ask me)\b",
    rf"if you(?:'d| would)? (?:have|need|want|like|require)\b.{{0,80}}\b{_POLITE}",
    rf"{_SPEAKER} hope\b|hope (?:this|that)\b|{_SPEAKER}(?:'d| would) (?:be happy|love|like) to\b|would you like\b",
    rf"{_SPEAKER} can (?:also )?help\b|happy to help|have a (?:nice|good|great|lovely)\b|enjoy\b.{{0,30}}$",
    rf"{_SPEAKER}\s+(?:\w+\s+)?(?:love|like|enjoy|hate|adore|prefer|wish|feel|agree|understand|see)\b",
)
"""What sentences begin with that offer, apologise, refuse, or tell what the speaker likes."""

_ANNOUNCING = (
    r"(?:here(?:'s| is| are)|below (?:is|are)|the following|let me|let's|in (?:short|summary)|to (?:summari[sz]e|sum up)|next"
    r"|(?:based on|according to) (?:the|your|this)\b.{0,60})[^.!?]{0,80}[:：]$"
)
_REMARKING = (
    r"(?:that|this|it)(?:'s| is| sounds)\s+(?:(?:so|very|really|pretty|quite|such|a) )*"
    r"(?:great|good|nice|cool|interesting|funny|fun|true|awesome|amazing|sad|shame|pity|tragedy|scary|terrible|wonderful|fantastic"
    r"|fascinating|crazy|right|correct|fair|understandable)\b[^,;]{0,20}[.!]*$"
)

_WITHIN = (
    rf"\b{_SPEAKER}\s+(?:\w+\s+)?{_UNABLE}\s+(?:\w+\s+)?(?:know|find|see|have|tell|say|help|answer|provide|share|assist|confirm"
    r"|determine|do (?:that|this)|discuss|give|verify)\b",
    rf"\b(?:the|this|these|your|my|provided|given)\s+(?:\w+\s+){{0,2}}{_SOURCE}\s+(?:\w+\s+){{0,2}}(?:not|n't|no)\s+"
    r"(?:\w+\s+)?(?:mention|say|state|specify|contain|provide|include|give|tell|answer|information|available|explicitly|clear)",
    rf"\b{_SOURCE}\s+(?:does|do|did)(?:n't| not)\b",
    r"\b(?:is|are|was|were)(?:n't| not)\s+(?:\w+\s+)?(?:mentioned|specified|stated|provided|given)\b"
    r"(?:\s+(?:in|by|here)\b.*)?[.!]?$",
)
"""What sentences have in them that say what the speaker or the documents can't tell."""

_CLAIMLESS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"^(?:{'|'.join(_WHOLE)})\b[\w\s,']{{0,24}}[.!:…]*$",
        *(f"^(?:{leading})" for leading in _LEADING),
        f"^{_ANNOUNCING}",
        f"^{_REMARKING}",
        *_WITHIN,
    )
)


def is_question(sentence: str) -> bool:
    """Return whether the sentence asks."""
    return sentence.rstrip(" \"'”’)*_").endswith(("?", "？"))


def is_claim(sentence: str) -> bool:
    """Return whether the sentence says something that a document could support.

    Questions, greetings, thanks, offers, apologies, refusals, admissions that something is not known, announcements of what
    follows, likings and remarks don't.
    """
    text = sentence.replace("’", "'").replace(" '", "'")
    if is_question(text) or not any(character.isalnum() for character in text):
        return False
    return not any(pattern.search(text) for pattern in _CLAIMLESS)
