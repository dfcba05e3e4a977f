"""Which set a record belongs to: by the hash of whose it is, so that it is the same today and when there is more.

Records of one subject, of one conversation, and of prompts that are nearly the same are tied: they are in one set. Of what is
tied together a subject decides where there is one, else a conversation, else its opening, else the prompt; where several decide,
the first of `SPLITS` wins, so that what was held out once is never trained on later.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from alignment.data.agreeing import same
from alignment.records import SPLITS, Messages, Pair, Record, spoken
from guard.store.exporting.likeness import Likeness, Signature, signature

_LONG = 40
"""Characters from which on equal openings of two conversations are no accident."""
_WORDS = re.compile(r"\w+")
_LEVELS = {"subject": 0, "conversation": 1, "group": 1, "opening": 2, "prompt": 3}


@dataclass(frozen=True, slots=True)
class Shares:
    """How much is held back.

    Attributes:
        validation: Share in [0, 1) for validation.
        held_out: Share in [0, 1) that is never trained on.
        seed: Another one gives other sets.
        held_out_sources: Sources that are held out as a whole; with them, nothing of other sources is held out.
    """

    validation: float = 0.1
    held_out: float = 0.1
    seed: int = 0
    held_out_sources: tuple[str, ...] = ()


def split(records: Sequence[Record], shares: Shares, left_out: Counter[str]) -> dict[str, list[Record]]:
    """Return the records of each set, in an order that means nothing; what is nearly there already is left out, and counted."""
    ties = _Ties()
    with closing(sqlite3.connect("")) as db:  # a file without a name, so that memory does not grow with the texts
        kept = list(_unlike(records, Likeness(db, "like_records"), left_out))
        prompts = Likeness(db, "like_prompts")
        for number, record in enumerate(kept):
            ties.add(number, [*record.origin.groups, *_same_prompt(record.prompt)])
            found = prompts.find(asked(record.prompt))
            if found is None:
                prompts.add(asked(record.prompt), number)
            else:
                ties.join(number, found)
    sets: dict[str, list[Record]] = {name: [] for name in SPLITS}
    for record, name in zip(kept, _decided(kept, ties, shares), strict=True):
        if name:
            sets[name].append(record)
        else:
            left_out["other-source"] += 1
    for members in sets.values():
        members.sort(key=lambda record: hashlib.sha256(f"{shares.seed}:{record.origin.id}".encode()).digest())
    return sets


def asked(prompt: Messages) -> list[Signature]:
    """Return what stands for a prompt when prompts are compared: what came before the last words, and these."""
    before = [message for message in prompt[:-1] if message.role != "system"]
    return [signature(spoken(before) if before else ""), signature(prompt[-1].content)]


def plain(messages: Messages) -> str:
    """Return the words of messages without case, punctuation and what the system says: equal for texts that are the same."""
    said = (message for message in messages if message.role != "system")
    return "\n".join(f"{each.role}: {' '.join(_WORDS.findall(each.content.casefold())) or each.content}" for each in said)


def _unlike(records: Sequence[Record], known: Likeness, left_out: Counter[str]) -> Iterator[Record]:
    kept: list[Record] = []
    for record in records:
        parts = [*asked(record.prompt), *(signature(spoken(answer)) for answer in record.answers)]
        against = known.find([*parts[:-2], parts[-1], parts[-2]]) if isinstance(record, Pair) else None
        found = known.find(parts)
        if against is not None and found is None:
            left_out["contradicts"] += 1
        elif found is not None:
            left_out["near-duplicate" if same(record, kept[found]) else "contradicts"] += 1
        else:
            known.add(parts, len(kept))
            kept.append(record)
            yield record


def _same_prompt(prompt: Messages) -> Iterator[str]:
    yield f"prompt:{plain(prompt)}"
    opening = next((message for message in prompt if message.role == "user"), prompt[0])
    if len(opening.content) >= _LONG:
        yield f"opening:{plain((opening,))}"


def _decided(records: Sequence[Record], ties: _Ties, shares: Shares) -> list[str]:
    """Return the set of each record; empty for what is tied to a source that is held out, and is not of it."""
    chosen: dict[int, tuple[int, int]] = {}
    for root, name in ties.names():
        chosen[root] = min(chosen.get(root, (len(_LEVELS), len(SPLITS))), (_level(name), _drawn(name, shares)))
    by_source = set(shares.held_out_sources)
    pinned, taken = _pinned(records, ties), _roots_of(records, ties, by_source)
    found = []
    for number, record in enumerate(records):
        root = ties.root(number)
        if record.origin.source in by_source:
            found.append(SPLITS[0])
        elif root in taken:
            found.append("")
        else:
            found.append(SPLITS[pinned.get(root, chosen[root][1])])
    return found


def _pinned(records: Sequence[Record], ties: _Ties) -> dict[int, int]:
    """Return the sets that sources have decided, by what is tied together."""
    found: dict[int, int] = {}
    for number, record in enumerate(records):
        if record.origin.split:
            root = ties.root(number)
            found[root] = min(found.get(root, len(SPLITS)), SPLITS.index(record.origin.split))
    return found


def _roots_of(records: Sequence[Record], ties: _Ties, sources: Collection[str]) -> set[int]:
    return {ties.root(number) for number, record in enumerate(records) if record.origin.source in sources}


def _level(name: str) -> int:
    kind = name.removeprefix("g:").partition(":")[0]
    return _LEVELS[kind]


def _drawn(name: str, shares: Shares) -> int:
    at = int.from_bytes(hashlib.sha256(f"tenet:{shares.seed}:{name}".encode("utf-8", "surrogatepass")).digest()[:8]) / 2**64
    held_out = 0.0 if shares.held_out_sources else shares.held_out
    return 0 if at < held_out else 1 if at < held_out + shares.validation else 2


class _Ties:
    """Numbers that belong together, by the names they share."""

    def __init__(self) -> None:
        self._roots: list[int] = []
        self._first: dict[str, int] = {}

    def add(self, number: int, names: Sequence[str]) -> None:
        self._roots.append(number)
        for name in names:
            self.join(self._first.setdefault(name, number), number)

    def join(self, one: int, other: int) -> None:
        first, second = sorted((self.root(one), self.root(other)))
        self._roots[second] = first

    def root(self, number: int) -> int:
        roots = self._roots
        while roots[number] != number:
            roots[number] = roots[roots[number]]
            number = roots[number]
        return number

    def names(self) -> Iterator[tuple[int, str]]:
        """Yield every name with the number that stands for what it belongs to."""
        for name, number in self._first.items():
            yield self.root(number), name
