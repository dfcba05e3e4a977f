"""The constitution as a language model is asked about it: requests made of principles, and the parsers of the answers.

Pure: nothing here asks anybody. A judge (`guard.detectors.judges`), a critic and a teacher all speak in these requests, so that
what is enforced, what is revised and what is preferred follow the same prose.
"""

from guard.constitution.answers import Critique, Preference, Revision, Unreadable, Verdict, read
from guard.constitution.quoting import Block, Mark, mark_of, readable
from guard.constitution.requests import (
    Example,
    Message,
    Request,
    critique_request,
    instructions,
    preference_request,
    revision_request,
    rewriting_request,
    verdict_request,
)

__all__ = [
    "Block",
    "Critique",
    "Example",
    "Mark",
    "Message",
    "Preference",
    "Request",
    "Revision",
    "Unreadable",
    "Verdict",
    "critique_request",
    "instructions",
    "mark_of",
    "preference_request",
    "read",
    "readable",
    "revision_request",
    "rewriting_request",
    "verdict_request",
]
