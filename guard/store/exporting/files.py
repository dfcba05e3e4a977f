"""Write the records of a set as JSON lines and as Parquet, in bounded memory."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guard.errors import MissingExtra
from guard.store.exporting.contexts import batched
from guard.store.exporting.records import Record

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types

_ROWS = 1_000


def require_parquet() -> None:
    """Raise MissingExtra where Parquet cannot be written, before any work."""
    try:
        import pyarrow.parquet  # type: ignore[import-untyped]  # noqa: F401 - it ships no types
    except ImportError as error:
        raise MissingExtra("an export", "data") from error


def write_set(records: Iterable[Record], lines: Path, table: Path, schema: pa.Schema) -> int:
    """Write records into both files; returns how many there were."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    count = 0
    with lines.open("w", encoding="utf-8", newline="\n") as out, parquet.ParquetWriter(table, schema, compression="zstd") as rows:
        for batch in batched(records, _ROWS):
            out.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in batch)
            rows.write_table(pa.Table.from_pylist(batch, schema=schema))
            count += len(batch)
    for file in (lines, table):
        flush(file)
    return count


def write_text(file: Path, text: str) -> None:
    """Write a file that is on the disk when this returns."""
    file.write_text(text, encoding="utf-8", newline="\n")
    flush(file)


def flush(path: Path) -> None:
    """Have what was written to a file, or the names in a folder, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def described(file: Path) -> dict[str, Any]:
    """Return a file's size and digest, as the data card has them."""
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return {"bytes": file.stat().st_size, "sha256": digest}
