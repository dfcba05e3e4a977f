"""Prompts that stand in the training data, the same or nearly: what was learned by heart proves nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from alignment.data.sources import Reading
from alignment.data.splitting import asked, plain
from alignment.records import Kind, Record
from guard.store.exporting.likeness import Likeness


class Apart:
    """Knows the prompts of training data. Sources count as a whole: it is told what was trained on, not what was held out."""

    def __init__(self, known: Iterable[Record]) -> None:
        """Remember the prompts of these records."""
        self._same: set[str] = set()
        self._alike = Likeness(sqlite3.connect(""), "like_prompts")
        for record in known:
            if plain(record.prompt) not in self._same:
                self._same.add(plain(record.prompt))
                self._alike.add(asked(record.prompt))

    def stands_in(self, record: Record) -> bool:
        """Return whether a record's prompt stands in the training data, but for case and punctuation, or nearly so."""
        if not self._same:
            return False
        return plain(record.prompt) in self._same or self._alike.find(asked(record.prompt)) is not None


def trained_on(sources: Sequence[str]) -> Iterator[Record]:
    """Yield the prompts of training data; of folders that `align data` made, without what is held out there.

    Raises:
        TenetError: Where a source cannot be read.
    """
    for source in sources:
        for record in Reading(Kind.PROMPTS).read(Path(source)):
            if record.origin.split != "held_out":
                yield record
