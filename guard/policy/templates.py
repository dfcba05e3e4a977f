"""Messages with fields: `{category}` and the like, filled with words of the policy alone, never with a user's.

A brace that is no field's is written twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

FIELDS: Mapping[str, str] = {
    "category": "what was found, such as `self-harm/intent`",
    "rule": "the id of the rule that blocks",
    "policy": "the policy's name",
    "principle": "the id of the principle that the rule serves",
    "helpline": "where to find help: the text for the client's locale in `helplines`",
}
"""What a message may name, and what stands there then."""

_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


class Fault(NamedTuple):
    """A brace that means nothing.

    Attributes:
        at: Its offset in the text.
        name: What stands between the braces; empty for a lone one.
    """

    at: int
    name: str


def faults(text: str) -> Iterator[Fault]:
    """Yield what is wrong with the fields of a message."""
    for match in _BRACES.finditer(text):
        if match[0] in ("{{", "}}"):
            continue
        if match[1] is None or match[1] not in FIELDS:
            yield Fault(match.start(), match[1] or "")


def names(text: str) -> frozenset[str]:
    """Return the fields that a message names."""
    return frozenset(match[1] for match in _BRACES.finditer(text) if match[1])


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return the message with its fields filled; one for which there is no value stays empty."""
    return _BRACES.sub(lambda match: match[0][0] if match[1] is None else values.get(match[1], ""), text)


def with_helpline(text: str, helpline: str) -> str:
    """Return the message with its helpline, and its other fields as they are."""
    doubled = helpline.replace("{", "{{").replace("}", "}}")
    return text.replace("{helpline}", doubled)
