"""The rows of a data set as values, one after the other: lines of JSON, CSV or Parquet.

Memory does not grow with the file.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from guard.errors import BadMessage, MissingExtra, TenetError
from guard.evaluation.layout import Layout
from guard.formats import strict_json

LONGEST = 16 * 1024 * 1024
"""Bytes of a line, and characters of a cell."""

_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"
_MARK = b"\xef\xbb\xbf"
_ROWS, _BUFFER = 256, 1024 * 1024


class Row(NamedTuple):
    """One row.

    Attributes:
        number: Of its line, or of the row in a Parquet file, from 1.
        value: As JSON has it.
        read: Bytes of the file that have been read, or rows of a Parquet file.
    """

    number: int
    value: object
    read: int


class BadRow(Exception):
    """A row that cannot be read; the message says why."""

    def __init__(self, number: int, reason: str) -> None:
        self.number = number
        super().__init__(reason)


def is_parquet(file: Path) -> bool:
    """Return whether a regular file is Parquet, by its name or its first bytes."""
    if file.suffix == ".parquet":
        return True
    with file.open("rb") as opened:
        return opened.read(len(_PARQUET)) == _PARQUET


def size(file: Path) -> int | None:
    """Return what `Row.read` is at the end; None where nobody knows.

    Raises:
        MissingExtra: For Parquet, without its package.
        TenetError: For what is to be Parquet, and is not.
    """
    if not file.is_file():
        return None
    if not is_parquet(file):
        return file.stat().st_size
    with _parquet(file) as table:
        return int(table.metadata.num_rows)


def read_rows(file: Path, layout: Layout) -> Iterator[Row]:
    """Yield the rows of a file; blank lines are none.

    Raises:
        BadRow: For a row that cannot be read.
        TenetError: For a file that cannot be read or decompressed.
        MissingExtra: For Parquet, without its package.
    """
    try:
        if file.is_file() and is_parquet(file):
            yield from _table(file, layout)
            return
        with ExitStack() as stack:
            raw, stream = _opened(file, stack)
            kind = {".csv": ",", ".tsv": "\t"}.get(_suffix(file))
            yield from _csv(raw, stream, layout, kind) if kind else _json(raw, stream)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TenetError(f"{file}: expected more, got the end of what can be decompressed") from error
    except OSError as error:
        raise TenetError(f"{file}: cannot be read: {error.strerror or type(error).__name__}") from error


def _suffix(file: Path) -> str:
    return Path(file.stem).suffix if file.suffix == ".gz" else file.suffix


def _opened(file: Path, stack: ExitStack) -> tuple[BinaryIO, BinaryIO]:
    """Return the file as it is, and as it reads: decompressed, where it is compressed."""
    raw = stack.enter_context(file.open("rb"))
    if raw.peek(len(_GZIP))[: len(_GZIP)] != _GZIP:
        return raw, raw
    return raw, cast(BinaryIO, stack.enter_context(gzip.GzipFile(fileobj=raw)))


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := stream.readline(LONGEST + 1):
        number += 1
        if len(line) > LONGEST:
            raise BadRow(number, f"expected a line of at most {LONGEST:,} bytes, got a longer one")
        yield number, line.removeprefix(_MARK) if number == 1 else line


def _json(raw: BinaryIO, stream: BinaryIO) -> Iterator[Row]:
    for number, line in _lines(stream):
        if line.isspace() or not line:
            continue
        try:
            value = strict_json.decode(line)
        except BadMessage as error:
            hint = "" if number > 1 or line[:1] in (b"{", b" ") else " (a table's name has to end in .csv, .tsv or .parquet)"
            raise BadRow(number, f"{str(error).removeprefix('line 1, ')}{hint}") from None
        if not isinstance(value, dict):
            raise BadRow(number, "expected an object with a text and labels, got something else")
        yield Row(number, value, _tell(raw))


def _csv(raw: BinaryIO, stream: BinaryIO, layout: Layout, delimiter: str) -> Iterator[Row]:
    csv.field_size_limit(LONGEST)
    reader = csv.reader(_decoded(stream), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    try:
        for cells in reader:
            if not cells:
                continue
            if header is None:
                header = _header(cells, reader.line_num)
                continue
            if len(cells) != len(header):
                reason = f"expected {len(header)} cells, as the first line has, got {len(cells)}"
                raise BadRow(reader.line_num, reason)
            row = dict(zip(header, cells, strict=True))
            yield Row(reader.line_num, _as_record(row, layout, reader.line_num), _tell(raw))
    except csv.Error as error:
        raise BadRow(reader.line_num, f"expected a table, got: {error}") from None


def _decoded(stream: BinaryIO) -> Iterator[str]:
    for number, line in _lines(stream):
        try:
            yield line.decode()
        except UnicodeDecodeError as bad:
            raise BadRow(number, f"byte {bad.start}: expected UTF-8, got the byte 0x{line[bad.start]:02x}") from None


def _header(cells: list[str], number: int) -> list[str]:
    for name in cells:
        if cells.count(name) > 1:
            raise BadRow(number, "expected each column once in the first line, got one twice")
    return cells


def _table(file: Path, layout: Layout) -> Iterator[Row]:
    number = 0
    with _parquet(file) as table:
        names = table.schema_arrow.names
        wanted = [name for name in names if name in layout.columns or name.startswith(f"{layout.labels}.")]
        try:
            for batch in table.iter_batches(_ROWS, columns=wanted):
                for value in batch.to_pylist(maps_as_pydicts="strict"):
                    number += 1
                    yield Row(number, _as_record(value, layout, number), number)
        except ValueError as error:
            raise BadRow(number + 1, f"expected a row of the table, which cannot be read: {type(error).__name__}") from error


def _parquet(file: Path) -> Any:  # noqa: ANN401
    try:
        import pyarrow.parquet as parquet  # type: ignore[import-untyped]  # it ships no types
    except ImportError as error:
        raise MissingExtra("Parquet", "data") from error
    try:
        return parquet.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False)  # by pages, not by whole columns
    except (OSError, ValueError) as error:
        raise TenetError(f"{file}: expected a Parquet file, got one that cannot be read ({type(error).__name__})") from error


def _as_record(row: dict[str, Any], layout: Layout, number: int) -> dict[str, Any]:
    """Return a row of a table as a record: what its columns say of labels is a number there, and what is empty is absent."""
    labels = row.pop(layout.labels, None)
    if isinstance(labels, str):
        labels = _labels(labels, layout, number)
    found = dict(labels) if isinstance(labels, Mapping) else labels
    start = f"{layout.labels}."
    for name in [name for name in row if name.startswith(start)]:
        found = found if isinstance(found, dict) else {}
        found[name.removeprefix(start)] = row.pop(name)
    if isinstance(found, dict):
        found = {name: _number(value) for name, value in found.items()}
    others = {name: value if name == layout.text or value != "" else None for name, value in row.items()}
    if layout.label in others:
        others[layout.label] = _number(others[layout.label])
    return others if found is None else {layout.labels: found, **others}


def _labels(cell: str, layout: Layout, number: int) -> object:
    if not cell.strip():
        return None
    try:
        return strict_json.decode(cell.encode("utf-8", "surrogatepass"))
    except BadMessage:
        raise BadRow(number, f"expected JSON in the column `{layout.labels}`, got something else") from None


def _number(value: object) -> object:
    """Return 0 or 1 for the ways in which tables write them, and anything else as it is; None for an empty cell."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float) and value != value:  # how tables say that nothing is known
        return None
    if isinstance(value, str):
        return {"": None, "0": 0, "1": 1, "0.0": 0, "1.0": 1}.get(value.strip(), value)
    return value


def _tell(raw: BinaryIO) -> int:
    try:
        return raw.tell()
    except (OSError, io.UnsupportedOperation):  # a pipe
        return 0
