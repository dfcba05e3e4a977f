"""Texts that are nearly the same, found among many without comparing each with each (A. Broder, 1997: min-hashes in bands)."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LIKE = 0.8
"""The share of runs of five letters in common from which on texts count as the same."""
_RUN, _HASHES, _BANDS = 5, 64, 16
_SHORT = 40
"""Letters below which texts have to be the same but for case and punctuation."""
_CHUNK = 16_384
_MOST = 32
_WORDS = re.compile(r"\w+")
_RANDOM = np.random.default_rng(20_240_501)
_FACTORS = _RANDOM.integers(1, 2**63, _HASHES, dtype=np.uint64) | np.uint64(1)
_SHIFTS = _RANDOM.integers(0, 2**63, _HASHES, dtype=np.uint64)
_BASE = np.array([np.uint64(pow(1_000_003, power, 2**64)) for power in range(_RUN)], dtype=np.uint64)

Signature = NDArray[np.uint32]


def signature(text: str) -> Signature:
    """Return 64 numbers, of which about as many are equal for two texts as they have runs of letters in common."""
    plain = " ".join(_WORDS.findall(text.casefold())) or text.strip()
    if len(plain) < _SHORT:
        plain = f"{plain}\0" * (_RUN if plain else 1)
        return _lowest(np.array([hash_of(plain)], dtype=np.uint64))
    letters = np.frombuffer(plain.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    runs = np.lib.stride_tricks.sliding_window_view(letters, _RUN) @ _BASE
    return _lowest(runs)


def hash_of(text: str) -> int:
    """Return 63 bits that stand for the text, the same in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") >> 1


def alike(one: Sequence[Signature], other: Sequence[Signature]) -> bool:
    """Return whether each part of one is nearly the same as that part of the other."""
    return len(one) == len(other) and all(
        float(np.mean(first == second)) >= LIKE for first, second in zip(one, other, strict=True)
    )


class Likeness:
    """Remembers texts of several parts, and finds one that is nearly the same in every part."""

    def __init__(self, db: sqlite3.Connection, name: str) -> None:
        """Keep them in a database.

        Args:
            name: Of what is compared; an identifier of ours.
        """
        self._db, self._name = db, name
        db.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, mark INTEGER, parts BLOB)")
        db.execute(f"CREATE TABLE {name}_bands (band INTEGER, id INTEGER, PRIMARY KEY (band, id)) WITHOUT ROWID")

    def find(self, parts: Sequence[Signature]) -> int | None:
        """Return the mark of the first that is nearly the same; None where there is none."""
        name = self._name
        bands = _bands(parts[-1])
        places = ", ".join("?" * len(bands))
        likely = f"SELECT id FROM {name}_bands WHERE band IN ({places}) GROUP BY id ORDER BY count(*) DESC, id LIMIT {_MOST}"  # noqa: S608 - ours
        wanted = f"SELECT id, mark, parts FROM {name} WHERE id IN ({likely}) ORDER BY id"  # noqa: S608 - ours
        for _, mark, blob in self._db.execute(wanted, bands):
            if alike(parts, np.frombuffer(blob, dtype=np.uint32).reshape(-1, _HASHES)):  # type: ignore[arg-type]  # rows
                return int(mark)
        return None

    def add(self, parts: Sequence[Signature], mark: int = 0) -> None:
        """Remember a text; candidates are found by its last part."""
        blob = np.stack(parts).tobytes()
        cursor = self._db.execute(f"INSERT INTO {self._name} (mark, parts) VALUES (?, ?)", (mark, blob))  # noqa: S608 - ours
        bands = [(band, cursor.lastrowid) for band in _bands(parts[-1])]
        self._db.executemany(f"INSERT OR IGNORE INTO {self._name}_bands VALUES (?, ?)", bands)  # noqa: S608 - ours


def _lowest(runs: NDArray[np.uint64]) -> Signature:
    found = np.full(_HASHES, np.iinfo(np.uint32).max, dtype=np.uint32)
    for start in range(0, len(runs), _CHUNK):
        chunk = runs[start : start + _CHUNK, None] * _FACTORS + _SHIFTS
        found = np.minimum(found, (chunk >> np.uint64(32)).astype(np.uint32).min(axis=0))
    return found


def _bands(lowest: Signature) -> list[int]:
    rows = _HASHES // _BANDS
    return [
        int(np.bitwise_xor.reduce(band.astype(np.uint64) * _FACTORS[:rows])) >> 1
        for band in (lowest * np.uint32(1)).reshape(_BANDS, rows) + np.arange(_BANDS, dtype=np.uint32)[:, None]
    ]
