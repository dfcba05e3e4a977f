"""Read records from Parquet and write results as Parquet, a few rows at a time, so that memory does not grow with the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from guard.errors import MissingExtra, TenetError
from guard.scanning.fields import Field, Missing
from guard.scanning.records import Position, Record

if TYPE_CHECKING:
    import pyarrow.parquet as pq  # type: ignore[import-untyped]  # it ships no types

_ROWS = 256
"""Rows that are read at a time."""
_ROW_GROUP = 16_384
"""Results in one row group."""


@dataclass(frozen=True)
class Table:
    """A Parquet file.

    Attributes:
        total: Its rows.
    """

    path: str
    text: Field
    id: Field | None
    total: int
    resumes: bool = True

    @classmethod
    def opened(cls, path: str, text: Field, id_field: Field | None) -> Table:
        """Return the file as a source.

        Raises:
            MissingExtra: Without the package `pyarrow`.
            TenetError: Where it is no Parquet file, or has no such column.
        """
        with _reader(path) as file:
            table = cls(path, text, id_field, file.metadata.num_rows)
            known = file.schema_arrow.names
            for field in filter(None, (text, id_field)):
                if _column(field, known) not in known:
                    raise TenetError(f"{path}: expected a column for `{field.name}`, found {', '.join(known) or 'none'}")
        return table

    def chunks(self, start: Position) -> Iterator[list[Record]]:
        """Yield the records from `start` on; where the file cannot be read, a record that says so ends it."""
        with _reader(self.path) as file:
            columns = list({_column(field, file.schema_arrow.names) for field in (self.text, self.id) if field is not None})
            row = 0
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if row + rows <= start.at:
                    row += rows
                    continue
                try:
                    for batch in file.iter_batches(_ROWS, row_groups=[group], columns=columns):
                        skipped = max(0, min(start.at - row, batch.num_rows))
                        values = batch.slice(skipped).to_pylist()
                        yield [self._record(number, value) for number, value in enumerate(values, row + skipped + 1)]
                        row += batch.num_rows
                except (OSError, ValueError) as error:
                    message = (
                        f"expected row group {group + 1} of {file.num_row_groups}, which cannot be read: {type(error).__name__}"
                    )
                    yield [Record(row + 1, Position(row, row, row), error=message)]
                    return

    def _record(self, row: int, value: object) -> Record:
        after = Position(row, row, row)
        try:
            return Record(row, after, self.text.text(value), self.id.id(value) if self.id else b"")
        except Missing as error:
            return Record(row, after, error=str(error))


class _Result(msgspec.Struct):
    """A result as it stands in the lines of a scan."""

    row: int
    action: str | None = None
    rules: list[str] | None = None
    findings: list[dict[str, Any]] | None = None
    failed: list[str] | None = None
    policy: str | None = None
    error: str | None = None
    id: str | int | float | None = None
    text: str | None = None

    @property
    def as_row(self) -> dict[str, Any]:
        """As a row: an id is a string there, whatever it was."""
        return {**msgspec.structs.asdict(self), "id": None if self.id is None else str(self.id)}


def write_table(lines: Path, table: Path, *, with_id: bool, with_text: bool) -> None:
    """Write the results in `lines` as a Parquet file.

    Raises:
        MissingExtra: Without the package `pyarrow`.
    """
    pa, parquet = _pyarrow(), _parquet()
    finding = [("detector", pa.string()), ("category", pa.string()), ("score", pa.float64()), ("span", pa.list_(pa.int64()))]
    names = pa.list_(pa.string())
    columns = {"row": pa.int64(), "id": pa.string(), "action": pa.string(), "rules": names}
    columns |= {"findings": pa.list_(pa.struct(finding)), "failed": names, "policy": pa.string(), "error": pa.string()}
    if not with_id:
        del columns["id"]
    if with_text:
        columns["text"] = pa.string()
    schema = pa.schema(list(columns.items()))
    with lines.open("rb") as results, parquet.ParquetWriter(table, schema, compression="zstd") as writer:
        while rows := [_decode(line).as_row for line, _ in zip(results, range(_ROW_GROUP), strict=False)]:
            writer.write_table(pa.Table.from_pylist(rows, schema))


def require_parquet() -> None:
    """Check that Parquet can be read and written.

    Raises:
        MissingExtra: Without the package `pyarrow`.
    """
    _parquet()


_decode = msgspec.json.Decoder(_Result).decode


def _column(field: Field, known: list[str]) -> str:
    return field.name if field.name in known else field.steps[0]


def _reader(path: str) -> pq.ParquetFile:
    parquet = _parquet()
    try:
        return parquet.ParquetFile(path)
    except (OSError, ValueError) as error:
        raise TenetError(f"{path}: expected a Parquet file, got one that cannot be read ({type(error).__name__})") from error


def _parquet() -> Any:  # noqa: ANN401
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra("Parquet", "data") from error
    return pyarrow.parquet


def _pyarrow() -> Any:  # noqa: ANN401
    import pyarrow

    return pyarrow
