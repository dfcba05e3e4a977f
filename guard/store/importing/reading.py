"""Rows of a file as plain values, one after the other: JSON lines, a JSON array, CSV or Parquet; memory does not grow with it."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import msgspec

from guard.errors import MissingExtra, StoreError

LONGEST = 16 * 1024 * 1024
"""Bytes of a record, and characters of a cell."""
_BLOCK = 64 * 1024
_GZIP, _PARQUET, _MARK = b"\x1f\x8b", b"PAR1", b"\xef\xbb\xbf"
_OTHER_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_BETWEEN, _IN_TEXT = re.compile(rb'["\[\]{},]'), re.compile(rb'["\\]')
_DELIMITERS = {".csv": ",", ".tsv": "\t"}


class Row(NamedTuple):
    """One row.

    Attributes:
        number: Of its line, of the element in a JSON array, or of the row in a Parquet file, from 1.
    """

    number: int
    value: dict[str, Any]


class BadRow(Exception):
    """A row that cannot be read; the message says why, without repeating it.

    Attributes:
        fatal: Whether nothing that follows can be read either.
    """

    def __init__(self, number: int, reason: str, *, fatal: bool = True) -> None:
        self.number = number
        self.fatal = fatal
        super().__init__(reason)


def read_rows(file: Path, kind: str) -> Iterator[Row | BadRow]:
    """Yield the rows of a file, and in their place those that cannot be read; blank lines are none.

    Args:
        kind: json, csv or parquet.

    Raises:
        StoreError: For a file that cannot be read or decompressed.
        MissingExtra: For Parquet, without its package.
    """
    try:
        if kind == "parquet":
            yield from _table(file)
            return
        with ExitStack() as stack:
            stream = opened(file, stack)
            yield from _csv(stream, delimiter(file)) if kind == "csv" else _json(stream)
    except BadRow as error:
        yield error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise StoreError(f"{file}: expected more, got the end of what can be decompressed") from error
    except OSError as error:
        raise StoreError(f"{file}: cannot be read: {error.strerror or type(error).__name__}") from error


def kind_of(file: Path) -> str:
    """Return json, csv or parquet, by the file's name or its first bytes."""
    suffix = _suffix(file)
    if suffix in _DELIMITERS:
        return "csv"
    if suffix == ".parquet":
        return "parquet"
    with file.open("rb") as raw:
        return "parquet" if raw.read(len(_PARQUET)) == _PARQUET else "json"


def delimiter(file: Path) -> str:
    """Return what divides the cells of a table in text."""
    return _DELIMITERS.get(_suffix(file), ",")


def opened(file: Path, stack: ExitStack) -> BinaryIO:
    """Return the file as it reads: decompressed, where it is compressed."""
    raw = stack.enter_context(file.open("rb"))
    if raw.peek(len(_GZIP))[: len(_GZIP)] != _GZIP:
        return raw
    return cast(BinaryIO, stack.enter_context(gzip.GzipFile(fileobj=raw)))


def _suffix(file: Path) -> str:
    return Path(file.stem).suffix if file.suffix == ".gz" else file.suffix


def _json(stream: BinaryIO) -> Iterator[Row | BadRow]:
    lines = _lines(stream)
    for number, line in lines:
        if not line.strip():
            continue
        if line.lstrip()[:1] == b"[":
            yield from _array(line, stream)
            return
        yield _decoded(number, line)
        break
    for number, line in lines:
        if line.strip():
            yield _decoded(number, line)


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := stream.readline(LONGEST + 1):
        number += 1
        if number == 1:
            _check_mark(line)
            line = line.removeprefix(_MARK)
        if len(line) > LONGEST and line.lstrip()[:1] != b"[":
            raise BadRow(number, f"expected a line of at most {LONGEST:,} bytes, got a longer one")
        yield number, line


def _check_mark(line: bytes) -> None:
    found = _OTHER_MARKS.get(line[:2])
    if found:
        raise BadRow(1, f"expected UTF-8, got {found}; write it again as UTF-8 (`iconv -f {found} -t UTF-8`)")


def _decoded(number: int, piece: bytes) -> Row | BadRow:
    try:
        value = msgspec.json.decode(piece)
    except UnicodeDecodeError:  # its position is that in a string
        return BadRow(number, _undecodable(piece), fatal=False)
    except (msgspec.DecodeError, RecursionError) as error:
        reason = "deeper nesting than can be read" if isinstance(error, RecursionError) else f"something else ({error})"
        return BadRow(number, f"expected an object as JSON, got {reason}", fatal=False)
    if not isinstance(value, dict):
        return BadRow(number, "expected an object as JSON, got another value", fatal=False)
    return Row(number, value)


