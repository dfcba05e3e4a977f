"""Remember what a text's scores were: a chat sends all of its earlier turns again with each new one.

Texts are kept as digests under a key of this process, so that none can be read from memory.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

Row = NDArray[np.float32]


class RowMemory:
    """The rows of the latest texts; what was not asked for longest goes first. Thread-safe."""

    def __init__(self, most: int = 20_000) -> None:
        """Remember at most `most` texts, with some 250 bytes each."""
        self._most = most
        self._secret = os.urandom(16)
        self._rows: OrderedDict[bytes, Row] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many texts are remembered."""
        return len(self._rows)

    def key(self, text: str) -> bytes:
        """Return what stands for a text."""
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=self._secret).digest()

    def get(self, key: bytes) -> Row | None:
        """Return a text's row, or None; it is not to be changed."""
        with self._lock:
            row = self._rows.get(key)
            if row is not None:
                self._rows.move_to_end(key)
            return row

    def put(self, key: bytes, row: Row) -> None:
        """Remember a text's row."""
        with self._lock:
            self._rows[key] = row
            self._rows.move_to_end(key)
            if len(self._rows) > self._most:
                self._rows.popitem(last=False)
