"""Where statements wait until all of them are there: a database of its own on the disk, which is gone when it is closed.

The file has no name, so that nothing of it is left after a kill either.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from guard.store.exporting.conversations import Message

_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -65536;
CREATE TABLE items (
    n INTEGER PRIMARY KEY, kind TEXT, key TEXT, prompt TEXT, content TEXT, verdict TEXT, weight REAL, split INTEGER,
    UNIQUE (kind, key)
);
CREATE INDEX items_by_prompt ON items (kind, prompt);
CREATE TABLE votes (
    n INTEGER, aspect TEXT, voter TEXT, value REAL, weight REAL, final INTEGER, source TEXT,
    PRIMARY KEY (n, aspect, voter)
) WITHOUT ROWID;
CREATE TABLE facts (n INTEGER, name TEXT, value TEXT, PRIMARY KEY (n, name, value)) WITHOUT ROWID;
CREATE TABLE seeds (n INTEGER, seed TEXT, PRIMARY KEY (n, seed)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Item:
    """Texts that statements can be about.

    Attributes:
        kind: `record`, or `answer` for one that may become half of a pair.
        prompt: The messages before it.
        texts: What is judged: an answer, the two sides of a pair in their order, a text.
        seeds: See `Context.seeds`.
        facts: What the data card counts, by name: `policy`, `licence`, `swept`.
        extra: Columns that the texts do not say.
    """

    prompt: Sequence[Message]
    texts: tuple[str, ...]
    seeds: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    kind: str = "record"
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Stands for the texts: the same for the same ones."""
        return digest([self.prompt, self.texts])


@dataclass(frozen=True, slots=True)
class Vote:
    """What one source says about an item.

    Attributes:
        value: -1 to 1, or a score.
        voter: Who says it; what the same one said before about the same aspect of the same item counts no more.
        source: What kind of source it is.
        aspect: What of the item it is about: a category; empty for the whole.
        final: Whether it settles a disagreement.
    """

    value: float
    weight: float
    voter: str
    source: str
    aspect: str = ""
    final: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """An item in the spool."""

    n: int
    key: str
    prompt: list[Message]
    texts: tuple[str, ...]
    extra: Mapping[str, str]


class Spool:
    """Holds items and votes."""

    def __init__(self) -> None:
        self.db = sqlite3.connect("", isolation_level=None)
        self.db.executescript(_TABLES)
        self.db.execute("BEGIN")  # of one transaction that never ends: pages are written when memory is short, not each time

    def add(self, item: Item, votes: Sequence[Vote]) -> None:
        """Add what is said about an item, which may be there already."""
        content = json.dumps([item.prompt, item.texts, item.extra], ensure_ascii=False)
        row = (item.kind, item.key, digest(item.prompt), content)
        self.db.execute("INSERT OR IGNORE INTO items (kind, key, prompt, content) VALUES (?, ?, ?, ?)", row)
        (n,) = self.db.execute("SELECT n FROM items WHERE kind = ? AND key = ?", row[:2]).fetchone()
        self.db.executemany(
            "INSERT OR REPLACE INTO votes VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(n, vote.aspect, vote.voter, vote.value, vote.weight, vote.final, vote.source) for vote in votes],
        )
        self.db.executemany("INSERT OR IGNORE INTO facts VALUES (?, ?, ?)", [(n, *fact) for fact in item.facts])
        seeds = item.seeds or (f"prompt:{row[2]}",)
        self.db.executemany("INSERT OR IGNORE INTO seeds VALUES (?, ?)", [(n, seed) for seed in seeds])

    def items(self, where: str, values: Sequence[object] = ()) -> Iterator[Held]:
        """Yield the items of a condition, which ends with their order; others may be changed meanwhile."""
        for n, key, content in self.db.execute(f"SELECT n, key, content FROM items WHERE {where}", values):  # noqa: S608 - ours
            prompt, texts, extra = json.loads(content)
            yield Held(n, key, prompt, tuple(texts), extra)

    def facts(self, n: int, name: str) -> list[str]:
        """Return what is known of an item by this name, in order."""
        rows = self.db.execute("SELECT value FROM facts WHERE n = ? AND name = ? ORDER BY value", (n, name))
        return [value for (value,) in rows]

    def sources(self, n: int) -> list[str]:
        """Return the kinds of sources that spoke about an item, in order."""
        return [kind for (kind,) in self.db.execute("SELECT DISTINCT source FROM votes WHERE n = ? ORDER BY source", (n,))]

    def seeds(self, n: int) -> tuple[str, ...]:
        """Return what an item has to share a set with."""
        return tuple(seed for (seed,) in self.db.execute("SELECT seed FROM seeds WHERE n = ? ORDER BY seed", (n,)))

    def close(self) -> None:
        """Let go of everything in it."""
        self.db.close()


def digest(value: object) -> str:
    """Return 32 hexadecimal digits that stand for plain JSON values."""
    return hashlib.sha256(json.dumps(value, ensure_ascii=True, sort_keys=True).encode()).hexdigest()[:32]
