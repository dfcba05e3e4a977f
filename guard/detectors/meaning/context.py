"""Which texts of a request an answer is meant to rest on, and which only ask."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from guard.detectors.meaning.claims import is_question
from guard.detectors.meaning.sentences import sentences
from guard.policy.kinds import Mistake
from guard.text import canonical
from guard.values import Item, Role

ROLES = (Role.TOOL_RESULT, Role.SYSTEM, Role.DEVELOPER, Role.USER)
"""Whose words may be a context where the policy doesn't say."""

LEAST = 200
"""Characters of statements that make a document of a text that somebody wrote; what a tool returned always is one."""

_ORDER = re.compile(
    r"(?:please\b|you (?:are|must|should|will|can|may|need|have)\b|your (?:task|job|role|goal|answers?)\b"
    r"|(?:do not|don't|never|always|only|if you|when you|(?:if|when) (?:the|a) user|(?:if|when) (?:asked|unsure))\b"
    r"|(?:answer|respond|reply|use|write|be|act|follow|keep|provide|give|summari[sz]e|translate|explain|speak|cite|refuse|ensure"
    r"|make sure|avoid|base|rely|consider|help|assist|say|think|read|list)\b)",
    re.IGNORECASE,
)
_KEYS = ("roles", "at")


class Told(NamedTuple):
    """What a request tells.

    Attributes:
        context: Texts that can support an answer.
        asked: Texts that can't, but whose names and numbers an answer may repeat.
    """

    context: tuple[str, ...]
    asked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """Where a policy says that the context is.

    Attributes:
        roles: Whose words; empty for whatever looks like documents.
        at: JSON pointers into the request, `*` for one segment; each covers all that is below it.
    """

    roles: frozenset[Role] = frozenset()
    at: tuple[re.Pattern[str], ...] = ()

    def of(self, prompt: Iterable[Item]) -> Told:
        """Return the context among the texts of a request, and the rest."""
        context: list[str] = []
        asked: list[str] = []
        for item in prompt:
            text = canonical(item.text)
            (context if self._holds(item, text) else asked).append(text)
        return Told(tuple(context), tuple(asked))

    def _holds(self, item: Item, text: str) -> bool:
        if self.roles or self.at:
            named = any(pattern.match(item.location.pointer) for pattern in self.at)
            return item.role in self.roles or named
        if item.role is Role.TOOL_RESULT:
            return bool(text.strip())
        return item.role in ROLES and states_much(text)


def states_much(text: str) -> bool:
    """Return whether a text holds at least `LEAST` characters that neither ask nor order."""
    if len(text) < LEAST:
        return False
    found = 0
    for sentence in sentences(text):
        if not is_question(sentence.text) and not _ORDER.match(sentence.text):
            found += len(sentence.text)
            if found >= LEAST:
                return True
    return False


def selection(options: Mapping[str, Any]) -> Selection:
    """Return the selection that `context` of a detector's options describes."""
    given = options.get("context", {})
    return Selection(frozenset(map(Role, given.get("roles", ()))), tuple(map(_pattern, given.get("at", ()))))


def mistakes_in(options: Mapping[str, Any]) -> Sequence[Mistake]:
    """Return what is wrong with `context`."""
    given = options.get("context", {})
    mistakes = [Mistake(("context", key), " or ".join(_KEYS), f'"{key}"') for key in given if key not in _KEYS]
    for key in _KEYS:
        value = given.get(key, [])
        if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
            mistakes.append(Mistake(("context", key), "a list of strings", "something else"))
            continue
        for index, entry in enumerate(value):
            if key == "roles" and entry not in tuple(Role):
                mistakes.append(Mistake(("context", key, index), "one of " + ", ".join(Role), f'"{entry}"'))
            if key == "at" and not entry.startswith("/"):
                mistakes.append(Mistake(("context", key, index), "a JSON pointer, which begins with `/`", f'"{entry}"'))
    return mistakes


def _pattern(pointer: str) -> re.Pattern[str]:
    steps = ("[^/]*" if step == "*" else re.escape(step) for step in pointer.rstrip("/").split("/"))
    return re.compile("/".join(steps) + "(?:[/#]|$)")
