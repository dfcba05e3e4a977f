"""Which reader a file needs, and which fields it knows."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from guard.errors import StoreError
from guard.store.importing import argilla, hh_rlhf, label_studio, plain
from guard.store.importing.drafts import BadRecord, Draft
from guard.store.importing.fields import Record
from guard.store.importing.reading import BadRow, kind_of, read_rows

FORMATS = ("auto", "jsonl", "csv", "parquet", "argilla", "label-studio", "hh-rlhf")


@dataclass(frozen=True, slots=True)
class Format:
    """How a file is read.

    Attributes:
        name: One of `FORMATS`, but auto.
        rows: json, csv or parquet.
        read: Takes a record, returns what it says.
        known: The fields that are read, or may be there.
    """

    name: str
    rows: str
    read: Callable[[Record], list[Draft]]
    known: Collection[str]

    def unknown(self, record: Record) -> list[str]:
        """Return the fields that are not read.

        Raises:
            BadRecord: For one that is nearly the name of one that is: it is likely to be meant.
        """
        found = [name for name in record if name not in self.known and not name.startswith("labels.")]
        for name in found:
            near = difflib.get_close_matches(name, sorted(set(self.known) - set(record)), n=1, cutoff=0.85)
            if near:
                raise BadRecord(f"unknown field: expected `{near[0]}`, got `{_shown(name)}`; rename it, or leave it out")
        return found


_READERS: Mapping[str, tuple[Callable[[Record], list[Draft]], Collection[str]]] = {
    "argilla": (argilla.read, argilla.KNOWN),
    "label-studio": (label_studio.read, label_studio.KNOWN),
    "hh-rlhf": (hh_rlhf.read, plain.KNOWN),
}


def format_of(file: Path, asked: str) -> Format:
    """Return how a file is to be read.

    Args:
        asked: One of `FORMATS`; auto to look at the file's name and its first record.

    Raises:
        StoreError: Where there is no file, or the format is not known.
    """
    if asked not in FORMATS:
        raise StoreError(f"--format: expected one of {', '.join(FORMATS)}, got {asked[:40]!r}")
    if not file.is_file():
        found = "a folder" if file.is_dir() else "nothing" if not file.exists() else "something else"
        raise StoreError(f"{file}: expected a file, which is read twice, found {found} there")
    try:
        rows = {"jsonl": "json", "csv": "csv", "parquet": "parquet"}.get(asked) or kind_of(file)
    except OSError as error:
        raise StoreError(f"{file}: cannot be read: {error.strerror}") from error
    if asked == "auto":
        first = next(iter(read_rows(file, rows)), None)
        asked = _recognised({} if first is None or isinstance(first, BadRow) else first.value)
    read, known = _READERS.get(asked, (plain.read, plain.KNOWN))
    return Format(asked if asked in _READERS else {"json": "jsonl"}.get(rows, rows), rows, read, known)


def _recognised(record: Record) -> str:
    if "annotations" in record and "data" in record:
        return "label-studio"
    if "fields" in record or ("annotation" in record and ("inputs" in record or "text" in record)):
        return "argilla"
    sides = [record.get("chosen"), record.get("rejected")]
    transcripts = [side for side in sides if isinstance(side, str) and hh_rlhf.MARK.match(side)]
    return "hh-rlhf" if len(transcripts) == len(sides) and not _has(record, ("prompt", "question", "instruction")) else ""


def _has(record: Record, names: Iterable[str]) -> bool:
    return any(record.get(name) is not None for name in names)


def _shown(name: str) -> str:
    return name if len(name) <= 40 and name.isidentifier() else "…"
