"""Labelled records from a file, read as they stream by: nothing of a text is kept, whatever the size of the file.

A record is a text with what people said about it. What is wrong with one ends the reading, with the file and the line: figures
about the records that were left would be about something else. No message repeats anything of a text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from guard.errors import TenetError
from guard.evaluation.layout import Layout
from guard.evaluation.rows import BadRow, Row, read_rows, size
from guard.evaluation.seen import Seen
from guard.scanning.fields import Missing
from guard.values import Role, Stage


@dataclass(frozen=True, slots=True)
class Record:
    """A text, and what is known about it.

    Attributes:
        row: Its line, or its row in a table, from 1.
        id: Its own id as JSON; the number of its row where it has none.
        labels: 1 or 0 by category; a category that is missing is unknown.
        prompt: What the text answers; empty where there is none.
        slices: The parts of the data set that it belongs to, one for each field of `Layout.slices`.
        stage: Which way it travels, where the record says so.
        role: Whose words it is, where the record says so.
        read: How far the file has been read, for telling progress (see `Dataset.total`).
    """

    row: int
    id: str
    text: str
    labels: Mapping[str, int]
    prompt: str = ""
    slices: tuple[str, ...] = ()
    stage: Stage | None = None
    role: Role | None = None
    read: int = 0


@dataclass(frozen=True)
class Dataset:
    """A file of labelled records: lines of JSON (also compressed by gzip), CSV or Parquet.

    Attributes:
        total: What `Record.read` is at the end; None for a pipe.
    """

    path: str
    layout: Layout = field(default_factory=Layout)
    total: int | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Look whether there is a file.

        Raises:
            TenetError: Where there is none, or `--category` names nothing that can be labelled.
            MissingExtra: For Parquet, without its package.
        """
        file = Path(self.path)
        if not file.exists() or file.is_dir():
            found = "a folder" if file.is_dir() else "nothing"
            raise TenetError(f"{self.path}: expected a file of labelled records, found {found} there")
        if self.layout.category:
            try:
                self.layout.check_name(self.layout.category, "--category")
            except Missing as error:
                raise TenetError(str(error)) from None
        try:
            object.__setattr__(self, "total", size(file))
        except OSError as error:
            raise TenetError(f"{self.path}: cannot be read: {error.strerror}") from error

    def records(self) -> Iterator[Record]:
        """Yield the records, from the first to the last.

        Raises:
            TenetError: With the line, for what is no record, and for an id that came before; for a file without a record, and
                one that cannot be read.
        """
        seen = Seen()
        count = 0
        number = 0
        try:
            for row in read_rows(Path(self.path), self.layout):
                number = row.number
                own_id = self.layout.id_of(row.value)
                if own_id and not seen.add(own_id):
                    raise Missing(
                        f"expected each `{self.layout.id}` once, got one that came before; let every record have its own"
                    )
                count += 1
                yield self._record(row, own_id or str(row.number))
        except BadRow as error:
            raise TenetError(f"{self.path}:{error.number}: {error}") from None
        except Missing as error:
            raise TenetError(f"{self.path}:{number}: {error}") from None
        if not count:
            raise TenetError(f"{self.path}: expected labelled records, found none; a record is a line with a text and labels")

    def _record(self, row: Row, known_as: str) -> Record:
        layout, value = self.layout, row.value
        return Record(
            row.number,
            known_as,
            layout.text_of(value),
            layout.labels_of(value),
            layout.prompt_of(value),
            layout.slices_of(value),
            layout.stage_of(value),
            layout.role_of(value),
            row.read,
        )
