"""Prompts of one set that stand in another: the same, or nearly."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from alignment.data.splitting import asked, plain
from alignment.records import SPLITS, Record
from guard.store.exporting.likeness import Likeness


@dataclass(frozen=True, slots=True)
class Leaks:
    """What stands in two sets.

    Attributes:
        exact: Prompts that are the same but for case and punctuation.
        near: Prompts that are nearly the same.
        groups: Subjects and conversations.
        ids: Some of the records in the later set, for looking them up.
    """

    exact: int = 0
    near: int = 0
    groups: int = 0
    ids: tuple[str, ...] = ()

    @property
    def all(self) -> int:
        """All of them together."""
        return self.exact + self.near + self.groups


def leaks(earlier: Iterable[Record], later: Iterable[Record]) -> Leaks:
    """Return what of `later`, such as a training set, stands in `earlier`, such as one that is held out."""
    known: set[str] = set()
    groups: set[str] = set()
    exact, near, shared, ids = 0, 0, set[str](), []
    with closing(sqlite3.connect("")) as db:
        alike = Likeness(db, "like_prompts")
        for record in earlier:
            groups.update(record.origin.groups)
            if plain(record.prompt) not in known:
                known.add(plain(record.prompt))
                alike.add(asked(record.prompt))
        for record in later:
            shared.update(groups.intersection(record.origin.groups))
            same = plain(record.prompt) in known
            like = not same and bool(known) and alike.find(asked(record.prompt)) is not None
            exact, near = exact + same, near + like
            if same or like:
                ids.append(record.origin.id)
    return Leaks(exact, near, len(shared), tuple(ids[:20]))


def between(sets: Mapping[str, Sequence[Record]]) -> Leaks:
    """Return what stands in more than one of the sets that are split from one another."""
    held_out, validation, train = (sets.get(name, ()) for name in SPLITS)
    found = [leaks(held_out, [*validation, *train]), leaks(validation, train)]
    ids = tuple(name for each in found for name in each.ids)[:20]
    return Leaks(sum(each.exact for each in found), sum(each.near for each in found), sum(each.groups for each in found), ids)
