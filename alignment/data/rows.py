"""A file's rows: lines of JSON (also compressed by gzip), CSV or Parquet, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from guard.errors import MissingExtra, TenetError
from guard.evaluation.layout import Layout
from guard.evaluation.rows import BadRow, is_parquet, read_rows
from guard.formats.fields import is_name


class DataError(TenetError):
    """Data that cannot be used: where, what was expected, what was found, and the way out. Never with words of a text."""


class Malformed(Exception):
    """A value that is not what it should be."""

    def __init__(self, path: str, expected: str, got: str, hint: str = "") -> None:
        self.path, self.expected, self.got, self.hint = path, expected, got, hint
        super().__init__(path)

    def at(self, file: Path, number: int) -> DataError:
        """Return what a user is told, with the file and its line."""
        hint = f" ({self.hint})" if self.hint else ""
        place = f" {self.path}:" if self.path else ""
        return DataError(f"{file}:{number}:{place} expected {self.expected}, got {self.got}{hint}")


class Row(NamedTuple):
    """One row.

    Attributes:
        number: Of its line, or of the row of a table, from 1.
    """

    number: int
    value: Mapping[str, Any]


def rows_of(file: Path) -> Iterator[Row]:
    """Yield the rows of a file in bounded memory; blank lines are none.

    Raises:
        DataError: Where there is no such file, or a row cannot be read.
        MissingExtra: For Parquet, without its package.
    """
    if not file.exists() or file.is_dir():
        found = "a folder" if file.is_dir() else "nothing"
        raise DataError(f"{file}: expected a file of records, found {found} there")
    try:
        for row in read_rows(file, Layout(slices=_columns(file))):
            yield Row(row.number, _numbers(row.value))
    except BadRow as error:
        said = str(error).replace("an object with a text and labels", "an object, one record a line")
        raise DataError(f"{file}:{error.number}: {said}") from None
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror or type(error).__name__}") from error


def named(value: object) -> str:
    """Return what a value is, without saying anything of it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    known = {str: "a text", int: "a number", float: "a number", dict: "an object", list: "a list"}
    return next((words for type_, words in known.items() if isinstance(value, type_)), "something else")


def keys_of(value: Mapping[str, Any]) -> str:
    """Return the keys of a row that are no user's words, for a message."""
    known = sorted(key for key in value if is_name(key) or key in KNOWN)
    others = len(value) - len(known)
    return ", ".join([*known, f"{others} of other names"] if others else known) or "none"


KNOWN = frozenset(
    (
        *(
            "prompt",
            "question",
            "instruction",
            "response",
            "answer",
            "completion",
            "completions",
            "conversation",
            "conversations",
        ),
        *("chosen", "rejected", "margin", "score", "score_chosen", "score_rejected", "label", "labels"),
        *("preferred_output", "non_preferred_output", "source", "licence", "license", "weight"),
    )
)
"""Keys that messages may repeat, beside those of wire formats."""


def _columns(file: Path) -> tuple[str, ...]:
    """Return the names of a table's columns, all of which are read."""
    if not file.is_file() or not is_parquet(file):
        return ()
    try:
        import pyarrow.parquet as parquet  # type: ignore[import-untyped]  # it ships no types
    except ImportError as error:
        raise MissingExtra("Parquet", "data") from error
    try:
        return tuple(parquet.read_schema(file).names)
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: expected a Parquet file, got one that cannot be read ({type(error).__name__})") from error


def _numbers(value: Any) -> Any:  # noqa: ANN401 - plain JSON values
    """Return a tree with its numbers as numbers, where the reader kept how they were written."""
    if isinstance(value, msgspec.Raw):
        return float(bytes(value))
    if isinstance(value, dict):
        return {key: _numbers(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_numbers(each) for each in value]
    return value
