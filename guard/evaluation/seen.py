"""Find what comes twice among very many, by hashes: eight bytes for each."""

from __future__ import annotations

import hashlib
from array import array
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FRESH = 65_536


class Seen:
    """The ids that came so far.

    The latest stand in a set; the others in sorted arrays, each at least twice as long as the next, so that there are few.
    """

    def __init__(self, fresh: int = _FRESH) -> None:
        """Remember nothing yet.

        Args:
            fresh: How many stand in the set.
        """
        self._most = fresh
        self._fresh: set[int] = set()
        self._sorted: list[NDArray[np.uint64]] = []

    def add(self, name: str) -> bool:
        """Take an id; return whether it came for the first time."""
        digest = int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest())
        if digest in self._fresh or any(_holds(numbers, digest) for numbers in self._sorted):
            return False
        self._fresh.add(digest)
        if len(self._fresh) >= self._most:
            self._put_away()
        return True

    def _put_away(self) -> None:
        import numpy as np

        numbers = np.sort(np.frombuffer(array("Q", self._fresh), dtype=np.uint64))
        self._fresh.clear()
        while self._sorted and len(self._sorted[-1]) < 2 * len(numbers):
            numbers = np.sort(np.concatenate([self._sorted.pop(), numbers]))
        self._sorted.append(numbers)


def _holds(numbers: NDArray[np.uint64], digest: int) -> bool:
    import numpy as np

    place = int(np.searchsorted(numbers, np.uint64(digest)))
    return place < len(numbers) and int(numbers[place]) == digest