def _undecodable(piece: bytes) -> str:
    try:
        piece.decode()
    except UnicodeDecodeError as bad:
        return f"byte {bad.start}: expected UTF-8, got the byte 0x{piece[bad.start]:02x}"
    return "expected UTF-8, got something else"


def _array(start: bytes, stream: BinaryIO) -> Iterator[Row | BadRow]:
    cutter = _Cutter()
    block = start
    while block:
        for number, piece in cutter.cut(block):
            yield _decoded(number, piece)
        block = stream.read(_BLOCK)
    cutter.end()


class _Cutter:
    """Cuts an array into its elements, as the bytes come."""

    def __init__(self) -> None:
        self._number, self._depth = 0, 0
        self._begun, self._quoted, self._escaped = False, False, False
        self._piece = bytearray()

    def cut(self, block: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield the elements that end in the block."""
        at = start = self._begin(block)
        while at < len(block) and self._depth:
            if self._escaped:
                self._escaped, at = False, at + 1
                continue
            found = (_IN_TEXT if self._quoted else _BETWEEN).search(block, at)
            if found is None:
                break
            sign, at = found[0], found.end()
            if self._depth == 1 and not self._quoted and sign in b",]":
                self._piece += block[start : found.start()]
                start = at
                yield from self._taken()
                self._depth -= sign == b"]"
            else:
                self._step(sign)
        if self._depth:
            self._piece += block[start:]
        elif block[start:].strip():
            raise BadRow(max(self._number, 1), "expected nothing after the array, got more")
        if len(self._piece) > LONGEST:
            raise BadRow(self._number + 1, f"expected a record of at most {LONGEST:,} bytes, got a longer one")

    def end(self) -> None:
        """Raise BadRow where the array has not ended."""
        if self._depth:
            raise BadRow(self._number + 1, "expected the end of the array (`]`), got the end of the file")

    def _begin(self, block: bytes) -> int:
        if self._begun:
            return 0
        self._begun, self._depth = True, 1
        return block.index(b"[") + 1

    def _step(self, sign: bytes) -> None:
        if sign == b'"':
            self._quoted = not self._quoted
        elif sign == b"\\":
            self._escaped = True
        elif sign != b",":
            self._depth += 1 if sign in b"[{" else -1

    def _taken(self) -> Iterator[tuple[int, bytes]]:
        piece = bytes(self._piece).strip()
        self._piece.clear()
        if piece:
            self._number += 1
            yield self._number, piece


def _csv(stream: BinaryIO, between: str) -> Iterator[Row | BadRow]:
    csv.field_size_limit(LONGEST)
    reader = csv.reader(_text_lines(stream), delimiter=between, strict=True)
    header: list[str] | None = None
    try:
        for cells in reader:
            if not any(cells):
                continue
            if header is None:
                header = _header(cells)
            elif len(cells) != len(header):
                reason = f"expected {len(header)} cells, as the first line has, got {len(cells)}"
                yield BadRow(reader.line_num, reason, fatal=False)
            else:
                pairs = zip(header, cells, strict=True)
                yield Row(reader.line_num, {name: cell for name, cell in pairs if cell != ""})
    except csv.Error as error:
        raise BadRow(reader.line_num, f"expected a table, got: {error}") from None


def _text_lines(stream: BinaryIO) -> Iterator[str]:
    for number, line in _lines(stream):
        try:
            yield line.decode()
        except UnicodeDecodeError:
            raise BadRow(number, _undecodable(line)) from None


def _header(cells: list[str]) -> list[str]:
    if len(set(cells)) < len(cells) or not all(cells):
        raise BadRow(1, "expected a name for each column in the first line, each once, got an empty one or one twice")
    return cells


def _table(file: Path) -> Iterator[Row | BadRow]:
    try:
        import pyarrow.parquet as parquet  # type: ignore[import-untyped]  # it ships no types
    except ImportError as error:
        raise MissingExtra("Parquet", "data") from error
    number = 0
    try:
        with parquet.ParquetFile(file, buffer_size=1024 * 1024, pre_buffer=False) as table:
            for batch in table.iter_batches(256):
                for value in batch.to_pylist(maps_as_pydicts="lossy"):
                    number += 1
                    yield Row(number, {name: each for name, each in value.items() if each is not None})
    except ValueError as error:
        raise BadRow(number + 1, f"expected a Parquet file, got one that cannot be read ({type(error).__name__})") from error
