"""What is known of those who give feedback, and of what others said: in memory, bounded, and never their words.

Of keys, a note is kept in the store (`sources`). What is known of a person or of an address is gone with the process, so that it
need not be erased anywhere.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from guard.feedback.statements import Checked
from guard.feedback.trust import Compared, Conduct, fault, weight
from guard.store.posts import Said, SourceNote
from guard.values import Action

_MOST_SOURCES = 10_000
_MOST_ANSWERS = 20_000
_MOST_VOICES = 16
"""Sources whose opinion about one answer is remembered."""
_MOST_TEXTS = 8
"""Texts of one source that are remembered, the latest."""
_MOST_TENANTS = 10_000
_LEAST_TEXT = 12
"""Code points from which on it means something that the same words are said again."""
_MOST_COUNTED = 8
"""Exchanges about which the same words are counted."""
_NOT_YET = 60.0
BUSY = 60
"""More statements in a minute than a person can mean."""


class Speaker(NamedTuple):
    """Who gives feedback.

    Attributes:
        kind: One of `guard.feedback.trust.WEIGHTS`.
        name: What tells it from others of its tenant: a key's id, a subject's pseudonym, an address.
        key: Id of the key, where it is one; what is known of it is kept in the store.
        subject: Pseudonym of the person.
        busy: More than what in a minute stands out; 0 for any number.
    """

    kind: str
    name: str
    key: str = ""
    subject: str = ""
    busy: int = 0


class Weighed(NamedTuple):
    """How far something counts, and what is to be written of its source."""

    weight: float
    status: str
    note: SourceNote | None


@dataclass(slots=True)
class _Standing:
    given: int = 0
    conduct: Conduct = field(default_factory=Conduct)
    reason: str = ""
    minute: float = 0.0
    in_minute: int = 0
    flagged: float = -math.inf
    texts: OrderedDict[int, set[int]] = field(default_factory=OrderedDict)


class Standings:
    """Weighs what is said. Used from one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sources: OrderedDict[tuple[str, str], _Standing] = OrderedDict()
        self._all: OrderedDict[str, Conduct] = OrderedDict()
        self._voices: OrderedDict[tuple[str, str, int], dict[str, int]] = OrderedDict()

    def take_over(self, flagged: Collection[tuple[str, str, str]], prefix: str) -> None:
        """Take over which sources are flagged, by tenant, name and reason, of all whose names begin so.

        One that no longer is, as reviewers cleared it, begins anew; one that was flagged a moment ago may not be written yet.
        """
        named = {(tenant, name) for tenant, name, _ in flagged}
        late = self._clock() - _NOT_YET
        for key, standing in list(self._sources.items()):
            if standing.reason and key[1].startswith(prefix) and key not in named and standing.flagged < late:
                self._sources[key] = _Standing()
        for tenant, name, reason in flagged:
            self._standing(tenant, name).reason = reason

    def weigh(self, tenant: str, speaker: Speaker, post: Checked, action: Action | None = None) -> Weighed:
        """Return how far a post counts, and remember that it was given.

        Args:
            action: What was done about the exchange, where that is known.
        """
        standing = self._standing(tenant, speaker.name)
        before, given = standing.reason, standing.given
        self._note(tenant, speaker, standing, post, action)
        standing.given += 1
        if not standing.reason and speaker.kind != "reviewer":
            standing.reason = fault(standing.conduct, self._rest(tenant, standing.conduct), busy=speaker.busy)
            standing.flagged = self._clock()
        flagged = bool(standing.reason)
        note = _note_of(speaker, standing, newly=standing.reason != before)
        return Weighed(weight(speaker.kind, given, flagged=flagged), "flagged" if flagged else "new", note)

    def _standing(self, tenant: str, name: str) -> _Standing:
        found = self._sources.setdefault((tenant, name), _Standing())
        self._sources.move_to_end((tenant, name))
        if len(self._sources) > _MOST_SOURCES:
            self._sources.popitem(last=False)
        return found

    def _rest(self, tenant: str, mine: Conduct) -> Conduct:
        everybody = self._all.get(tenant, Conduct())
        return Conduct(everybody.policy.without(mine.policy), everybody.others.without(mine.others))

    def _note(self, tenant: str, speaker: Speaker, standing: _Standing, post: Checked, action: Action | None) -> None:
        policy = [found for said in post.statements if (found := contradicts(said, action)) is not None]
        others = [found for said in post.statements if (found := self._against(tenant, speaker.name, post, said)) is not None]
        standing.conduct = replace(
            _added(standing.conduct, policy, others),
            repeated=max(standing.conduct.repeated, self._repeated(standing, post)),
            minute=max(standing.conduct.minute, self._minute(standing)),
        )
        if policy or others:
            self._all[tenant] = _added(self._all.get(tenant, Conduct()), policy, others)
            if len(self._all) > _MOST_TENANTS:
                self._all.popitem(last=False)

    def _against(self, tenant: str, name: str, post: Checked, said: Said) -> bool | None:
        """Return whether a thumb is against what most others say of the answer; None where there are too few of them."""
        if said.kind != "thumb" or said.value is None:
            return None
        answer = (tenant, post.post.exchange, -1 if post.post.choice is None else post.post.choice)
        voices = self._voices.setdefault(answer, {})
        if len(self._voices) > _MOST_ANSWERS:
            self._voices.popitem(last=False)
        sum_of_others = sum(value for voice, value in voices.items() if voice != name)
        if name in voices or len(voices) < _MOST_VOICES:
            voices[name] = 1 if said.value > 0 else -1
        return None if abs(sum_of_others) < 2 else (sum_of_others > 0) != (said.value > 0)

    def _repeated(self, standing: _Standing, post: Checked) -> int:
        most = 0
        for text in (post.post.comment, post.post.correction):
            if text is None or len(text) < _LEAST_TEXT:
                continue
            about = standing.texts.setdefault(hash(" ".join(text.casefold().split())), set())
            if len(standing.texts) > _MOST_TEXTS:
                standing.texts.popitem(last=False)
            if len(about) < _MOST_COUNTED:
                about.add(hash(post.post.exchange))
            most = max(most, len(about))
        return most

    def _minute(self, standing: _Standing) -> int:
        at = self._clock()
        if at - standing.minute >= 60:
            standing.minute, standing.in_minute = at, 0
        standing.in_minute += 1
        return standing.in_minute


