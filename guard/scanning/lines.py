"""Read records from lines of JSON, plain or compressed, from a file or a pipe, in memory that does not grow with the file."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from guard.errors import BadMessage, TenetError
from guard.formats import strict_json
from guard.scanning.fields import Field, Missing
from guard.scanning.records import Position, Record

LONGEST = 16 * 1024 * 1024
"""Bytes of a line; a longer one is reported and skipped."""

_BLOCK = 256 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Lines:
    """A file with one JSON value a line; `-` is standard input.

    Attributes:
        total: The file's size in bytes; None for a pipe.
        resumes: Whether it is a file, and no pipe.
    """

    path: str
    text: Field
    id: Field | None
    compressed: bool = False
    total: int | None = None
    resumes: bool = True
    longest: int = LONGEST

    def chunks(self, start: Position) -> Iterator[list[Record]]:
        """Yield the records from `start` on; what cannot be read becomes a record with an error."""
        with _opened(self.path) as file:
            stream = gzip.GzipFile(fileobj=file) if self.compressed else file
            cutter = _Cutter(start, self.longest)
            if start.at:
                stream.seek(start.at)
            while True:
                try:
                    block = stream.read1(_BLOCK) if isinstance(stream, gzip.GzipFile) else stream.read(_BLOCK)
                except (EOFError, zlib.error, gzip.BadGzipFile):
                    yield [
                        Record(cutter.row + 1, cutter.position(0), error="expected more, got the end of what can be decompressed")
                    ]
                    return
                read = file.tell() if self.compressed else 0
                records = [self._record(*line, read) for line in cutter.cut(block)]
                yield [record for record in records if record is not None]
                if not block:
                    return

    def _record(self, row: int, at: int, line: bytes | None, read: int) -> Record | None:
        """Return the record of a line that ends before `at`; None for a blank one."""
        after = Position(at, row, read or at)
        if line is None:
            return Record(row, after, error=f"expected a line of at most {self.longest:,} bytes, got a longer one")
        if row == 1:
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if not line or line.isspace():
            return None
        try:
            value = strict_json.decode(line)
            return Record(row, after, self.text.text(value), self.id.id(value) if self.id else b"")
        except BadMessage as error:
            return Record(row, after, error=str(error).removeprefix("line 1, "))
        except Missing as error:
            return Record(row, after, error=str(error))


class _Cutter:
    """Cuts blocks into lines, and counts."""

    def __init__(self, start: Position, longest: int) -> None:
        self.row = start.row
        self._at = start.at
        self._longest = longest
        self._rest = b""
        self._skipping = False

    def position(self, read: int) -> Position:
        """Return where the next line begins."""
        return Position(self._at, self.row, read or self._at)

    def cut(self, block: bytes) -> Iterator[tuple[int, int, bytes | None]]:
        """Yield the lines that `block` completes: number, offset after it, bytes, or None for one that is too long.

        An empty block is the end of the file.
        """
        *lines, rest = (self._rest + block).split(b"\n")
        if not block:
            lines, rest = ([rest] if rest or self._skipping else []), b""
        self._rest = rest
        for line in lines:
            yield self._counted(line, 1 if block else 0)
        if len(self._rest) > self._longest:
            self._at += len(self._rest)
            self._rest, self._skipping = b"", True

    def _counted(self, line: bytes, end: int) -> tuple[int, int, bytes | None]:
        too_long = self._skipping or len(line) > self._longest
        self._skipping = False
        self.row += 1
        self._at += len(line) + end
        return self.row, self._at, None if too_long else line


def _opened(path: str) -> BinaryIO:
    """Open unbuffered, so that a pipe gives what has come and never waits for a block to fill."""
    try:
        if path == "-":
            return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)
        return open(path, "rb", buffering=0)
    except OSError as error:
        raise TenetError(f"{path}: cannot be read: {error.strerror}") from error


def size_of(path: str) -> int | None:
    """Return the size of a regular file in bytes; None for a pipe."""
    return Path(path).stat().st_size if path != "-" and Path(path).is_file() else None
