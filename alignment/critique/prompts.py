"""The prompts that a model is asked: read as `align data` reads them, each once, and none that is held out."""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from alignment.data.sources import Reading
from alignment.data.splitting import asked, plain
from alignment.records import SPLITS, Kind, Message, Prompt, digest_of
from guard.errors import TenetError
from guard.store.exporting.likeness import Likeness


@dataclass(frozen=True, slots=True)
class Prompts:
    """What is asked.

    Attributes:
        all: The prompts.
        inputs: SHA-256 of each file that was read.
        left_out: What was not taken, by reason.
    """

    all: Sequence[Prompt]
    inputs: dict[str, str]
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def digest(self) -> str:
        """SHA-256 of all that is asked, 64 hexadecimal digits."""
        said = "".join(sorted(digest_of(prompt.prompt) for prompt in self.all))
        return hashlib.sha256(said.encode()).hexdigest()


def read_prompts(files: Sequence[str], most: int, system: str = "") -> Prompts:
    """Return the prompts of files and of folders that `align data` made; those that are nearly the same are asked once.

    Args:
        most: How many at most; a hash of their words chooses, so that each source keeps about its share.
        system: Put before prompts that have no system message; nothing where empty.

    Raises:
        DataError: Where a file cannot be read.
        TenetError: Where there is no prompt in them.
    """
    reading = Reading(Kind.PROMPTS)
    found = [record for file in files for record in reading.read(Path(file)) if isinstance(record, Prompt)]
    left_out = Counter(reading.left_out)
    open_ones = [prompt for prompt in found if prompt.origin.split != SPLITS[0]]
    left_out["held-out"] += len(found) - len(open_ones)
    unlike = _unlike(sorted(open_ones, key=_order))
    left_out["near-duplicate"] += len(open_ones) - len(unlike)
    left_out["more-than-most"] += max(0, len(unlike) - most)
    if not unlike:
        raise TenetError(
            f"{', '.join(files)}: expected prompts, found none that may be used ({sum(left_out.values()):,} left out)"
        )
    return Prompts([_with(system, prompt) for prompt in unlike[:most]], reading.inputs, +left_out)


def _order(prompt: Prompt) -> bytes:
    return hashlib.sha256(f"tenet:asked:{digest_of(prompt.prompt)}".encode()).digest()


def _unlike(prompts: Sequence[Prompt]) -> list[Prompt]:
    kept, seen = [], set()
    with closing(sqlite3.connect("")) as db:
        known = Likeness(db, "like_asked")
        for prompt in prompts:
            words, parts = plain(prompt.prompt), asked(prompt.prompt)
            if words in seen or known.find(parts) is not None:
                continue
            seen.add(words)
            known.add(parts)
            kept.append(prompt)
    return kept


def _with(system: str, prompt: Prompt) -> Prompt:
    if not system or prompt.prompt[0].role == "system":
        return prompt
    return replace(prompt, prompt=(Message("system", system), *prompt.prompt))
