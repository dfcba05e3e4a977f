"""What the audit can say: a closed list of events, each with its fields, so that no text of anybody slips in.

A value is a number, a truth value, or has the shape of an identifier. There is no field for a subject: who is erased must not
stay in what cannot be changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from guard.store.identity import new_id, now

_WORD = re.compile(r"[A-Za-z0-9_.:/+-]{1,128}")
_MOST = 256
"""Values of one list or mapping."""
_LARGEST = 2**63


class Event(StrEnum):
    """What happened."""

    STARTED = "writer.started"
    HEADS = "heads"
    ADOPTED = "chains.adopted"
    BROKEN = "chain.broken"
    DECISION = "decision"
    POLICY_CHANGED = "policy.changed"
    KEY_CREATED = "key.created"
    KEY_USED = "key.used"
    KEY_REFUSED = "key.refused"
    KEY_REVOKED = "key.revoked"
    EXPORT = "export"
    IMPORT = "import"
    LABEL_CHANGED = "label.changed"
    FEEDBACK_CHANGED = "feedback.changed"
    ERASURE = "erasure"
    PRUNE = "prune"
    GAP = "gap"
    BACKUP = "backup"
    RESTORE = "restore"
    ROTATE = "rotate"
    MIGRATE = "migrate"


def _is_word(value: object) -> bool:
    return isinstance(value, str) and _WORD.fullmatch(value) is not None


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -_LARGEST <= value < _LARGEST


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _are_words(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) <= _MOST and all(map(_is_word, value))


def _are_counts(value: object) -> bool:
    return (
        isinstance(value, Mapping) and len(value) <= _MOST and all(_is_word(name) and _is_number(n) for name, n in value.items())
    )


def _are_heads(value: object) -> bool:
    return (
        isinstance(value, Mapping)
        and len(value) <= _MOST
        and all(
            _is_word(name) and isinstance(at, list | tuple) and len(at) == 2 and _is_number(at[0]) and _is_word(at[1])
            for name, at in value.items()
        )
    )


_Check = tuple[Callable[[object], bool], str]
_WORD_VALUE: _Check = (_is_word, "an identifier of at most 128 characters")
_NUMBER: _Check = (_is_number, "a whole number of 64 bits")
_FLAG: _Check = (_is_flag, "true or false")
_WORDS: _Check = (_are_words, f"at most {_MOST} identifiers")
_COUNTS: _Check = (_are_counts, f"a mapping of at most {_MOST} identifiers to whole numbers")
_HEADS: _Check = (_are_heads, f"a mapping of at most {_MOST} writers to a sequence and a hash")

FIELDS: Mapping[Event, Mapping[str, _Check]] = {
    Event.STARTED: {"key": _WORD_VALUE},
    Event.HEADS: {"heads": _HEADS},
    Event.ADOPTED: {"heads": _HEADS},
    Event.BROKEN: {"writer": _WORD_VALUE, "sequence": _NUMBER, "hash": _WORD_VALUE},
    Event.DECISION: {"stage": _WORD_VALUE, "action": _WORD_VALUE, "rules": _WORDS, "policy": _WORD_VALUE, "more": _NUMBER},
    Event.POLICY_CHANGED: {"previous": _WORD_VALUE, "kind": _WORD_VALUE},
    Event.KEY_CREATED: {"roles": _WORDS, "expires": _NUMBER},
    Event.KEY_USED: {"scope": _WORD_VALUE},
    Event.KEY_REFUSED: {"reason": _WORD_VALUE, "count": _NUMBER},
    Event.KEY_REVOKED: {},
    Event.EXPORT: {"what": _WORD_VALUE, "format": _WORD_VALUE, "digest": _WORD_VALUE, "rows": _COUNTS},
    Event.IMPORT: {
        "state": _WORD_VALUE,
        "what": _WORD_VALUE,
        "format": _WORD_VALUE,
        "digest": _WORD_VALUE,
        "taken": _NUMBER,
        "refused": _NUMBER,
    },
    Event.LABEL_CHANGED: {"exchange": _WORD_VALUE, "verdict": _WORD_VALUE, "category": _WORD_VALUE, "replaces": _WORD_VALUE},
    Event.FEEDBACK_CHANGED: {"exchange": _WORD_VALUE, "status": _WORD_VALUE, "kind": _WORD_VALUE},
    Event.ERASURE: {"state": _WORD_VALUE, "rows": _COUNTS},
    Event.PRUNE: {"state": _WORD_VALUE, "before": _NUMBER, "what": _WORD_VALUE, "rows": _COUNTS},
    Event.GAP: {"writer": _WORD_VALUE, "kind": _WORD_VALUE, "lost": _NUMBER, "complete": _FLAG},
    Event.BACKUP: {"rows": _COUNTS},
    Event.RESTORE: {"rows": _COUNTS},
    Event.ROTATE: {"state": _WORD_VALUE, "rows": _COUNTS},
    Event.MIGRATE: {"before": _WORD_VALUE, "after": _WORD_VALUE},
}
"""Which fields an event may have."""


@dataclass(slots=True, eq=False)
class Note:
    """One entry to be; made by `note_of`.

    Attributes:
        actor: Who did it: id of a key, or of what acted by itself.
        object: Random id of what it is about.
        tried: Whether a transaction tried to write it, so that it may be there although nobody was told.
    """

    event: Event
    tenant: str
    actor: str
    object: str
    details: Mapping[str, Any]
    id: str = field(default_factory=lambda: new_id("au"))
    created: int = field(default_factory=now)
    tried: bool = False


def note_of(event: Event | str, *, by: str = "", about: str = "", tenant: str = "", **fields: object) -> Note:
    """Return an entry for the audit.

    Raises:
        ValueError: For an event or a field that there is not, or a value that could be a text. It is a mistake of the caller's;
            the message does not show the value.
    """
    known = Event(event)
    for name, text in (("by", by), ("about", about), ("tenant", tenant)):
        if text and not _is_word(text):
            raise ValueError(f"audit, {known}: {name}: expected {_WORD_VALUE[1]}, got something else")
    for name, value in fields.items():
        if name not in FIELDS[known]:
            raise ValueError(f"audit, {known}: expected one of {', '.join(FIELDS[known]) or 'no fields'}, got {name!r}")
        check, expected = FIELDS[known][name]
        if not check(value):
            raise ValueError(f"audit, {known}: {name}: expected {expected}, got something else")
    return Note(known, tenant, by, about, fields)


def is_word(text: str) -> bool:
    """Return whether a text has the shape that the audit takes."""
    return _is_word(text)


def shaped(text: str) -> str:
    """Return a text that has the shape that the audit takes; empty for any other."""
    return text if _is_word(text) else ""


def written(details: Mapping[str, Any]) -> str:
    """Return an entry's fields as the audit writes and signs them: canonical JSON in ASCII."""
    return json.dumps(details, separators=(",", ":"), sort_keys=True)
