"""What can be told without anybody saying it: an answer that is asked for again, and a block that is tried again.

Off unless the policy says `store: {implicit: true}`, or the server was started with --implicit-feedback. It is noticed within one
process, which keeps digests that no other process has the key of; the store gets feedback with a small weight and no words.
Only of somebody: requests without a subject and without an id of their conversation may come from anybody.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, TypeVar

from guard.attribution import CONVERSATION_HEADER
from guard.feedback.trust import WEIGHTS
from guard.formats.base import Text
from guard.policy.model import StoreSettings
from guard.store.exchange_rows import ExchangeRecord
from guard.store.posts import NewPost, Opinion, Posts, Said
from guard.values import Action, Exchange, Role

_SOURCE = "guard"
_WORD = re.compile(r"\w+")
_LONGEST = 4_096
"""Code points of a prompt that are compared, from its beginning."""
_SKETCH = 128
"""Digests that stand for a prompt: the smallest of its words' and pairs of words' (Broder 1997, "bottom-k")."""
_SIMILAR = 0.35
"""Share of words and pairs in common from which on a prompt is the earlier one, tried again."""
_SOON = 600.0
_MOST = 10_000

Key = TypeVar("Key")
Sketch = frozenset[int]


class _Asked(NamedTuple):
    exchange: str
    at: float
    whole: int
    sketch: Sketch
    tenant: str
    who: str


@dataclass
class Signals:
    """Notices what is asked again.

    Attributes:
        posts: Where it is written.
        name: Returns the pseudonym of a tenant's subject.
        always: Whether it is, whatever the policy says.
    """

    posts: Posts
    name: Callable[[str, str], str]
    always: bool = False
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._last: OrderedDict[tuple[str, str], _Asked] = OrderedDict()
        self._open: OrderedDict[str, _Asked] = OrderedDict()
        self._blocked: OrderedDict[tuple[str, str], _Asked] = OrderedDict()

    def asked(self, exchange: Exchange, texts: Sequence[Text], settings: StoreSettings) -> None:
        """Take note of a request, and of what it says about an earlier one."""
        who = exchange.caller.subject or exchange.headers.get(CONVERSATION_HEADER, "").strip()
        if not who or not (self.always or settings.implicit):
            return
        now = _Asked(exchange.id, self.clock(), _digest(texts), sketch(_last_words(texts)), exchange.caller.tenant, who)
        person = (now.tenant, who)
        blocked, last = self._blocked.get(person), self._last.get(person)
        if blocked is not None and _soon(blocked, now) and similarity(blocked.sketch, now.sketch) >= _SIMILAR:
            self._say("retry", blocked, exchange)
            del self._blocked[person]
        elif last is not None and _soon(last, now) and last.whole == now.whole:
            self._say("regenerate", last, exchange)
        _remember(self._last, person, now)
        _remember(self._open, exchange.id, now)

    def told(self, record: ExchangeRecord) -> None:
        """Take note of a decision: a listener of `StoreRecorder`."""
        asked = self._open.get(record.exchange.id)
        if asked is not None and record.action is Action.BLOCK:
            _remember(self._blocked, (asked.tenant, asked.who), asked)

    def _say(self, kind: str, about: _Asked, again: Exchange) -> None:
        caller = again.caller
        by = Opinion(_SOURCE, "implicit", self.name(caller.tenant, caller.subject), WEIGHTS["implicit"])
        self.posts.put([NewPost(about.tenant, about.exchange, (Said(kind),), by, details={"again": again.id})])


def sketch(text: str) -> Sketch:
    """Return what stands for a text: its words and pairs of words, as digests of this process; of a long one, some of them."""
    words = _WORD.findall(text[:_LONGEST].casefold())
    return frozenset(sorted({*map(hash, words), *map(hash, pairwise(words))})[:_SKETCH])


def similarity(one: Sketch, other: Sketch) -> float:
    """Return about which share of their words and pairs of words two texts have in common (Jaccard); 0 where one has none."""
    if not one or not other:
        return 0.0
    smallest = set(sorted(one | other)[:_SKETCH])
    return len(smallest & one & other) / len(smallest)


def _digest(texts: Sequence[Text]) -> int:
    return hash(tuple((text.turn, text.role, text.joined) for text in texts if text.turn >= 0))


def _last_words(texts: Sequence[Text]) -> str:
    turns = [text for text in texts if text.role is Role.USER]
    last = max((text.turn for text in turns), default=-1)
    return "\n".join(text.joined for text in turns if text.turn == last)


def _soon(before: _Asked, now: _Asked) -> bool:
    return now.at - before.at <= _SOON


def _remember(among: OrderedDict[Key, _Asked], key: Key, asked: _Asked) -> None:
    among[key] = asked
    among.move_to_end(key)
    if len(among) > _MOST:
        among.popitem(last=False)
