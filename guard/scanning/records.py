"""Records on their way through a scan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol


class Position(NamedTuple):
    """How far a file has been read.

    Attributes:
        at: Bytes of lines, after decompression; rows of a table.
        row: Lines or rows that lie before.
        read: Bytes of the file itself, or rows: for telling progress only.
    """

    at: int = 0
    row: int = 0
    read: int = 0


class Record(NamedTuple):
    """One record as it was read.

    Attributes:
        row: Its line or row in the file, from 1.
        after: Where the next record begins.
        text: What is to be judged.
        id: The record's own id as JSON; empty where none was asked for.
        error: Why there is no text; empty where there is one. Holds nothing of the record.
    """

    row: int
    after: Position
    text: str = ""
    id: bytes = b""
    error: str = ""


class Judged(NamedTuple):
    """What came of one record.

    Attributes:
        after: Where the next record begins.
        line: The result as JSON, without the line's end.
    """

    after: Position
    line: bytes


class Source(Protocol):
    """A file of records. Can be pickled, so that another process may read it.

    Attributes:
        resumes: Whether reading may begin in the middle.
        total: What `Position.read` is at the end; None where nobody knows.
    """

    @property
    def resumes(self) -> bool:
        """Whether reading may begin in the middle."""
        ...

    @property
    def total(self) -> int | None:
        """What `Position.read` is at the end; None where nobody knows."""
        ...

    def chunks(self, start: Position) -> Iterator[list[Record]]:
        """Yield the records from `start` on, as many at a time as one read gives."""
        ...
