"""Which principles are asked about which text: drawn by a hash, so that each gets its share and a second run asks the same."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from guard.policy.model import Principle


def drawn(principles: Sequence[Principle], words: str, seed: int) -> list[Principle]:
    """Return the principles in an order of these words' own (Bai et al. 2022 draw one at random for each critique)."""

    def place(principle: Principle) -> bytes:
        said = f"tenet:{seed}:{principle.id}:{words}".encode("utf-8", "surrogatepass")
        return hashlib.sha256(said).digest()

    return sorted(principles, key=place)
