"""A file of records, or a folder that `guard feedback export` or `align data` made, as records of one kind."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alignment.data.converting import NotMade, as_kind
from alignment.data.forms import FORMS, form_of
from alignment.data.messages import Unfit
from alignment.data.origins import Stated, origin_of
from alignment.data.rows import DataError, Malformed, keys_of, rows_of
from alignment.records import SPLITS, Kind, Record

CARD = "data_card.json"
_NOT_STATED = ("", "unknown", "not stated")


@dataclass(slots=True)
class Reading:
    """Reads sources, and counts.

    Attributes:
        kind: What is wanted.
        licence: Of the texts whose source states none.
        rows: How many rows were read, by source as the user named it.
        inputs: SHA-256 of each file that was read.
        left_out: What was no record, by reason.
    """

    kind: Kind
    licence: str = ""
    rows: Counter[str] = field(default_factory=Counter)
    inputs: dict[str, str] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)

    def read(self, source: Path) -> Iterator[Record]:
        """Yield the records of a source, one after the other, in bounded memory.

        Raises:
            DataError: Where it cannot be read, with the file, the line and the way out.
            MissingExtra: For Parquet, without its package.
        """
        for file, stated in _files(source, self.licence):
            self.inputs[str(file)] = digest_of_file(file)
            yield from self._file(file, stated)

    def _file(self, file: Path, stated: Stated) -> Iterator[Record]:
        form = ""
        for number, row in rows_of(file):
            self.rows[str(file)] += 1
            try:
                form = form or form_of(row)
                yield from self._records(form, row, stated)
            except Unfit as unfit:
                self.left_out[unfit.reason] += 1
            except Malformed as bad:
                raise bad.at(file, number) from None
            except NotMade as other:
                hint = f"say --kind {other}" if str(other) in set(Kind) else "say --kind pairs, sft, scalar or prompts"
                got = f"{other}, of which none can be made ({hint})"
                raise DataError(f"{file}:{number}: expected records for --kind {self.kind.value}, got {got}") from None

    def _records(self, form: str, row: Mapping[str, Any], stated: Stated) -> Iterator[Record]:
        shape = FORMS[form]
        if not shape.fits(row):
            raise Malformed("", f"{shape.looks}, as the first row has", f"a row with the keys: {keys_of(row)}")
        origin = origin_of(row, stated)
        yield from as_kind(shape.read(row, origin), self.kind)


def digest_of_file(file: Path) -> str:
    """Return a file's SHA-256. Raises DataError where it cannot be read."""
    if file.exists() and not file.is_file():
        found = "a folder" if file.is_dir() else "a pipe or a device"
        raise DataError(f"{file}: expected a file of records, found {found} (write it to a file first)")
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        found = "nothing there" if isinstance(error, FileNotFoundError) else error.strerror or type(error).__name__
        raise DataError(f"{file}: expected a file of records, found {found}") from None


def _files(source: Path, licence: str) -> Iterator[tuple[Path, Stated]]:
    if not source.is_dir():
        yield source, Stated(source.name.split(".")[0], licence)
        return
    card = _card(source)
    stated = Stated(source.name, _only(card.get("licences")) or licence, _only(card.get("policies")))
    for split in reversed(SPLITS):
        file = source / f"{split}.jsonl"
        _unchanged(file, card)
        yield file, Stated(stated.source, stated.licence, stated.policy, split)


def _card(folder: Path) -> Mapping[str, Any]:
    try:
        card = json.loads((folder / CARD).read_bytes())
    except FileNotFoundError:
        raise DataError(
            f"{folder}: expected a folder made by `guard feedback export` or `align data`, found one without {CARD} "
            "(name the files in it, if they are records)"
        ) from None
    except (OSError, ValueError, RecursionError):
        raise DataError(f"{folder / CARD}: expected a data card, got what cannot be read (export again)") from None
    if not isinstance(card, dict):
        raise DataError(f"{folder / CARD}: expected a data card, got another value (export again)")
    return card


def _unchanged(file: Path, card: Mapping[str, Any]) -> None:
    """Refuse a file that is not as its card says: a set that was cut off or edited is not what the card describes."""
    files = card.get("files")
    entry = files.get(file.name) if isinstance(files, dict) else None
    wanted = entry.get("sha256") if isinstance(entry, dict) else None
    if wanted is not None and digest_of_file(file) != wanted:
        raise DataError(f"{file}: expected the file that {CARD} describes, got another (export again, or name the file itself)")


def _only(found: object) -> str:
    """Return the single name that is counted in a card; empty where there are several, or none is known."""
    names = list(found) if isinstance(found, dict) else []
    return str(names[0]) if len(names) == 1 and names[0] not in _NOT_STATED else ""