def contradicts(said: Said, action: Action | None) -> bool | None:
    """Return whether a statement is against what the policy decided; None where it says nothing about that.

    A category says that something should have been done; an appeal, and a thumb down for a block, that it should not.
    """
    if action is None:
        return None
    if said.kind == "category":
        return action is Action.ALLOW
    if said.kind == "appeal" or (said.kind == "thumb" and action is Action.BLOCK):
        return said.kind == "appeal" or (said.value or 0) < 0
    return None


def _added(conduct: Conduct, policy: list[bool], others: list[bool]) -> Conduct:
    return replace(conduct, policy=_counted(conduct.policy, policy), others=_counted(conduct.others, others))


def _counted(before: Compared, found: list[bool]) -> Compared:
    return Compared(before.compared + len(found), before.contradicted + sum(found)) if found else before


def _note_of(speaker: Speaker, standing: _Standing, *, newly: bool) -> SourceNote | None:
    """Return what is to be written: of a key at its 1st, 10th, 100th … post; of anybody as it begins to stand out."""
    due = speaker.key and standing.given in (1, 10, 100, 1_000, 10_000, 100_000)
    if not newly and not due:
        return None
    reason = standing.reason if newly else ""
    kind = "client" if speaker.kind == "anonymous" else speaker.kind
    return SourceNote(speaker.key, speaker.subject, kind, reason, {"given": standing.given} if speaker.key else None)
