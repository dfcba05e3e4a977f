"""Which set a record belongs to: by the hash of whose it is, so that it is the same today and when there is more.

All records of one subject, and of one conversation, are in one set; so are records that are tied by both. Of records tied
together, a subject decides where there is one, else a conversation, else the prompt; where several of these decide, the first of
`SPLITS` wins, so that what was held out once is never trained on later.
"""

from __future__ import annotations

import hashlib
from array import array
from itertools import groupby

from guard.store.exporting.asked import SPLITS
from guard.store.exporting.spool import Spool

HELD_OUT = 10
"""Percent of subjects whose records are held out; `VALIDATION` percent are for validation."""
VALIDATION = 10
_LEVELS = {"subject": 0, "conversation": 1, "prompt": 2}


def part(seed: str) -> int:
    """Return 0 to 99, by the seed alone."""
    return int.from_bytes(hashlib.sha256(f"tenet:split:{seed}".encode()).digest()[:8], "big") % 100


def split_of(seed: str) -> int:
    """Return the index in `SPLITS` of the set that a seed alone would have."""
    at = part(seed)
    return 0 if at < HELD_OUT else 1 if at < HELD_OUT + VALIDATION else 2


def split(spool: Spool) -> None:
    """Write into the spool which set each item is in."""
    db = spool.db
    db.execute("CREATE TABLE names (id INTEGER PRIMARY KEY, seed TEXT UNIQUE)")
    db.execute("INSERT INTO names (seed) SELECT DISTINCT seed FROM seeds WHERE n IN (SELECT n FROM items WHERE kind = 'record')")
    (count,) = db.execute("SELECT coalesce(max(id), 0) FROM names").fetchone()
    roots = array("q", range(count + 1))
    ties = "SELECT n, id FROM seeds JOIN names USING (seed) ORDER BY n, id"
    for _, members in groupby(db.execute(ties), lambda row: row[0]):
        names = [name for _, name in members]
        for other in names[1:]:
            _join(roots, names[0], other)
    chosen = array("b", [127]) * (count + 1)  # the smallest of level and set: levels outrank sets
    for name, seed in db.execute("SELECT id, seed FROM names"):
        root = _root(roots, name)
        own = _LEVELS[seed.partition(":")[0]] * len(SPLITS) + split_of(seed)
        chosen[root] = min(chosen[root], own)
    db.execute("CREATE TABLE found (n INTEGER PRIMARY KEY, split INTEGER)")
    rows = db.execute("SELECT n, min(id) FROM seeds JOIN names USING (seed) GROUP BY n")
    db.executemany("INSERT INTO found VALUES (?, ?)", ((n, chosen[_root(roots, name)] % len(SPLITS)) for n, name in rows))
    db.execute("UPDATE items SET split = (SELECT split FROM found WHERE found.n = items.n)")


def _root(roots: array[int], node: int) -> int:
    while roots[node] != node:
        roots[node] = roots[roots[node]]
        node = roots[node]
    return node


def _join(roots: array[int], one: int, other: int) -> None:
    first, second = sorted((_root(roots, one), _root(roots, other)))
    roots[second] = first
